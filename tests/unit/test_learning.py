"""The training loop: going on after an interruption, and several processes for one batch."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.pretrain import new_model
from bias_amplification.language_model.training import NextToken
from bias_amplification.learning import Recipe, learn
from bias_amplification.measures.encoder_training import BestEpoch, Labels
from bias_amplification.processes import Group, together

EXAMPLES = [[int(token) for token in np.random.default_rng(i).integers(1, 40, 4 + i % 7)] for i in range(13)]
RECIPE = Recipe(epochs=3, batch_size=4, learning_rate=1e-3, weight_decay=0.1, warmup=0.2)


class _Killed(BaseException):
    pass


class _KilledAfter(Checkpoint):
    """State that is saved after every step, in a process that dies after some of them."""

    def __init__(self, path, steps: int) -> None:
        super().__init__(path, seconds=0)
        self.left = steps

    def save(self, tensors, facts) -> None:
        super().save(tensors, facts)
        self.left -= 1
        if not self.left:
            raise _Killed


def dropping_model(heads: int = 2, dropout: float = 0.2):
    model = new_model(layers=2, width=16, heads=heads, context=32, vocabulary=40, end=0, seed=0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


@pytest.mark.parametrize("stops", [[1], [4], [5, 2], [11], [12]])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, stops):
    path = tmp_path / "job.safetensors"
    undisturbed = dropping_model()
    expected = learn(undisturbed, NextToken(EXAMPLES, 0, 5), RECIPE, seed=7)

    for stop in stops:
        with pytest.raises(_Killed):
            learn(dropping_model(), NextToken(EXAMPLES, 0, 5), RECIPE, seed=7, checkpoint=_KilledAfter(path, stop))
    model = dropping_model()
    torch.rand(5)  # whatever happened before must not matter
    steps = learn(model, NextToken(EXAMPLES, 0, 5), RECIPE, seed=7, checkpoint=Checkpoint(path))

    assert steps == expected
    for (name, weight), wanted in zip(model.named_parameters(), undisturbed.parameters(), strict=True):
        assert torch.equal(weight, wanted), name


def test_state_of_another_recipe_order_or_model_is_not_used(tmp_path, capsys):
    path = tmp_path / "job.safetensors"
    with pytest.raises(_Killed):
        learn(dropping_model(), NextToken(EXAMPLES, 0, 5), RECIPE, seed=7, checkpoint=_KilledAfter(path, 6))
    other = dropping_model()
    with torch.no_grad():
        other.transformer.wte.weight[3] += 1e-6
    for model, objective, seed in (
        (other, NextToken(EXAMPLES, 0, 5), 7),
        (dropping_model(heads=4), NextToken(EXAMPLES, 0, 5), 7),
        (dropping_model(dropout=0.1), NextToken(EXAMPLES, 0, 5), 7),
        (dropping_model(), NextToken(EXAMPLES[:-1], 0, 5), 7),
        (dropping_model(), NextToken(EXAMPLES, 0, 6), 7),
        (dropping_model(), NextToken(EXAMPLES, 0, 5), 8),
    ):
        learn(model, objective, RECIPE, seed=seed, checkpoint=Checkpoint(path))

        said = capsys.readouterr().out
        assert "belongs to other inputs" in said
        assert "going on" not in said


@pytest.mark.parametrize("stop", [3, 9])
def test_the_best_epoch_before_the_kill_is_not_forgotten(tmp_path, stop):
    def run(checkpoint: Checkpoint | None) -> BestEpoch:
        model, best = copy.deepcopy(encoder), BestEpoch()
        scores = {1: 0.9, 2: 0.3, 3: 0.2}
        learn(
            model,
            Labels(EXAMPLES, np.arange(13) % 2, 0, 3),
            RECIPE,
            seed=1,
            checkpoint=checkpoint,
            after_epoch=lambda epoch: best.offer(epoch, scores[epoch], 1.0, model),
            memory=best,
        )
        return best

    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    encoder = BertForSequenceClassification(BertConfig(vocab_size=40, num_labels=2, **sizes))
    expected = run(None)
    with pytest.raises(_Killed):
        run(_KilledAfter(tmp_path / "job.safetensors", stop))

    found = run(Checkpoint(tmp_path / "job.safetensors"))

    assert found.epoch == expected.epoch == 1
    assert found.macro_f1 == 0.9
    assert all(torch.equal(found.weights[name], weight) for name, weight in expected.weights.items())


def test_alone_is_a_group_of_one():
    assert Group.here() == Group(0, 1)
    assert Group().part([1, 2], lambda own: torch.tensor(float(sum(own)))) == 3


def learn_in_group(out: str, batch_size: int) -> None:
    """What each process of the test below does."""
    torch.manual_seed(0)
    model = new_model(layers=2, width=16, heads=2, context=32, vocabulary=40, end=0, seed=0)
    recipe = Recipe(epochs=3, batch_size=batch_size, learning_rate=1e-3, weight_decay=0.1)
    steps = learn(model, NextToken(EXAMPLES, 0, 5), recipe, seed=7)
    if Group.here().rank == 0:
        weights = {name: weight.tolist() for name, weight in model.named_parameters()}
        with open(out, "w") as file:
            json.dump([[step.loss for step in steps], weights, Group.here().size], file)


@pytest.mark.parametrize("batch_size", [4, 3])
def test_two_processes_learn_what_one_learns(tmp_path, batch_size):
    # 13 examples: the last batch has one, which leaves a process without a share.
    learn_in_group(str(tmp_path / "one.json"), batch_size)
    together(learn_in_group, {"out": str(tmp_path / "two.json"), "batch_size": batch_size}, 2, "cpu")

    (losses, weights, size), (other_losses, other_weights, other_size) = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two")
    )
    assert (size, other_size) == (1, 2)
    assert other_losses == pytest.approx(losses, rel=1e-5)
    for name, values in weights.items():
        # AdamW turns rounding into steps of the learning rate where a gradient is about nothing.
        assert np.allclose(other_weights[name], values, atol=2e-5), name


def test_a_best_epoch_judged_on_other_texts_is_not_used(tmp_path, capsys):
    path, arguments = tmp_path / "job.safetensors", (NextToken(EXAMPLES, 0, 5), RECIPE)
    with pytest.raises(_Killed):
        learn(dropping_model(), *arguments, seed=7, checkpoint=_KilledAfter(path, 6), memory=BestEpoch(["one"]))

    learn(dropping_model(), *arguments, seed=7, checkpoint=Checkpoint(path), memory=BestEpoch(["another"]))

    assert "belongs to other inputs" in capsys.readouterr().out


def test_weights_that_no_loss_depends_on_are_no_hindrance(tmp_path):
    def model():
        made = dropping_model()
        made.unused = torch.nn.Linear(2, 2)
        torch.nn.init.ones_(made.unused.weight)
        torch.nn.init.ones_(made.unused.bias)
        return made

    path, arguments = tmp_path / "job.safetensors", (NextToken(EXAMPLES, 0, 5), RECIPE)
    expected = learn(model(), *arguments, seed=7)
    with pytest.raises(_Killed):
        learn(model(), *arguments, seed=7, checkpoint=_KilledAfter(path, 6))

    assert learn(model(), *arguments, seed=7, checkpoint=Checkpoint(path)) == expected


def test_processes_do_not_run_the_main_program_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "assert __name__ == '__main__', 'run again'\n"
        "from bias_amplification.processes import together\n"
        f"together(os.makedirs, {{'name': {str(tmp_path / 'made')!r}, 'exist_ok': True}}, 2, 'cpu')\n"
    )
    source = Path(__file__).parents[2] / "src"
    run = subprocess.run(
        [sys.executable, script], env=os.environ | {"PYTHONPATH": str(source)}, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert (tmp_path / "made").is_dir()
