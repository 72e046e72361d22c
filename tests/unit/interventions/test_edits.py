"""Edits of neurons against models whose weights are changed in place."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from small_models import LAYERS, VOCABULARY, WIDTH, second_projection, tiny_model
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from bias_amplification.interventions.edits import Edit, RowEdits, ablate, restore, scale, steer
from bias_amplification.interventions.projections import Projection
from bias_amplification.language_model.generate import continue_prompts
from bias_amplification.language_model.prompt_batches import Prompts
from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.study.sections import Decoding, Generation

GREEDY, NUCLEUS, BEAM = Decoding(), Decoding(method="nucleus", temperature=1.2), Decoding(method="beam", beams=3)
#: Units that are changed, by layer: some, and most of them, which are computed in different ways.
UNITS = {0: torch.tensor([0, 3, 7, 15]), 1: torch.arange(2, 13)}
CHANGE = torch.linspace(-2, 2, WIDTH)
#: Models have 32 positions. Four prompts are decoded at once.
SHORT = Generation(block_tokens=6, new_tokens=10, batch_prompts=4)


def rows_and_biases(model: PreTrainedModel, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the second projection's weight, [outputs, inputs], and bias, which change the model when they change."""
    projection = second_projection(model, layer)[2]
    weight = projection.weight.data.T if isinstance(projection, Conv1D) else projection.weight.data
    if projection.bias is None:
        projection.bias = torch.nn.Parameter(torch.zeros(WIDTH))
    return weight, projection.bias.data


def whole(model: PreTrainedModel, layer: int) -> Projection:
    weight, bias = rows_and_biases(deepcopy(model), layer)
    return Projection(torch.arange(WIDTH), weight, bias)


def put_in(model: PreTrainedModel, other: PreTrainedModel, layer: int, units: torch.Tensor) -> None:
    for own, new in zip(rows_and_biases(model, layer), rows_and_biases(other, layer), strict=True):
        own[units] = new[units]


def multiply(model: PreTrainedModel, layer: int, units: torch.Tensor, factor: float) -> None:
    for own in rows_and_biases(model, layer):
        own[units] *= factor


def move(model: PreTrainedModel, layer: int, units: torch.Tensor, change: torch.Tensor) -> None:
    rows_and_biases(model, layer)[1][units] += change


def fix(model: PreTrainedModel, layer: int, units: torch.Tensor, output: torch.Tensor) -> None:
    multiply(model, layer, units, 0)
    move(model, layer, units, output)


#: For each action: the edit of a layer's units, and the same change of the weights in place. Both take the model that
#: is changed and the other model.
ACTIONS: dict[str, tuple[Callable[..., Edit], Callable[..., None]]] = {
    "restore": (
        lambda model, other, layer, units: restore(layer, units, whole(model, layer), whole(other, layer)),
        put_in,
    ),
    "ablate": (
        lambda model, other, layer, units: ablate(layer, units),
        lambda model, other, layer, units: multiply(model, layer, units, 0),
    ),
    "ablate to the mean": (
        lambda model, other, layer, units: ablate(layer, units, CHANGE[units]),
        lambda model, other, layer, units: fix(model, layer, units, CHANGE[units]),
    ),
    "scale": (
        lambda model, other, layer, units: scale(layer, units, -1.5),
        lambda model, other, layer, units: multiply(model, layer, units, -1.5),
    ),
    "steer": (
        lambda model, other, layer, units: steer(layer, units, CHANGE[units], 3.0),
        lambda model, other, layer, units: move(model, layer, units, 3 * CHANGE[units]),
    ),
}
NOTHING: dict[str, Callable[..., Edit]] = {
    "no units": lambda model, layer, units: ablate(layer, units[:0]),
    "restored to itself": lambda model, layer, units: restore(layer, units, whole(model, layer), whole(model, layer)),
    "factor 1": lambda model, layer, units: scale(layer, units, 1.0),
    "multiple 0": lambda model, layer, units: steer(layer, units, CHANGE[units], 0.0),
    "no change": lambda model, layer, units: steer(layer, units, torch.zeros(len(units)), 2.0),
}


def edits(action: str, model: PreTrainedModel, other: PreTrainedModel) -> list[Edit]:
    return [ACTIONS[action][0](model, other, layer, units) for layer, units in UNITS.items()]


def changed(action: str, model: PreTrainedModel, other: PreTrainedModel) -> PreTrainedModel:
    copy = deepcopy(model)
    for layer, units in UNITS.items():
        ACTIONS[action][1](copy, other, layer, units)
    return copy


def pair(model_type: str) -> tuple[PreTrainedModel, PreTrainedModel]:
    return tiny_model(model_type).eval(), tiny_model(model_type, seed=1).eval()


def some_prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    lengths = [6] * 7 + [2, 3, 5, 9]
    return [torch.randint(1, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]


def write(model: PreTrainedModel, decoding: Decoding = GREEDY, conditions: RowEdits | None = None) -> list[list[int]]:
    prompts = Prompts([*some_prompts(), []])
    if conditions is None:
        return continue_prompts(model, prompts, SHORT, decoding, seed=5)
    with conditions.attached(model):
        return continue_prompts(model, prompts, SHORT, decoding, seed=5, conditions=conditions)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
@torch.no_grad()
def test_logits_equal_those_of_a_model_with_changed_weights(model_type: str, action: str) -> None:
    model, other = pair(model_type)
    tokens = torch.tensor([prompt[:6] for prompt in some_prompts()[:7]])
    expected, before = changed(action, model, other)(tokens).logits, model(tokens).logits
    conditions = RowEdits([edits(action, model, other), []])

    with conditions.attached(model):
        conditions.begin([0])
        found = model(tokens).logits
        conditions.begin([0, 1, 0, 1, 1, 0, 1])
        mixed = model(tokens).logits

    bound = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=bound)
    assert (expected - before).abs().max() > 1000 * bound
    torch.testing.assert_close(mixed[[0, 2, 5]], expected[[0, 2, 5]], rtol=0, atol=bound)
    torch.testing.assert_close(mixed[[1, 3, 4, 6]], before[[1, 3, 4, 6]], rtol=0, atol=0)
    assert torch.equal(model(tokens).logits, before), "the edits act after their context"


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_texts_equal_those_of_models_with_changed_weights(model_type: str) -> None:
    model, other = pair(model_type)
    expected = [write(model), *(write(changed(action, model, other)) for action in ACTIONS)]

    found = write(model, GREEDY, RowEdits([[], *(edits(action, model, other) for action in ACTIONS)]))

    assert found == [row for rows in expected for row in rows]
    assert len({str(rows) for rows in expected}) == 6


@pytest.mark.parametrize("decoding", [GREEDY, NUCLEUS, BEAM], ids=lambda decoding: decoding.method)
def test_conditions_together_equal_each_alone(decoding: Decoding) -> None:
    model, other = pair("gpt2")
    single = [edits(action, model, other) for action in ACTIONS]
    alone = [write(model, decoding)] + [write(model, decoding, RowEdits([one])) for one in single]

    found = write(model, decoding, RowEdits([[], *single]))

    assert found == [row for rows in alone for row in rows]
    assert len({str(rows) for rows in alone}) == 6


def test_sampled_texts_have_the_same_random_numbers_under_each_condition() -> None:
    model, other = pair("gpt2")
    expected = [write(changed(action, model, other), NUCLEUS) for action in ("restore", "scale")]
    conditions = RowEdits([[], edits("restore", model, other), [], edits("scale", model, other)])

    found = write(model, NUCLEUS, conditions)

    prompts = len(some_prompts()) + 1
    first, second, third, fourth = (found[k * prompts : (k + 1) * prompts] for k in range(4))
    assert first == third == write(model, NUCLEUS)
    assert [second, fourth] == expected
    assert first != second != fourth


def test_rows_keep_their_condition_when_others_are_dropped() -> None:
    model, other = pair("gpt2")
    plain, new = write(model), write(changed("ablate", model, other))
    # The most frequent first tokens end texts at once, so that rows of both conditions are dropped.
    firsts = [row[0] for row in (*plain, *new) if row]
    model.config.eos_token_id = [0, max(set(firsts), key=firsts.count)]
    dropped: list[int] = []
    conditions = RowEdits([[], edits("ablate", model, other)])
    keep = conditions.keep
    conditions.keep = lambda rows: (dropped.append(len(rows)), keep(rows))

    found = write(model, GREEDY, conditions)

    assert dropped
    assert found == write(model) + write(changed("ablate", model, other))
    assert found != plain + new


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("model_type", ["gpt2", "opt", "llama"])
@torch.no_grad()
def test_edits_without_effect_leave_every_bit(model_type: str, name: str) -> None:
    model = tiny_model(model_type).eval()
    before = write(model)
    nothing = [NOTHING[name](model, layer, units) for layer, units in UNITS.items()]
    assert [len(edit.units) for edit in nothing] == [0, 0]
    everything = [ablate(layer, torch.arange(WIDTH)) for layer in range(LAYERS)]
    conditions = RowEdits([nothing, everything])
    tokens = torch.tensor([prompt[:6] for prompt in some_prompts()[:7]])
    logits = model(tokens).logits

    found = write(model, GREEDY, conditions)
    with conditions.attached(model):
        conditions.begin([0, 1, 0, 1, 0, 1, 0])
        mixed = model(tokens).logits

    assert found[: len(before)] == before != found[len(before) :]
    assert torch.equal(mixed[::2], logits[::2])


@torch.no_grad()
def test_other_units_are_not_computed_anew() -> None:
    model, other = pair("opt")
    projection = second_projection(model, 0)[2]
    outputs: list[torch.Tensor] = []
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    conditions = RowEdits([edits("restore", model, other), []])

    def keep(_module, _inputs, output: torch.Tensor) -> None:
        outputs.append(output.clone().view(2, 3, WIDTH))

    projection.register_forward_hook(keep)
    model(tokens)
    with conditions.attached(model):
        projection.register_forward_hook(keep)
        conditions.begin([0, 1])
        model(tokens)

    same = outputs[0] == outputs[-1]
    assert same[1].all()
    unchanged = [unit for unit in range(WIDTH) if unit not in UNITS[0].tolist()]
    assert same[0][:, unchanged].all()
    assert not same[0][:, UNITS[0]].any()


def test_only_units_with_other_weights_are_restored() -> None:
    model = tiny_model("llama").eval()
    other = deepcopy(model)
    rows_and_biases(other, 0)[0][7, 2] += 1
    rows_and_biases(other, 0)[1][15] += 1

    edit = restore(0, UNITS[0], whole(model, 0), whole(other, 0))

    assert edit.units.tolist() == [7, 15]
    assert edit.offset.tolist() == [0, 1]


def test_the_digest_tells_conditions_apart() -> None:
    model, other = pair("gpt2")
    sets = [[edits(action, model, other)] for action in ACTIONS]
    sets += [[*one, []] for one in sets] + [[[], *one] for one in sets] + [[edits("restore", other, model)]]

    assert len({RowEdits(conditions).digest for conditions in sets}) == len(sets)
    assert RowEdits(sets[0]).digest == RowEdits(deepcopy(sets[0])).digest
