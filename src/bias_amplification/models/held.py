"""Neurons that a training holds: they are frozen, or pulled towards other weights.

A neuron is an output unit of the second projection of a block's FFN, with incoming weights w and bias b. `Held` has its
target, w* and b*. With a penalty p, each step adds p (w - w*) and p (b - b*) to the neuron's gradients before gradients
are clipped, as a term p / 2 (|w - w*|^2 + (b - b*)^2) of the loss would. Without a penalty the neuron is frozen: its
gradients are 0, and w* and b* are put back after the step, because AdamW's weight decay moves weights that have no
gradient.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import HELD_UNITS
from bias_amplification.models.architectures import find_architecture, find_blocks

#: Numbers of neurons by layer, both counted from 0; those of a layer are ascending, [units].
Units = Mapping[int, torch.Tensor]


class Held:
    """Neurons that a training holds.

    Parameters
    ----------
    reference
        The model with the target: the one that is trained, before its first step, or another one of the same shape.
    units
        The neurons.
    penalty
        p; None: frozen, which needs the trained model's own weights as the target.
    architecture
        As for `architectures.find_architecture`.

    Raises
    ------
    StudyError
        If the model's architecture is unknown.
    IndexError
        If the model does not have a neuron (see `check_units`).
    """

    def __init__(
        self, reference: torch.nn.Module, units: Units, penalty: float | None = None, architecture: str = "auto"
    ) -> None:
        self.units, self.penalty, self.architecture = units, penalty, architecture
        self._targets = [part.values().clone() for part in self._parts(reference)]
        self._bound: list[tuple[_Part, torch.Tensor]] = []

    def bind(self, model: torch.nn.Module) -> None:
        """Hold the neurons of a model, which stays on its device from now on."""
        self._bound = [
            (part, target.to(part.parameter.device))
            for part, target in zip(self._parts(model), self._targets, strict=True)
        ]

    @torch.no_grad()
    def change_gradients(self) -> None:
        """Set the neurons' gradients to 0, or add the penalty's. Call it after `backward` and before clipping."""
        for (parameter, axis, units), target in self._bound:
            if parameter.grad is None:
                continue
            if self.penalty is None:
                parameter.grad.index_fill_(axis, units, 0.0)
            else:
                away = parameter.index_select(axis, units) - target
                parameter.grad.index_add_(axis, units, away, alpha=self.penalty)

    @torch.no_grad()
    def put_back(self) -> None:
        """Put the weights of frozen neurons back. Call it after the optimizer's step."""
        for (parameter, axis, units), target in self._bound if self.penalty is None else ():
            parameter.index_copy_(axis, units, target)

    def facts(self) -> Any:
        """Return everything that the holding depends on, as JSON values."""
        digest = hashlib.blake2b(digest_size=16)
        for target in self._targets:
            digest.update(target.cpu().contiguous().numpy().tobytes())
        units = {str(layer): numbers.tolist() for layer, numbers in self.units.items()}
        return {"penalty": self.penalty, "units": units, "targets": digest.hexdigest()}

    def describe(self) -> dict[str, Any]:
        """Return the number of neurons and how they are held, for metadata.json."""
        how = (
            {"how": "frozen"} if self.penalty is None else {"how": "pulled to the base model", "penalty": self.penalty}
        )
        return {"neurons": sum(map(len, self.units.values())), **how}

    def _parts(self, model: torch.nn.Module) -> Iterator["_Part"]:
        """Yield the neurons' part of each parameter that has one, layers ascending, weights before biases."""
        architecture = find_architecture(model.config.model_type, self.architecture)
        for layer, block in enumerate(find_blocks(model, architecture)):
            if layer in self.units:
                weight, bias = block.projection.weight, block.projection.bias
                units = self.units[layer].to(weight.device)
                yield _Part(weight, 1 if architecture.inputs_first else 0, units)
                if bias is not None:
                    yield _Part(bias, 0, units)


class _Part(NamedTuple):
    """Some neurons' part of a parameter."""

    parameter: torch.nn.Parameter
    axis: int
    """The axis of the neurons: 0, but 1 for weights that are stored as [inputs, outputs]."""
    units: torch.Tensor
    """[units], on the parameter's device."""

    def values(self) -> torch.Tensor:
        return self.parameter.detach().index_select(self.axis, self.units)


def read_units(path: Path | str) -> tuple[dict[int, torch.Tensor], float | None]:
    """Read a table of held neurons (schema `HELD_UNITS`).

    Returns
    -------
    units : dict
        The neurons by layer.
    penalty : float or None
        How strongly they are pulled; None: they are frozen.
    """
    table = read_table(path, HELD_UNITS)
    layers, neurons = (table[name].to_numpy() for name in ("layer", "neuron"))
    units = {int(n): torch.from_numpy(np.unique(neurons[layers == n]).astype(np.int64)) for n in np.unique(layers)}
    return units, table["penalty"][0].as_py() if len(table) else None


def check_units(units: Units, model: torch.nn.Module, path: Path | str, architecture: str = "auto") -> None:
    """Check that a model has all neurons of a table.

    Raises
    ------
    StudyError
        If it lacks one. The message names the table `path` and the neuron.
    """
    entry = find_architecture(model.config.model_type, architecture)
    sizes = [block.projection.weight.shape[1 if entry.inputs_first else 0] for block in find_blocks(model, entry)]
    for layer, numbers in units.items():
        for neuron in numbers.tolist():
            if not (0 <= layer < len(sizes) and 0 <= neuron < sizes[layer]):
                raise StudyError(
                    f"{path} has neuron {neuron} of layer {layer}, which the model does not have: its layers are 0 to "
                    f"{len(sizes) - 1}, and the neurons of a layer 0 to {max(sizes) - 1}; delete the table and run "
                    "snakemake again, or correct the round's held.file."
                )
