"""Masks of attention, where transformers makes them in a way that is wrong or slow in training on a GPU.

A position far behind the end of a text has only padding in its window of attention, so that its mask forbids it
everything. Some of a GPU's attention kernels return NaN there. Padding is multiplied by 0 later, but NaN times 0 is
NaN: the whole loss, and with the first step all weights, are NaN. `seeing_itself` lets each position attend to itself.

To choose the fastest kernel, transformers looks whether a batch has padding or several examples in one row. Each look
makes a GPU wait. While a CUDA graph is captured it cannot look, and chooses a slower kernel than outside of the graph.
`without_looking` answers in its place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import masking_utils


@contextmanager
def seeing_itself(model: torch.nn.Module) -> Iterator[None]:
    """Let each position attend at least to itself, in all layers whose attention has a window.

    Results at real tokens stay the same to the bit: they may attend to themselves anyway, and never to padding.

    Parameters
    ----------
    model
        A transformers model whose attention layers have the attribute `sliding_window`, None for attention to the whole
        text, and take a boolean `attention_mask` of [texts, heads, queries, keys]; other layers stay as they are.
    """
    windows = [module for module in model.modules() if getattr(module, "sliding_window", None)]
    hooks = [module.register_forward_pre_hook(_open_the_diagonal, with_kwargs=True) for module in windows]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _open_the_diagonal(
    module: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    mask = named.get("attention_mask")
    if mask is not None and mask.dtype == torch.bool and mask.ndim == 4:
        itself = torch.eye(*mask.shape[-2:], dtype=torch.bool, device=mask.device)
        named = named | {"attention_mask": mask | itself}
    return arguments, named


@contextmanager
def without_looking(device: str) -> Iterator[None]:
    """Let transformers choose masks without looking at a batch. No row has several examples, as in this project.

    Parameters
    ----------
    device
        "cpu" or "cuda". On a GPU, a mask that is given to an encoder counts as one with padding. On a CPU, looking at
        it costs nothing, and batches without padding are faster without a mask.
    """
    answers = {"find_packed_sequence_indices": lambda position_ids: None}
    before = {name: getattr(masking_utils, name, None) for name in (*answers, "_ignore_bidirectional_mask_sdpa")}
    ignores = before["_ignore_bidirectional_mask_sdpa"]
    if device == "cuda":
        answers["_ignore_bidirectional_mask_sdpa"] = lambda mask, *rest, **named: (
            mask is None and ignores(mask, *rest, **named)
        )
    # Another version of transformers may lack these functions; it is left as it is.
    answers = {name: answer for name, answer in answers.items() if before[name]}
    for name, answer in answers.items():
        setattr(masking_utils, name, answer)
    try:
        yield
    finally:
        for name in answers:
            setattr(masking_utils, name, before[name])
