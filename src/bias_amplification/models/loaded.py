"""Models as transformers has loaded them: whether the weights in the files are those that the model computes with."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from bias_amplification.models.entries import ADAPTERS, BUFFERS

#: First names of the heads of pretraining tasks, which classifiers leave aside.
_PRETRAINING_HEADS = re.compile(
    r"(cls|lm_head|predictions|sop_classifier|vocab_(transform|layer_norm|projector)|(lm|mask)_predictions"
    r"|(discriminator|generator)_(lm_head|predictions)|embed_out|decoder|head|pred_layer)\."
)


def read_config(folder: Path | str, **options: Any) -> PretrainedConfig:
    """Read a model's config.json; an empty `quantization_config`, which transformers refuses, is left out."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **options)
    if not getattr(config, "quantization_config", True):
        del config.quantization_config
    return config


def check_loaded(model: PreTrainedModel, found: Mapping[str, Any], *, fresh_head: bool | None = None) -> None:
    """Check that a model computes with all weights of its files, and with no others.

    transformers fills missing weights, and weights of another shape, with random numbers, leaves out the weights that
    the model does not have, and only warns.

    Parameters
    ----------
    model
        As `from_pretrained` returns it.
    found
        The loading info that `from_pretrained` returns beside it.
    fresh_head
        None for a language model. For a text classifier, whether the run trains a head of its own: that of the files
        may be missing or have another number of labels, and the pooling layer below it may be missing.

    Raises
    ------
    ValueError
        If a weight is missing, has another shape, is left over, or holds values that are not finite numbers.
    """
    body = f"{model.base_model_prefix}."
    missing = [
        name for name in found["missing_keys"] if not fresh_head or (name.startswith(body) and "pooler" not in name)
    ]
    if missing:
        raise ValueError(f"{len(missing)} of the weights that its config.json names are missing, first {min(missing)}")
    if changed := [one for one in found["mismatched_keys"] if not fresh_head or one[0].startswith(body)]:
        name, stored, wanted = min(changed, key=lambda one: one[0])
        raise ValueError(
            f"its weight {name} has the shape {list(stored)}, but its config.json asks for {list(wanted)}: use the "
            "config.json that belongs to the weights"
        )
    if unread := [name for name in found["unexpected_keys"] if not _may_be_left_out(model, name, fresh_head)]:
        raise ValueError(
            f"its config.json names no place for {len(unread)} of its weights, first {min(unread)}: use the "
            "config.json that belongs to the weights, and merge adapters into them"
        )
    if broken := next(_broken(model), None):
        raise ValueError(f"its weight {broken} has values that are not finite numbers")


def _may_be_left_out(model: PreTrainedModel, name: str, fresh_head: bool | None) -> bool:
    if ADAPTERS.search(name):
        return False
    if BUFFERS.search(name):
        return True
    if fresh_head is None:
        return False
    # A file of a model without a head names the parts of the body without the body's own name.
    first = name.split(".")[0]
    body = first == model.base_model_prefix or hasattr(model.base_model, first)
    # A classifier that has no pooling layer does not need the weights of one.
    return "pooler" in name.split(".") or (not body and (fresh_head or bool(_PRETRAINING_HEADS.match(name))))


def _broken(model: PreTrainedModel) -> Iterator[str]:
    """Yield the names of parameters that hold NaN or infinity."""
    for name, weight in model.named_parameters():
        if weight.numel() and not torch.isfinite(torch.stack(weight.detach().aminmax())).all():
            yield name
