"""Work on many sequences: like lengths together under a token budget, and what is done of it kept."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bias_amplification.artifacts.checkpoint import Checkpoint

#: From this many tokens on a batch is worth its start, and takes nothing that would be more than an eighth padding.
_ENOUGH = 4096


def by_length(lengths: Sequence[int], tokens: int, most: int | None = None) -> list[list[int]]:
    """Group sequences of like length under a token budget, longest first, so that memory only falls.

    A batch that is large already (`_ENOUGH`) takes no sequence that is shorter than its longest by more than an eighth.

    Parameters
    ----------
    lengths
        Tokens of each sequence.
    tokens
        Budget of a batch, padding included. A longer sequence makes a batch of its own.
    most
        Sequences of a batch at most; None for no such limit.

    Returns
    -------
    list of list of int
        Indices; each sequence of positive length stands in exactly one batch.
    """
    batches: list[list[int]] = []
    for i in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i)):
        last = batches[-1] if batches else []
        longest = lengths[last[0]] if last else 0
        fits = last and longest * (len(last) + 1) <= tokens and (most is None or len(last) < most)
        if fits and (longest * len(last) < _ENOUGH or 8 * lengths[i] >= 7 * longest):
            last.append(i)
        else:
            batches.append([i])
    return batches


def pad(sequences: Sequence[Sequence[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask (1 real, 0 padding), both [sequences, longest], padded at the end."""
    lengths = torch.tensor([len(ids) for ids in sequences])
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    padded = torch.full(mask.shape, padding)
    padded[mask] = torch.tensor([token for ids in sequences for token in ids])
    return padded, mask.long()


def fill(
    results: torch.Tensor,
    batches: Sequence[Sequence[int]],
    compute: Callable[[int, Sequence[int]], torch.Tensor],
    *,
    checkpoint: Checkpoint | None = None,
    key: Sequence[Any] = (),
    says: Callable[[int, float], str] | None = None,
) -> torch.Tensor:
    """Compute results batch by batch, going on after the last batch that a killed job has saved.

    Parameters
    ----------
    results
        On the CPU, one row a sequence; filled in place.
    batches
        Rows of each batch.
    compute
        Called with a batch's number and rows; returns their results.
    checkpoint
        Where what is done is kept.
    key
        Everything that the results depend on besides their shape and the batches (see `fingerprint`).
    says
        Called with the batches done by this process and its seconds, about ten times; returns the log's words.

    Returns
    -------
    torch.Tensor
        `results`.
    """
    checkpoint = checkpoint or Checkpoint()
    first = 0
    place = [list(results.shape), str(results.dtype), [list(batch) for batch in batches]]
    if checkpoint.path is not None and (found := checkpoint.open(*key, place)):
        results.copy_(found[0]["results"])
        first = found[1]["done"]
        print(f"going on after batch {first} of {len(batches)}", flush=True)
    start = time.perf_counter()
    for number in range(first, len(batches)):
        results[torch.as_tensor(batches[number])] = compute(number, batches[number]).to(results)
        done = number + 1
        if says and done % max(1, len(batches) // 10) == 0:
            words = says(done - first, time.perf_counter() - start)
            print(f"batch {done} of {len(batches)}, {words}", flush=True)
        if checkpoint.due():
            checkpoint.save({"results": results}, {"done": done})
    return results
