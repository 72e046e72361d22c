"""Attention within a window, in batches with padding.

A position far behind the end of a text has only padding in its window, so that its mask forbids it everything. Some of
a GPU's attention kernels return NaN there. Padding is multiplied by 0 later, but NaN times 0 is NaN: the whole loss,
and with the first step all weights, were NaN. Here each position may attend to itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


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
