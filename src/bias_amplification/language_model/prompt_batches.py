"""Batches of prompts for decoding: how many at once, and which together."""

import math
from collections.abc import Sequence

from transformers import PretrainedConfig

from bias_amplification.study.sections import Decoding, Generation

#: Smaller batches leave the GPU idle. If 32 prompts do not fit, the job fails with an error.
_FEWEST_AT_ONCE = 32
#: Larger batches keep no GPU busier, and would make the last batches of a generation uneven.
_MOST_AT_ONCE = 8192
#: Share of a GPU's memory that one job's decoding takes; other jobs may use the same GPU.
_PART_OF_MEMORY = 0.25


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
        activations in float32 take a quarter of the memory. In all other cases 256, divided by the number of beams: on
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
    fitting = int(_PART_OF_MEMORY * memory / (4 * (keys_and_values + passing)))
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
