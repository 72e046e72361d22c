"""Batches of sequences: grouped by length under a token budget, padded, and computed with saved progress."""

import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch

from bias_amplification.artifacts.checkpoint import Checkpoint

#: A batch of this many tokens is efficient. It takes no further sequence of which more than an eighth is padding.
_ENOUGH = 4096


def by_length(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Group sequences of similar length under a token budget.

    The longest sequences come first, so that the first batch needs the most memory. A batch of `_ENOUGH` tokens takes
    no sequence that is shorter than its longest by more than an eighth.

    Parameters
    ----------
    lengths
        Number of tokens of each sequence.
    tokens
        Most tokens of a batch, padding included. A longer sequence makes a batch of its own.

    Returns
    -------
    list of list of int
        Indices of the sequences of each batch. Each sequence of positive length is in exactly one batch.
    """
    batches: list[list[int]] = []
    for i in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i)):
        last = batches[-1] if batches else []
        longest = lengths[last[0]] if last else 0
        fits = last and longest * (len(last) + 1) <= tokens
        if fits and (longest * len(last) < _ENOUGH or 8 * lengths[i] >= 7 * longest):
            last.append(i)
        else:
            batches.append([i])
    return batches


def rounded_up(length: int, multiple: int, most: float) -> int:
    """Return the length rounded up to the multiple if that is not above `most`, so that batches have few shapes."""
    rounded = -(-length // multiple) * multiple
    return rounded if rounded <= most else length


def pad(
    sequences: Sequence[Sequence[int]], padding: int, *, left: bool = False, length: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask (1 for a real token, 0 for padding), both [sequences, longest].

    Padding is at the end or, with `left`, at the beginning. Rows have `length` tokens if no sequence is longer.
    """
    lengths = torch.tensor([len(ids) for ids in sequences])
    longest = max(length, int(lengths.max()))
    places = torch.arange(longest)[None, :]
    mask = places >= longest - lengths[:, None] if left else places < lengths[:, None]
    padded = torch.full(mask.shape, padding)
    # NumPy reads a list's numbers several times as fast as PyTorch.
    tokens = np.fromiter(chain.from_iterable(sequences), np.int64, int(lengths.sum()))
    padded[mask] = torch.from_numpy(tokens)
    return padded, mask.long()


def fill(
    results: torch.Tensor,
    batches: Sequence[Sequence[int]],
    compute: Callable[[int, Sequence[int]], torch.Tensor],
    *,
    checkpoint: Checkpoint | None = None,
    key: Sequence[Any] = (),
    progress: Callable[[int, float], str] | None = None,
) -> torch.Tensor:
    """Compute results batch by batch, starting after the last batch that a killed job saved.

    Parameters
    ----------
    results
        Tensor on the CPU with one row per sequence; filled in place.
    batches
        Row numbers of each batch.
    compute
        Function from a batch's number and its row numbers to their results.
    checkpoint
        Where finished results are saved.
    key
        Everything that the results depend on except their shape and the batches (see `fingerprint`).
    progress
        Function from the number of batches that this process has done and its seconds to words for the log; called
        about ten times.

    Returns
    -------
    torch.Tensor
        `results`.
    """
    checkpoint = checkpoint or Checkpoint()
    first = 0
    place = [list(results.shape), str(results.dtype), [list(batch) for batch in batches]]
    if found := checkpoint.open(*key, place):
        results.copy_(found[0]["results"])
        first = found[1]["done"]
        print(f"going on after batch {first} of {len(batches)}", flush=True)
    start = time.perf_counter()
    for number in range(first, len(batches)):
        results[torch.as_tensor(batches[number])] = compute(number, batches[number]).to(results)
        done = number + 1
        if progress and done % max(1, len(batches) // 10) == 0:
            words = progress(done - first, time.perf_counter() - start)
            print(f"batch {done} of {len(batches)}, {words}", flush=True)
        if checkpoint.due():
            checkpoint.save({"results": results}, {"done": done})
    return results
