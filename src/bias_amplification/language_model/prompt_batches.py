"""Batches of prompts for decoding: how many at once, and which together."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from transformers import PretrainedConfig

from bias_amplification.study.sections import Decoding, Generation

#: Smaller batches leave the GPU idle. If 32 prompts do not fit, the job fails with an error.
_FEWEST_AT_ONCE = 32
#: Larger batches keep no GPU busier, and would make the last batches of a generation uneven.
_MOST_AT_ONCE = 8192
#: Share of a GPU's memory that one job's decoding takes; other jobs may use the same GPU.
PART_OF_MEMORY = 0.25


class Prompts(NamedTuple):
    """Prompts that a model continues."""

    tokens: Sequence[list[int]]
    """Token ids of each. An empty prompt is not continued."""
    limits: Sequence[int] | None = None
    """Most new tokens of each, at least 1 if it is not empty; None: `generation.new_tokens` for all."""
    begin: Sequence[int] = ()
    """Tokens that the model reads before each prompt."""


def prompts_at_once(config: PretrainedConfig, generation: Generation, decoding: Decoding, memory: int | None) -> int:
    """Return how many prompts are decoded at once.

    Parameters
    ----------
    config
        The model's.
    generation, decoding
        The config's sections. `generation.batch_prompts` is the result if it is set.
    memory
        Total memory of the GPU in bytes; None for a CPU. Free memory is not used, because a job that is run again must
        have the same batches.

    Returns
    -------
    int
        For greedy decoding on a GPU, the largest power of two from 32 to 8,192 whose keys, values, logits and
        activations take a quarter of the memory. In all other cases 256, divided by the number of beams: on
        a CPU larger batches gain nothing, and what nucleus sampling draws depends on the batch size.
    """
    if generation.batch_prompts:
        return generation.batch_prompts
    if memory is None or decoding.method != "greedy":
        return decoding.default_prompts
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    positions = generation.block_tokens + generation.new_tokens
    keys_and_values = 2 * text.num_hidden_layers * positions * heads * head_width
    # The first step holds its widest activation three times, and the logits twice.
    passing = 3 * positions * 4 * text.hidden_size + 2 * text.vocab_size
    bytes_each = 2 if generation.precision == "bfloat16" else 4
    fitting = int(PART_OF_MEMORY * memory / (bytes_each * (keys_and_values + passing)))
    return min(_MOST_AT_ONCE, max(_FEWEST_AT_ONCE, 2 ** int(math.log2(max(1, fitting)))))


def batches_of_prompts(lengths: Sequence[int], size: int, generation: Generation) -> list[list[int]]:
    """Group prompts for decoding, longest first.

    Most prompts are whole blocks, and these share batches without padding. So do all prompts of another length that
    fill an eighth of a batch. The few other prompts below a block's length are padded together, sorted by length.
    Titles longer than a block have batches of their own, with so few of them that they take no more memory than `size`
    whole blocks.

    Parameters
    ----------
    lengths
        Number of tokens of each prompt; an empty prompt is in no batch.
    size
        Most prompts of a batch.
    generation
        Tokens of a block, and of a continuation.

    Returns
    -------
    list of list of int
        Indices of the prompts of each batch.
    """
    block, new_tokens = generation.block_tokens, generation.new_tokens
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i))
    by_length: dict[int, list[int]] = {}
    for i in order:
        by_length.setdefault(lengths[i], []).append(i)
    frequent = [n for n, group in by_length.items() if n <= block and (n == block or 8 * len(group) >= size)]
    batches: list[list[int]] = []
    for group in (
        [i for i in order if lengths[i] > block],
        *(by_length[length] for length in frequent),
        [i for i in order if lengths[i] <= block and lengths[i] not in frequent],
    ):
        start = 0
        while start < len(group):
            widest = max(lengths[group[start]], block) + new_tokens
            rows = max(1, size * (block + new_tokens) // widest)
            batches.append(group[start : start + rows])
            start += rows
    return sorted(batches, key=lambda batch: -lengths[batch[0]])


def batches_of_heads(
    lengths: Sequence[int], limits: Sequence[int], size: int, generation: Generation, *, positions: float, alike: bool
) -> list[list[int]]:
    """Group prompts that are continued by different numbers of tokens, the longest continuations first.

    Parameters
    ----------
    lengths, limits
        Number of tokens of each prompt, and most new tokens of each; an empty prompt is in no batch.
    size
        Most prompts of a batch. A batch of several prompts takes no more memory than `size` whole blocks: neither while
        they are read nor when all are continued.
    generation
        Tokens of a block, and of its continuation.
    positions
        Most tokens that the model can read at once. The longest prompt and the longest continuation of a batch may come
        from different prompts, but have as many tokens together at most.
    alike
        Whether all prompts of a batch have the same limit.

    Returns
    -------
    list of list of int
        Indices of the prompts of each batch.
    """
    block, held = size * generation.block_tokens, size * (generation.block_tokens + generation.new_tokens)
    batches: list[list[int]] = []
    widest = 0
    for i in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-limits[i], -lengths[i], i)):
        last, wider = batches[-1] if batches else [], max(widest, lengths[i])
        most, rows = limits[last[0] if last else i], len(last) + 1
        fits = last and rows <= size and wider + most <= positions and rows * wider <= block
        if fits and rows * (wider + most) <= held and not (alike and limits[i] < most):
            last.append(i)
            widest = wider
        else:
            batches.append([i])
            widest = lengths[i]
    return batches
