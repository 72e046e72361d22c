"""What the training loop is given: a recipe, an objective, an observer, and how to compute."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from bias_amplification.models.graphs import Batch


class Recipe(Protocol):
    """How a model is trained; the config's sections about training have these fields."""

    @property
    def epochs(self) -> int:
        """Passes over the examples."""

    @property
    def batch_size(self) -> int:
        """Examples per step."""

    @property
    def learning_rate(self) -> float:
        """Peak of the learning rate, from which it decays linearly to zero."""

    @property
    def weight_decay(self) -> float:
        """AdamW's weight decay; it applies to matrices, not to vectors."""

    @property
    def warmup(self) -> float:
        """Share of the steps over which the learning rate rises to its peak."""


class Objective(Protocol):
    """The examples that a model learns from, their order, and their loss."""

    def __len__(self) -> int:
        """Return the number of examples in an epoch."""

    def order(self, epoch: int) -> Sequence[int]:
        """Return the positions of an epoch's examples in training order; the same epoch has the same order."""

    def terms(self, positions: Sequence[int]) -> int:
        """Return the number of losses that these examples have; the sum is divided by it."""

    def batch(self, positions: Sequence[int], multiple: int) -> Batch:
        """Return what `loss` needs of these examples, on the CPU.

        With a `multiple` above 1, lengths of sequences are padded to multiples of it, and shapes depend on nothing but
        the number of examples and the padded length. It is called in a thread, while the step before is computed.
        """

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the sum of the losses of a batch, a scalar. On a GPU, it must not wait for a result."""

    def facts(self) -> Any:
        """Return everything that the losses depend on except the model, as JSON values."""

    def progress(self, steps_per_second: float) -> str:
        """Return the training speed in words for the log, for example in tokens per second; may be empty."""


class Observer(Protocol):
    """An object that is called after each epoch, and whose state is saved with the training's."""

    def after_epoch(self, epoch: int) -> None:
        """Look at the model after an epoch; the first epoch is 1."""

    def facts(self) -> Any:
        """Return everything that the observer's state depends on except the training, as JSON values."""

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return the tensors and the JSON values to save."""

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Take over a saved state."""


class Computing(Protocol):
    """How a training computes; the config's section `compute` has these fields."""

    @property
    def precision(self) -> str:
        """As for `choose_precision`."""

    @property
    def cuda_graphs(self) -> bool:
        """Whether a GPU replays frequent steps as CUDA graphs."""

    @property
    def compile(self) -> bool:
        """Whether the model is compiled (`torch.compile`)."""
