"""The training loop: resuming a killed training, observers, and the log."""

import signal
from functools import partialmethod

import numpy as np
import pytest
import torch
from killed_trainings import Killed, KilledAfter
from small_models import small_gpt2
from torch._dynamo.utils import counters

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.training import NextToken
from bias_amplification.models.learning import learn
from bias_amplification.study.sections import Compute, Pretraining

EXAMPLES = [[int(token) for token in np.random.default_rng(i).integers(1, 40, 4 + i % 7)] for i in range(13)]
#: 13 examples in batches of 4: 4 steps per epoch.
RECIPE = Pretraining(epochs=3, batch_size=4, learning_rate=1e-3, weight_decay=0.1, warmup=0.2)


def objective(examples: list[list[int]] = EXAMPLES, seed: int = 5) -> NextToken:
    return NextToken(examples, 0, seed, RECIPE.batch_size)


def dropping_model(heads: int = 2, dropout: float = 0.2):
    return small_gpt2(heads=heads, dropout=dropout)


class Snapshots:
    """An observer that keeps the weights of one epoch; `about` is what it depends on besides the training."""

    def __init__(self, model=None, epoch: int = 1, about: str = "") -> None:
        self.model, self.epoch, self.about = model, epoch, about
        self.seen: list[int] = []
        self.weights: dict[str, torch.Tensor] = {}

    def after_epoch(self, epoch: int) -> None:
        self.seen.append(epoch)
        if epoch == self.epoch and self.model is not None:
            self.weights = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def facts(self):
        return self.about

    def state(self):
        return self.weights, {"seen": self.seen}

    def restore(self, tensors, facts) -> None:
        self.weights, self.seen = tensors, facts["seen"]


@pytest.mark.parametrize("stops", [[1], [4], [5, 2], [11], [12]])
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, stops):
    path = tmp_path / "job.safetensors"
    undisturbed = dropping_model()
    expected = learn(undisturbed, objective(), RECIPE, seed=7)

    for stop in stops:
        with pytest.raises(Killed):
            learn(dropping_model(), objective(), RECIPE, seed=7, checkpoint=KilledAfter(path, stop))
    model = dropping_model()
    torch.rand(5)  # the global random state must not matter
    steps = learn(model, objective(), RECIPE, seed=7, checkpoint=Checkpoint(path))

    assert steps == expected
    for (name, weight), wanted in zip(model.named_parameters(), undisturbed.parameters(), strict=True):
        assert torch.equal(weight, wanted), name


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The state of a training that was killed after 6 steps."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    path = tmp_path_factory.mktemp("saved") / "job.safetensors"
    with pytest.raises(Killed):
        learn(dropping_model(), objective(), RECIPE, seed=7, checkpoint=KilledAfter(path, 6))
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return path


def other_weights():
    model = dropping_model()
    with torch.no_grad():
        model.transformer.wte.weight[3] += 1e-6
    return model


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("model", other_weights),
        ("model", lambda: dropping_model(heads=4)),
        ("model", lambda: dropping_model(dropout=0.1)),
        ("objective", lambda: objective(EXAMPLES[:-1])),
        ("objective", lambda: objective(seed=6)),
        ("recipe", lambda: RECIPE.model_copy(update={"epochs": 4})),
        ("recipe", lambda: RECIPE.model_copy(update={"batch_size": 5})),
        ("recipe", lambda: RECIPE.model_copy(update={"learning_rate": 2e-3})),
        ("recipe", lambda: RECIPE.model_copy(update={"weight_decay": 0.0})),
        ("recipe", lambda: RECIPE.model_copy(update={"warmup": 0.0})),
        ("seed", lambda: 8),
        ("compute", lambda: Compute(precision="bfloat16")),
        ("observer", lambda: Snapshots()),
    ],
)
def test_the_state_of_another_training_is_not_used(saved, capsys, change, value):
    arguments = {"model": dropping_model(), "objective": objective(), "recipe": RECIPE, "seed": 7} | {change: value()}

    learn(**arguments, checkpoint=Checkpoint(saved))

    said = capsys.readouterr().out
    assert "belongs to other inputs" in said
    assert "going on" not in said


def test_the_same_training_uses_its_state(saved, capsys):
    learn(dropping_model(), objective(), RECIPE, seed=7, checkpoint=Checkpoint(saved))

    assert "going on after step 6 of 12\n" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [3, 9])
def test_an_observer_is_called_after_each_epoch_and_restored(tmp_path, stop):
    def run(checkpoint: Checkpoint | None) -> Snapshots:
        model = dropping_model()
        observer = Snapshots(model)
        learn(model, objective(), RECIPE, seed=1, checkpoint=checkpoint, observer=observer)
        return observer

    expected = run(None)
    with pytest.raises(Killed):
        run(KilledAfter(tmp_path / "job.safetensors", stop))

    found = run(Checkpoint(tmp_path / "job.safetensors"))

    assert found.seen == expected.seen == [1, 2, 3]
    assert found.weights.keys() == expected.weights.keys() != set()
    assert all(torch.equal(found.weights[name], weight) for name, weight in expected.weights.items())


def test_an_observer_with_other_facts_does_not_use_the_state(tmp_path, capsys):
    path, arguments = tmp_path / "job.safetensors", (objective(), RECIPE)
    with pytest.raises(Killed):
        learn(dropping_model(), *arguments, seed=7, checkpoint=KilledAfter(path, 6), observer=Snapshots(about="one"))

    learn(dropping_model(), *arguments, seed=7, checkpoint=Checkpoint(path), observer=Snapshots(about="other"))

    assert "belongs to other inputs" in capsys.readouterr().out


def test_a_training_with_unused_parameters_resumes(tmp_path):
    def model():
        made = dropping_model()
        made.unused = torch.nn.Linear(2, 2)
        torch.nn.init.ones_(made.unused.weight)
        torch.nn.init.ones_(made.unused.bias)
        return made

    path, arguments = tmp_path / "job.safetensors", (objective(), RECIPE)
    expected = learn(model(), *arguments, seed=7)
    with pytest.raises(Killed):
        learn(model(), *arguments, seed=7, checkpoint=KilledAfter(path, 6))

    assert learn(model(), *arguments, seed=7, checkpoint=Checkpoint(path)) == expected


class Breaking(NextToken):
    """Its loss is no number from some step on; it counts the losses that are computed."""

    def __init__(self, step: int, scale: float = float("nan")) -> None:
        super().__init__(EXAMPLES, 0, 5, RECIPE.batch_size)
        self.step, self.scale, self.steps = step, scale, 0

    def loss(self, model, batch) -> torch.Tensor:
        self.steps += 1
        return super().loss(model, batch) * (self.scale if self.steps >= self.step else 1.0)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_loss_that_is_no_number_ends_the_training_within_some_steps(scale, precision):
    # 4,000 steps: the log's lines are 400 steps apart.
    breaking, recipe = Breaking(53, scale), RECIPE.model_copy(update={"epochs": 1000, "warmup": 0.0})

    with pytest.raises(StudyError) as caught:
        learn(dropping_model(), breaking, recipe, seed=7, compute=Compute(precision=precision), key="quality.training")

    remedy = ", or set compute.precision to float32." if precision == "bfloat16" else "."
    assert str(caught.value) == (
        f"Training diverged: at step 53 of 4000 the loss is not a finite number (loss {scale}, learning rate 0.000987, "
        f"{precision}): lower quality.training.learning_rate{remedy}"
    )
    assert 53 <= breaking.steps <= 75


def test_an_observer_never_sees_broken_weights():
    # The loss of the last step of the first epoch breaks the weights, after which that epoch would be scored.
    observer = Snapshots()

    with pytest.raises(StudyError, match="at step 4 of 12 the loss"):
        learn(dropping_model(), Breaking(4), RECIPE, seed=7, observer=observer)
    assert observer.seen == []


def test_weights_that_the_last_step_breaks_are_noticed():
    model = dropping_model()
    recipe = RECIPE.model_copy(update={"epochs": 1, "warmup": 0.0, "batch_size": 13, "learning_rate": 1e39})

    with pytest.raises(StudyError, match=r"at step 1 of 1 the weights are not finite numbers \(loss \d\.\d+, learn"):
        learn(model, objective(), recipe, seed=7)


def test_a_restored_state_with_a_broken_loss_is_noticed(tmp_path):
    path = tmp_path / "job.safetensors"
    with pytest.raises(StudyError, match="at step 2 of 12"):
        learn(dropping_model(), Breaking(2), RECIPE, seed=7, checkpoint=Checkpoint(path, seconds=0))

    # The state of the first step, which was sound, is still there.
    assert learn(dropping_model(), objective(), RECIPE, seed=7, checkpoint=Checkpoint(path))[0].step == 1


class Silent(NextToken):
    """Has nothing to say about its speed."""

    def progress(self, steps_per_second: float) -> str:
        return ""


def test_the_log_has_the_words_of_the_objective(capsys):
    learn(dropping_model(), objective(), RECIPE, seed=7)
    with_speed = capsys.readouterr().out.splitlines()
    learn(dropping_model(), Silent(EXAMPLES, 0, 5, RECIPE.batch_size), RECIPE, seed=7)
    without = capsys.readouterr().out.splitlines()

    assert with_speed[-1].startswith("step 12 of 12, loss ") and with_speed[-1].endswith(" tokens/s")
    assert without[-1] == with_speed[-1].rsplit(", ", 1)[0]


def test_a_compiled_training_compiles_the_model_and_has_nearly_the_same_losses(monkeypatch):
    # Without code in C++, whose compiler takes half a minute.
    traced = partialmethod(torch.nn.Module.compile, backend="aot_eager")
    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    recipe = RECIPE.model_copy(update={"epochs": 1, "batch_size": 13})
    plain = learn(dropping_model(dropout=0.0), objective(), recipe, seed=7)
    counters.clear()

    compiled = learn(dropping_model(dropout=0.0), objective(), recipe, seed=7, compute=Compute(compile=True))

    assert counters["stats"]["unique_graphs"] >= 1
    assert compiled[0].loss == pytest.approx(plain[0].loss, rel=1e-5)
