"""Steps that are captured and replayed, with a capture that repeats the work on a CPU."""

from collections.abc import Callable

import pytest
import torch
from killed_trainings import Killed, KilledAfter
from small_models import small_gpt2

from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.training import NextToken
from bias_amplification.models import graphs, learning
from bias_amplification.models.graphs import GraphedSteps
from bias_amplification.models.learning import learn
from bias_amplification.study.sections import Pretraining

#: 24 of the 30 examples have nine tokens, and the others have from four to eight.
EXAMPLES = [[(3 * k + i) % 19 + 1 for i in range(9 if k % 5 else 4 + k // 5 % 5)] for k in range(30)]
#: Batches of two; the last of an epoch of 29 examples has one.
RECIPE = Pretraining(epochs=30, batch_size=2, learning_rate=1e-3, weight_decay=0.1, warmup=0.1)


class Repeating:
    """Captures work as a function that does it again on the same tensors; counts captures and replays."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        self.captures += 1

        def replay() -> torch.Tensor:
            self.replays += 1
            return work()

        return replay


def failing(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    raise RuntimeError("operation not permitted when stream is capturing\nand more lines")


def trained(**options) -> tuple[list, dict[str, torch.Tensor]]:
    model = small_gpt2(dropout=0.2)
    steps = learn(model, NextToken(EXAMPLES[:29], 0, 5, 2), RECIPE, seed=7, **options)
    return steps, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def use_graphs(monkeypatch):
    """Return a function that makes trainings replay what a given capture returns."""
    # Timing decides only whether graphs go on; here they always do.
    monkeypatch.setattr(graphs, "_WORTH_KEEPING", 1e9)

    def use(capture) -> None:
        def step_function(training, steps, compute):
            return GraphedSteps(training.step, steps - len(training.losses), capture, lambda: None)

        monkeypatch.setattr(learning, "_step_function", step_function)

    return use


def test_replayed_trainings_have_the_same_bits(use_graphs, capsys):
    steps, weights = trained()
    capture = Repeating()
    use_graphs(capture)

    replayed, replayed_weights = trained()

    assert capture.captures == 1, "only one shape comes often enough"
    assert capture.replays > 100
    assert replayed == steps
    assert all(torch.equal(replayed_weights[name], weights[name]) for name in weights)
    assert "captured a step as a CUDA graph in " in capsys.readouterr().out


@pytest.mark.parametrize("stop", [100, 300])
def test_a_killed_training_with_graphs_resumes_to_the_same_bits(use_graphs, tmp_path, stop):
    steps, weights = trained()
    use_graphs(Repeating())

    with pytest.raises(Killed):
        trained(checkpoint=KilledAfter(tmp_path / "job.safetensors", stop))
    resumed, resumed_weights = trained(checkpoint=Checkpoint(tmp_path / "job.safetensors"))

    assert resumed == steps
    assert all(torch.equal(resumed_weights[name], weights[name]) for name in weights)


def test_training_goes_on_where_a_step_cannot_be_captured(use_graphs, capsys):
    steps, _ = trained()
    use_graphs(failing)

    assert trained()[0] == steps
    out = capsys.readouterr().out
    assert out.count("cannot be captured as a CUDA graph (operation not permitted when stream is capturing)") == 1
    assert "training goes on without graphs" in out


def count_steps() -> tuple[list[int], Callable]:
    """Return a list to which a step function adds the rows of its batch, and the function."""
    seen: list[int] = []

    def step(batch):
        seen.append(len(batch["tokens"]))
        return batch["tokens"].sum()

    return seen, step


def of_rows(rows: int) -> dict[str, torch.Tensor]:
    return {"tokens": torch.full((rows, 3), float(rows))}


def test_losses_are_not_overwritten_by_later_replays():
    result = torch.zeros(())

    def capture(work):
        def replay():
            return result.copy_(work())

        return replay

    _, step = count_steps()
    take = GraphedSteps(step, 1000, capture, lambda: None)
    losses = [take({"tokens": torch.tensor([[float(number)]])}) for number in range(30)]

    assert [float(loss) for loss in losses] == list(range(30))


@pytest.mark.parametrize(("left", "captures"), [(1000, 1), (150, 0)])
def test_few_steps_are_not_worth_a_capture(monkeypatch, left, captures):
    monkeypatch.setattr(graphs, "_WORTH_KEEPING", 1e9)
    capture = Repeating()
    _, step = count_steps()
    take = GraphedSteps(step, left, capture, lambda: None)

    for _ in range(100):
        take(of_rows(2))

    assert capture.captures == captures


def test_at_most_four_shapes_are_captured(monkeypatch):
    monkeypatch.setattr(graphs, "_WORTH_KEEPING", 1e9)
    capture = Repeating()
    seen, step = count_steps()
    take = GraphedSteps(step, 100_000, capture, lambda: None)

    for number in range(300):
        assert float(take(of_rows(1 + number % 6))) == 3 * (1 + number % 6) ** 2

    assert capture.captures == 4
    assert seen == [1 + number % 6 for number in range(300)]


def test_graphs_that_are_not_faster_are_left(monkeypatch, capsys):
    monkeypatch.setattr(graphs, "_WORTH_KEEPING", 0.0)
    capture = Repeating()
    seen, step = count_steps()
    take = GraphedSteps(step, 1000, capture, lambda: None)

    for _ in range(50):
        take(of_rows(2))

    assert capture.captures == 1
    assert capture.replays == 4
    assert len(seen) == 50
    assert "training goes on without graphs" in capsys.readouterr().out
