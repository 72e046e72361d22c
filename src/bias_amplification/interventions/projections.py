"""Incoming weights and biases of neurons, read from a model's files without building the model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.provenance import check_made_here
from bias_amplification.models.architectures import Architecture, find_architecture
from bias_amplification.models.folders import MODEL_FILES, check_model_folder, read_json, tensors

if TYPE_CHECKING:
    import torch


class Projection(NamedTuple):
    """Weights of some output units of a block's second projection, that is, of some neurons of a layer."""

    units: "torch.Tensor"
    """Their numbers, ascending, [units]."""
    weight: "torch.Tensor"
    """Incoming weights, [units, inputs]."""
    bias: "torch.Tensor"
    """[units]; 0 if the projection has none."""

    def of(self, units: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """Return weights and biases of some of the units, [units, inputs] and [units]."""
        import torch

        rows = torch.searchsorted(self.units, units)
        return self.weight[rows], self.bias[rows]


def read_projections(
    folder: Path | str, architecture: str = "auto", units: Mapping[int, "torch.Tensor"] | None = None
) -> dict[int, Projection]:
    """Read the second projections of a model that the run has made.

    Parameters
    ----------
    folder
        The model's folder. If it has a metadata.json, the files must have the checksums recorded there.
    architecture
        As for `architectures.find_architecture`.
    units
        Numbers of the wanted units by layer, each ascending and without repetition. Other layers and units are not
        kept in memory. None: all.

    Returns
    -------
    dict of int to Projection
        By layer, counted from 0, in float32.

    Raises
    ------
    StudyError
        If the architecture is unknown or the folder does not hold a model with its layout.
    IndexError
        If a layer does not have a wanted unit.
    """
    import torch
    from safetensors import safe_open

    folder = check_model_folder(folder)
    check_made_here(folder, MODEL_FILES)
    entry = find_architecture(str(read_json(folder / "config.json").get("model_type")), architecture)
    found: dict[int, Projection] = {}
    with safe_open(folder / "model.safetensors", "pt") as file:
        stored = set(file.keys())
        for layer, name in _names(stored, entry).items():
            if units is not None and layer not in units:
                continue
            weight = file.get_tensor(f"{name}.weight")
            weight = weight.T if entry.inputs_first else weight  # [outputs, inputs]
            wanted = torch.arange(len(weight)) if units is None else units[layer]
            has_bias = f"{name}.bias" in stored
            bias = file.get_tensor(f"{name}.bias") if has_bias else torch.zeros(len(weight))
            found[layer] = Projection(wanted, weight[wanted].float(), bias[wanted].float())
    if not found and units != {}:
        raise StudyError(
            f"{folder}: its model.safetensors does not have the layout of the architecture in config key "
            "neurons.architecture: set the key to auto, or to the architecture with the same layout."
        )
    return found


def count_neurons(folder: Path | str, architecture: str = "auto") -> dict[int, int]:
    """Return the number of neurons of each layer, from the headers of a model's files.

    Parameters
    ----------
    folder, architecture
        As for `read_projections`.
    """
    entry = find_architecture(str(read_json(Path(folder) / "config.json").get("model_type")), architecture)
    stored = tensors(check_model_folder(folder))
    outputs = 1 if entry.inputs_first else 0
    return {layer: stored[f"{name}.weight"]["shape"][outputs] for layer, name in _names(set(stored), entry).items()}


def _names(stored: set[str], architecture: Architecture) -> dict[int, str]:
    """Return the names of the projections among the names of a file's tensors, by layer, ascending."""
    path = re.compile(
        rf"(?:.+\.)?{re.escape(architecture.blocks)}\.(\d+)\.{re.escape(architecture.projection)}\.weight"
    )
    places = {int(match[1]): name.removesuffix(".weight") for name in stored if (match := path.fullmatch(name))}
    return dict(sorted(places.items()))
