"""Neurons that a training holds, against trainings that are written out."""

import math

import pytest
import torch
from killed_trainings import Killed, KilledAfter
from small_models import INNER, LAYERS, WIDTH, second_projection, small_gpt2, tiny_model

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.training import NextToken
from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.models.held import Held, check_units
from bias_amplification.models.learning import learn
from bias_amplification.study.sections import Compute, Pretraining

EXAMPLES = [[(3 * k + i) % 19 + 1 for i in range(5 + k % 4)] for k in range(10)]
RECIPE = Pretraining(epochs=3, batch_size=4, learning_rate=1e-2, weight_decay=0.5, warmup=0.0)
UNITS = {0: torch.tensor([1, 4]), 1: torch.tensor([0, 7, 15])}


def objective() -> NextToken:
    return NextToken(EXAMPLES, 0, 5, RECIPE.batch_size)


def rows(model: torch.nn.Module, layer: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the weights [neurons, inputs] and the bias [neurons] of a `tiny_model`'s second projection."""
    _, _, module = second_projection(model, layer)
    weight = module.weight.detach()
    return weight if weight.shape == (WIDTH, INNER) else weight.T, module.bias


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_frozen_neurons_do_not_change_and_others_do(model_type, precision):
    before, model = tiny_model(model_type), tiny_model(model_type)

    learn(model, objective(), RECIPE, seed=1, compute=Compute(precision=precision), held=Held(model, UNITS))

    for layer in range(LAYERS):
        others = torch.ones(WIDTH, dtype=torch.bool)
        others[UNITS[layer]] = False
        for now, then in zip(rows(model, layer), rows(before, layer), strict=True):
            if then is None:
                continue
            assert torch.equal(now[~others], then[~others])
            assert ((now[others] != then[others]).reshape(int(others.sum()), -1).any(dim=1)).all()


def test_frozen_neurons_take_no_part_in_clipping():
    # The loop of a training, written out for one block of GPT-2, whose weights are [inputs, outputs].
    model, plain = small_gpt2(), small_gpt2()
    learn(model, objective(), RECIPE, seed=1, held=Held(model, {1: UNITS[1]}))

    projection = plain.transformer.h[1].mlp.c_proj
    kept = projection.weight.detach()[:, UNITS[1]].clone(), projection.bias.detach()[UNITS[1]].clone()
    matrices = [p for p in plain.parameters() if p.ndim == 2]
    groups = [{"params": matrices}, {"params": [p for p in plain.parameters() if p.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, weight_decay=RECIPE.weight_decay, fused=True)
    steps, terms = math.ceil(len(EXAMPLES) / RECIPE.batch_size), objective()
    for step in range(RECIPE.epochs * steps):
        place = step % steps * RECIPE.batch_size
        positions = terms.order(step // steps)[place : place + RECIPE.batch_size]
        (terms.loss(plain, terms.batch(positions)) / terms.terms(positions)).backward()
        projection.weight.grad[:, UNITS[1]] = 0.0
        projection.bias.grad[UNITS[1]] = 0.0
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RECIPE.learning_rate * (1 - step / (RECIPE.epochs * steps))
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            projection.weight[:, UNITS[1]], projection.bias[UNITS[1]] = kept

    for (name, weight), wanted in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(weight, wanted, atol=1e-6), name


class Pulled(NextToken):
    """The penalty as a term of the loss: p / 2 times the squared distance of some neurons from a target."""

    def __init__(self, penalty: float, target: torch.nn.Module) -> None:
        super().__init__(EXAMPLES, 0, 5, RECIPE.batch_size)
        self.penalty, self.target = penalty, target

    def loss(self, model, batch):
        total = super().loss(model, batch)
        for layer, units in UNITS.items():
            own, other = (one.transformer.h[layer].mlp.c_proj for one in (model, self.target))
            away = (own.weight - other.weight.detach())[:, units], (own.bias - other.bias.detach())[units]
            total = total + batch["terms"] * self.penalty / 2 * sum(part.square().sum() for part in away)
        return total


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_a_penalty_is_a_term_of_the_loss(penalty):
    target, model, plain = small_gpt2(seed=3), small_gpt2(), small_gpt2()

    learn(model, objective(), RECIPE, seed=1, held=Held(target, UNITS, penalty))
    learn(plain, Pulled(penalty, target), RECIPE, seed=1)

    for layer in range(LAYERS):
        found, wanted = (one.transformer.h[layer].mlp.c_proj for one in (model, plain))
        assert torch.allclose(found.weight, wanted.weight, atol=1e-4)
        assert torch.allclose(found.bias, wanted.bias, atol=1e-4)


def test_a_stronger_penalty_holds_neurons_nearer_to_the_target():
    target = small_gpt2(seed=3)

    def distance(penalty: float) -> float:
        model = small_gpt2()
        learn(model, objective(), RECIPE, seed=1, held=Held(target, UNITS, penalty))
        own, other = (one.transformer.h[1].mlp.c_proj.weight.detach()[:, UNITS[1]] for one in (model, target))
        return float((own - other).norm())

    distances = [distance(penalty) for penalty in (1e-4, 0.1, 10.0)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 1.2 * distances[2]


def test_a_training_that_holds_no_neuron_is_a_training():
    plain, empty = small_gpt2(dropout=0.2), small_gpt2(dropout=0.2)

    learn(plain, objective(), RECIPE, seed=1)
    learn(empty, objective(), RECIPE, seed=1, held=Held(empty, {}))

    assert all(map(torch.equal, plain.parameters(), empty.parameters()))


@pytest.mark.parametrize("penalty", [None, 0.5])
@pytest.mark.parametrize("stops", [[2], [5, 1]])
def test_a_killed_training_with_held_neurons_resumes_to_the_same_bits(tmp_path, penalty, stops):
    path, target = tmp_path / "job.safetensors", small_gpt2(seed=3)

    def train(checkpoint: Checkpoint | None) -> torch.nn.Module:
        model = small_gpt2(dropout=0.2)
        held = Held(model if penalty is None else target, UNITS, penalty)
        learn(model, objective(), RECIPE, seed=1, checkpoint=checkpoint, held=held)
        return model

    undisturbed = train(None)
    for stop in stops:
        with pytest.raises(Killed):
            train(KilledAfter(path, stop))

    assert all(map(torch.equal, train(Checkpoint(path)).parameters(), undisturbed.parameters()))


@pytest.mark.parametrize(
    "other",
    [
        lambda model: None,
        lambda model: Held(model, {0: UNITS[0]}),
        lambda model: Held(model, UNITS, 0.5),
        lambda model: Held(small_gpt2(seed=3), UNITS),
    ],
)
def test_the_state_of_a_training_that_holds_otherwise_is_not_used(tmp_path, capsys, other):
    path, model = tmp_path / "job.safetensors", small_gpt2()
    with pytest.raises(Killed):
        learn(model, objective(), RECIPE, seed=1, checkpoint=KilledAfter(path, 2), held=Held(model, UNITS))

    model = small_gpt2()
    learn(model, objective(), RECIPE, seed=1, checkpoint=Checkpoint(path), held=other(model))

    assert "belongs to other inputs" in capsys.readouterr().out


@pytest.mark.parametrize(("layer", "neuron"), [(0, 16), (2, 0), (-1, 3), (1, -1)])
@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_a_neuron_that_the_model_lacks_is_named(model_type, layer, neuron):
    units = {0: torch.tensor([15]), layer: torch.tensor([neuron])}

    with pytest.raises(StudyError) as caught:
        check_units(units, tiny_model(model_type), "held.parquet")

    assert str(caught.value) == (
        f"held.parquet has neuron {neuron} of layer {layer}, which the model does not have: its layers are 0 to 1, and "
        "the neurons of a layer 0 to 15; delete the table and run snakemake again, or correct the round's held.file."
    )


def test_what_is_held_is_described():
    assert Held(small_gpt2(), UNITS).describe() == {"neurons": 5, "how": "frozen"}
    assert Held(small_gpt2(), UNITS, 0.5).describe() == {
        "neurons": 5,
        "how": "pulled to the base model",
        "penalty": 0.5,
    }
