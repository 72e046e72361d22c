"""Changes of neurons while a model writes, with other changes for each row of a batch.

A neuron is an output unit of a block's second projection, and an action replaces its output. With `hidden`, the
projection's input at a position, all actions have the form

    output := factor * output + offset + weight · hidden

for each changed unit. Actions leave out units that they would not change, such as those whose weights are the same in
both models. So an action without any effect leaves every bit of the output as it is.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from bias_amplification.interventions.projections import Projection
from bias_amplification.models.architectures import find_architecture, find_blocks
from bias_amplification.models.packed import Product, packed_product

#: Up to this share of a layer's units, the changed units are computed apart from the others. Beyond it, this takes
#: longer than to compute all units of the layer anew.
_MOST_APART = 0.6


@dataclass(frozen=True)
class Edit:
    """What becomes of the outputs of some units of one layer.

    Attributes
    ----------
    layer
        Number of the block, from 0 on.
    units
        Numbers of the changed units, ascending, [units].
    factor, offset
        float32, [units].
    source
        The weights that are multiplied with the projection's input; None: there are none.
    """

    layer: int
    units: torch.Tensor
    factor: torch.Tensor
    offset: torch.Tensor
    source: Projection | None = None

    @classmethod
    def of_all(
        cls, layer: int, units: torch.Tensor, factor: float, offset: torch.Tensor | float, source: Projection | None
    ) -> "Edit":
        """Return the edit with the same factor for all units."""
        offsets = torch.as_tensor(offset, dtype=torch.float32).expand(len(units))
        return cls(layer, units, torch.full((len(units),), factor, dtype=torch.float32), offsets, source)

    def only(self, changed: torch.Tensor) -> "Edit":
        """Return the edit of only some of the units, which a mask selects, [units]."""
        return Edit(self.layer, self.units[changed], self.factor[changed], self.offset[changed], self.source)


def restore(layer: int, units: torch.Tensor, own: Projection, other: Projection) -> Edit:
    """Give units the incoming weights and biases of another model: output := other weight · hidden + other bias.

    The same formula restores an earlier model's weights and transplants a later generation's.

    Parameters
    ----------
    layer
        Number of the block.
    units
        Numbers of the units, ascending, [units].
    own, other
        Weights of the model that is changed, and of the other model. Both must have the units.
    """
    weight, bias = other.of(units)
    own_weight, own_bias = own.of(units)
    return Edit.of_all(layer, units, 0.0, bias, other).only((weight != own_weight).any(1) | (bias != own_bias))


def ablate(layer: int, units: torch.Tensor, output: torch.Tensor | float = 0.0) -> Edit:
    """Give units the same output at every position: output := 0, or the unit's mean output, [units]."""
    return Edit.of_all(layer, units, 0.0, output, None)


def scale(layer: int, units: torch.Tensor, factor: float) -> Edit:
    """Multiply the output of units: output := factor * output."""
    edit = Edit.of_all(layer, units, factor, 0.0, None)
    return edit.only(edit.factor != 1)


def steer(layer: int, units: torch.Tensor, change: torch.Tensor, multiple: float) -> Edit:
    """Add to the output of units a multiple of the change of their mean output: output := output + multiple * change.

    `change` is the mean output in the model that is changed minus that in the reference model, [units].
    """
    edit = Edit.of_all(layer, units, 1.0, multiple * change.float(), None)
    return edit.only(edit.offset != 0)


@dataclass
class _Layer:
    """The edits of one layer for the rows of a batch."""

    units: torch.Tensor | None
    """The union of the conditions' units; None: all units of the layer."""
    factor: torch.Tensor
    """[rows, 1, units], as `offset`."""
    offset: torch.Tensor
    products: list[tuple[torch.Tensor, Product]]
    """For each source of weights: which units of a row take its product, 1 or 0, [rows, 1, units], and the product,
    from [..., inputs] to [..., units]."""

    def keep(self, rows: torch.Tensor) -> None:
        self.factor, self.offset = self.factor[rows], self.offset[rows]
        self.products = [(taken[rows], product) for taken, product in self.products]

    def change(self, hidden: torch.Tensor, output: torch.Tensor) -> None:
        """Change a projection's output in place."""
        # Some architectures have [row, position, unit], others [row * position, unit]. If all rows are under the same
        # condition, they count as one.
        rows = output.view(len(self.factor), -1, output.shape[-1])
        part = rows if self.units is None else rows.index_select(-1, self.units)
        part.mul_(self.factor).add_(self.offset)
        for taken, product in self.products:
            part.addcmul_(product(hidden).view_as(part), taken)
        if self.units is not None:
            rows.index_copy_(-1, self.units, part)


class RowEdits:
    """Conditions under which a model writes: each changes neurons by edits of its own (a `generate.Conditions`).

    Rows of a batch may be under different conditions. Units that no condition of the batch changes are not computed
    anew.

    Parameters
    ----------
    conditions
        The edits of each condition, at most one for each layer; none for the model as it is.
    """

    def __init__(self, conditions: Sequence[Sequence[Edit]]) -> None:
        self._conditions = [{edit.layer: edit for edit in edits if len(edit.units)} for edits in conditions]
        self._layers: dict[int, _Layer] = {}
        self._several = False
        self._width, self._device = 0, torch.device("cpu")

    @property
    def number(self) -> int:
        """Number of conditions."""
        return len(self._conditions)

    @cached_property
    def digest(self) -> str:
        """A hash of all edits."""
        digest = hashlib.blake2b(digest_size=16)
        for edits in self._conditions:
            digest.update(f"condition with {len(edits)} edits".encode())
            for layer, edit in edits.items():
                digest.update(f"layer {layer}, {len(edit.units)} units, source {edit.source is not None}".encode())
                weights = edit.source.of(edit.units) if edit.source else ()
                for tensor in (edit.units, edit.factor, edit.offset, *weights):
                    digest.update(tensor.contiguous().numpy())
        return digest.hexdigest()

    def begin(self, conditions: Sequence[int]) -> None:
        """Start a batch.

        Parameters
        ----------
        conditions
            The condition of each row, numbered from 0. If it is the same for all, the batch may have any number of
            rows.
        """
        distinct = sorted(set(conditions))
        self._several = len(distinct) > 1
        places = {condition: place for place, condition in enumerate(distinct)}
        rows = torch.tensor([places[condition] for condition in conditions] if self._several else [0])
        chosen = [self._conditions[condition] for condition in distinct]
        self._layers = {
            layer: _prepare([edits.get(layer) for edits in chosen], rows, self._width, self._device)
            for layer in sorted({layer for edits in chosen for layer in edits})
        }

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows of the batch except the given ones, [rows that stay]."""
        if self._several:
            for layer in self._layers.values():
                layer.keep(rows)

    @contextmanager
    def attached(self, model: torch.nn.Module, architecture: str = "auto") -> Iterator[None]:
        """Let the edits act on a model within the context.

        Parameters
        ----------
        model
            A transformers causal language model, on the device where it is to run.
        architecture
            As for `architectures.find_architecture`.
        """
        blocks = find_blocks(model, find_architecture(model.config.model_type, architecture))
        edited = {layer for edits in self._conditions for layer in edits}
        self._width, self._device = model.config.get_text_config().hidden_size, next(model.parameters()).device
        handles = [
            block.projection.register_forward_hook(self._hook(layer))
            for layer, block in enumerate(blocks)
            if layer in edited
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._layers = {}

    def _hook(self, layer: int) -> Any:
        def hook(_module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if layer in self._layers:
                self._layers[layer].change(inputs[0], output)

        return hook


def _prepare(edits: Sequence[Edit | None], rows: torch.Tensor, width: int, device: torch.device) -> _Layer:
    """Put the edits of one layer under several conditions together.

    Parameters
    ----------
    edits
        The edit under each condition of a batch; None: there is none.
    rows
        The place in `edits` of each row's condition, [rows].
    width
        Number of units of the layer.
    device
        Where the model is.
    """
    known = [(place, edit) for place, edit in enumerate(edits) if edit]
    units = torch.cat([edit.units for _, edit in known]).unique()
    everywhere = len(units) > _MOST_APART * width
    units = torch.arange(width) if everywhere else units
    shape = (len(edits), len(units))
    factor, offset = torch.ones(shape), torch.zeros(shape)
    sources = {id(edit.source): edit.source for _, edit in known if edit.source}
    taken = {key: torch.zeros(shape) for key in sources}
    for place, edit in known:
        columns = torch.searchsorted(units, edit.units)
        factor[place, columns], offset[place, columns] = edit.factor, edit.offset
        if edit.source:
            taken[id(edit.source)][place, columns] = 1

    def by_row(table: torch.Tensor) -> torch.Tensor:
        return table[rows][:, None].to(device)

    products = []
    for key, source in sources.items():
        weight = torch.zeros(len(units), source.weight.shape[1])
        columns = taken[key].any(0)
        weight[columns] = source.of(units[columns])[0]
        products.append((by_row(taken[key]), _product(weight.to(device))))
    return _Layer(None if everywhere else units.to(device), by_row(factor), by_row(offset), products)


def _product(weight: torch.Tensor) -> Product:
    """Return the function x -> x W', with W [outputs, inputs]."""
    return packed_product(weight) or (lambda hidden: hidden @ weight.T)
