"""Where a model keeps its feed-forward networks: one table, one entry an architecture.

A new architecture is a new entry of `ARCHITECTURES`, keyed by the `model_type` of the model's `config.json`. An
architecture that splits its feed-forward network over experts, or normalises its output before adding it to the
residual stream, needs more than an entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_amplification.artifacts import StudyError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Architecture:
    """Dotted paths to the parts of a transformer that hold its neurons."""

    blocks: str
    """From the model without its head (`model.base_model`) to the list of blocks."""
    ffn: str
    """From a block to the module whose output is the feed-forward sublayer's output."""
    projection: str
    """From a block to the feed-forward network's second projection, whose output units are the neurons."""
    inputs_first: bool = False
    """Whether the projection's weight is [inputs, outputs] (Conv1D), not [outputs, inputs] (Linear)."""


@dataclass(frozen=True)
class Block:
    """The modules of one transformer block."""

    block: "torch.nn.Module"
    ffn: "torch.nn.Module"
    projection: "torch.nn.Module"


_LLAMA = Architecture(blocks="layers", ffn="mlp", projection="mlp.down_proj")

ARCHITECTURES: dict[str, Architecture] = {
    "gpt2": Architecture(blocks="h", ffn="mlp", projection="mlp.c_proj", inputs_first=True),
    # OPT has no module for the feed-forward network: its two projections stand in the block itself.
    "opt": Architecture(blocks="decoder.layers", ffn="fc2", projection="fc2"),
    "gpt_neo": Architecture(blocks="h", ffn="mlp", projection="mlp.c_proj"),
    "gpt_neox": Architecture(blocks="layers", ffn="mlp", projection="mlp.dense_4h_to_h"),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
}


def find_architecture(model_type: str, architecture: str = "auto") -> Architecture:
    """Give the table entry of a model.

    Parameters
    ----------
    model_type
        As in the model's `config.json`.
    architecture
        The entry to use whatever the model's type ("auto": the entry of that type), for a model whose layout is
        that of a known architecture under another name.

    Raises
    ------
    StudyError
        If the table has no such entry.
    """
    wanted = model_type if architecture == "auto" else architecture
    if wanted not in ARCHITECTURES:
        raise StudyError(
            f"config key neurons.architecture: where a model of type {wanted!r} keeps its feed-forward networks is not "
            f"known; set the key to the one of {', '.join(sorted(ARCHITECTURES))} that has the model's layout."
        )
    return ARCHITECTURES[wanted]


def find_blocks(model: "torch.nn.Module", architecture: Architecture) -> Iterator[Block]:
    """Yield the modules of every block of a transformers model, first block first.

    Raises
    ------
    StudyError
        If the model has no module where the architecture says.
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
            f"config key neurons.architecture: a model of type {model.config.model_type!r} has not the layout that the "
            f"key stands for ({error}); set it to auto or to the one of {', '.join(sorted(ARCHITECTURES))} that fits."
        ) from error
