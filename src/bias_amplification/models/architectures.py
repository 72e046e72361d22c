"""Where models keep their feed-forward networks and their output head: a table with one entry for each architecture.

To support another architecture, add an entry to `ARCHITECTURES`, with the `model_type` of the model's `config.json` as
its key (docs/extending.md has an example). Architectures that split the feed-forward network into experts, or normalise
its output before adding it to the residual stream, need more than an entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bias_amplification.artifacts import StudyError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Architecture:
    """Dotted paths to the parts of a transformer that hold its neurons."""

    blocks: str
    """From the model without its output head (`model.base_model`) to the list of blocks."""
    ffn: str
    """From a block to the module whose output is the feed-forward sublayer's output."""
    projection: str
    """From a block to the feed-forward network's second projection, whose output units are the neurons."""
    inputs_first: bool = False
    """Whether the projection's weight is [inputs, outputs] (Conv1D) instead of [outputs, inputs] (Linear)."""
    plain_head: bool = True
    """Whether the logits are the product of the last hidden state and the output head's weights, nothing more."""


@dataclass(frozen=True)
class Block:
    """The modules of one transformer block."""

    block: "torch.nn.Module"
    ffn: "torch.nn.Module"
    projection: "torch.nn.Module"


_LLAMA = Architecture(blocks="layers", ffn="mlp", projection="mlp.down_proj")

ARCHITECTURES: dict[str, Architecture] = {
    "gpt2": Architecture(blocks="h", ffn="mlp", projection="mlp.c_proj", inputs_first=True),
    # OPT has no module for the feed-forward network: its two projections are modules of the block itself.
    "opt": Architecture(blocks="decoder.layers", ffn="fc2", projection="fc2"),
    "gpt_neo": Architecture(blocks="h", ffn="mlp", projection="mlp.c_proj"),
    "gpt_neox": Architecture(blocks="layers", ffn="mlp", projection="mlp.dense_4h_to_h"),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": replace(_LLAMA, plain_head=False),
}

#: Architectures whose logits can be computed some rows at a time.
PLAIN_HEADS = frozenset(name for name, architecture in ARCHITECTURES.items() if architecture.plain_head)


def find_architecture(model_type: str, architecture: str) -> Architecture:
    """Return the table entry of a model.

    Parameters
    ----------
    model_type
        `model_type` of the model's `config.json`.
    architecture
        Config key `neurons.architecture`: "auto" for the entry of the model's type, or the name of another entry whose
        layout the model has.

    Raises
    ------
    StudyError
        If the table has no such entry.
    """
    wanted = model_type if architecture == "auto" else architecture
    if wanted not in ARCHITECTURES:
        raise StudyError(
            f"config key neurons.architecture: the layout of models of type {wanted!r} is unknown; set the key to the "
            f"architecture with the same layout, one of {', '.join(sorted(ARCHITECTURES))}."
        )
    return ARCHITECTURES[wanted]


def find_blocks(model: "torch.nn.Module", architecture: Architecture) -> Iterator[Block]:
    """Yield the modules of every block of a transformers model, first block first.

    Raises
    ------
    StudyError
        If the model lacks a module that the architecture names.
    """
    try:
        for block in model.base_model.get_submodule(architecture.blocks):
            yield Block(
                block=block,
                ffn=block.get_submodule(architecture.ffn),
                projection=block.get_submodule(architecture.projection),
            )
    except AttributeError as error:
        raise StudyError(
            f"config key neurons.architecture: the model of type {model.config.model_type!r} does not have the layout "
            f"of the architecture named ({error}); set the key to auto or to one of {', '.join(sorted(ARCHITECTURES))}."
        ) from error
