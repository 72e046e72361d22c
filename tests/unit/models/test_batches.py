"""Batches of similar length, padding, and results that are saved between batches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.models.batches import by_length, fill, pad


@given(lengths=st.lists(st.integers(0, 300), max_size=60), budget=st.integers(1, 1000))
def test_batches_are_a_partition_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = by_length(lengths, budget)

    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert lengths[batch[0]] == longest
        assert len(batch) == 1 or longest * len(batch) <= budget
    flat = [lengths[i] for batch in batches for i in batch]
    assert flat == sorted(flat, reverse=True)


def test_a_large_batch_takes_no_much_shorter_sequences() -> None:
    lengths = [512] * 8 + [449, 448, 447] + [20] * 100

    batches = by_length(lengths, 16384)

    assert [[lengths[i] for i in batch] for batch in batches] == [[512] * 8 + [449, 448], [447] + [20] * 9, [20] * 91]


def test_padding_is_at_the_end():
    ids, mask = pad([[5, 6, 7], [8]], padding=1)

    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def squares(computed: list[int], stop: int | None = None):
    """Return a function that squares row numbers, lists the batches it computes, and is killed at one of them."""

    def compute(number, rows):
        if number == stop:
            raise KeyboardInterrupt
        computed.append(number)
        return torch.tensor(rows, dtype=torch.float64) ** 2

    return compute


def test_work_resumes_after_the_last_saved_batch(tmp_path):
    batches, computed = [[0, 3], [1], [2, 4]], []
    checkpoint = Checkpoint(tmp_path / "state" / "job.safetensors", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        fill(torch.empty(5, dtype=torch.float64), batches, squares(computed, 2), checkpoint=checkpoint, key=["a"])

    found = fill(torch.empty(5, dtype=torch.float64), batches, squares(computed), checkpoint=checkpoint, key=["a"])

    assert found.tolist() == [0, 1, 4, 9, 16]
    assert computed == [0, 1, 2]


def test_results_of_another_key_are_not_used(tmp_path):
    checkpoint, computed = Checkpoint(tmp_path / "job.safetensors", seconds=0), []
    for key in ("a", "b"):
        fill(torch.empty(2), [[0], [1]], squares(computed), checkpoint=checkpoint, key=[key])

    assert computed == [0, 1, 0, 1]


@pytest.mark.parametrize("other", [torch.empty(2, 3), torch.empty(2, 2, dtype=torch.float64)])
def test_results_of_another_shape_or_type_are_not_used(tmp_path, other):
    checkpoint, computed = Checkpoint(tmp_path / "job.safetensors", seconds=0), []

    def compute(number, rows):
        computed.append(number)
        return torch.ones(len(rows), other.shape[1])

    fill(torch.empty(2, 2), [[0], [1]], lambda number, rows: torch.zeros(1, 2), checkpoint=checkpoint, key=["a"])

    assert fill(other, [[0], [1]], compute, checkpoint=checkpoint, key=["a"]).eq(1).all()
    assert computed == [0, 1]


def test_progress_is_in_the_log(capsys):
    fill(torch.empty(20), [[k] for k in range(20)], squares([]), progress=lambda done, seconds: f"{done} done")

    said = capsys.readouterr().out.splitlines()
    assert said == [f"batch {done} of 20, {done} done" for done in range(2, 21, 2)]
