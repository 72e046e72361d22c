"""Memory of each device, saved states and operations of a training, from counts of bytes and products.

Weights, gradients and moments are float32. The constants for activations are those of `sizes.py`, which are measured in
float32 on a CPU. Under bfloat16 they are an upper limit, because a part of the activations is bfloat16.
"""

import math
from dataclasses import dataclass

from bias_amplification.models.folders import Shape
from bias_amplification.study.costs.sizes import FLOAT, activations, base_shape
from bias_amplification.study.sections import Adapter
from bias_amplification.study.settings import Study

#: Logits that are held at once on a GPU, and copies of them (`models/output_head.py`).
_LOGITS, _LOGIT_COPIES = 2**28, 2

#: Blocks whose whole weights and gradients a process of FSDP holds at once: the one that computes, and the next one.
_GATHERED_BLOCKS = 2

#: Widths of all that a matrix pair of an adapter reads and makes in one block: for the attention's queries and values,
#: and at most for all linear modules (four of the attention, three of an FFN of four widths).
_ADAPTED_WIDTHS = {None: 4, "all-linear": 23}


@dataclass(frozen=True)
class Training:
    """A training whose costs are computed.

    Attributes
    ----------
    parameters, shape
        The model's.
    rows, tokens
        Examples per step on all devices, and their length.
    devices
        Number of devices, which divide each batch.
    sharded
        Whether they also divide the weights (FSDP).
    adapter
        Settings of an adapter; None: all weights are trained.
    recomputed
        Whether activations are computed again for the gradients.
    bfloat16
        Whether products are in bfloat16.
    """

    parameters: int
    shape: Shape
    rows: int
    tokens: int
    devices: int = 1
    sharded: bool = False
    adapter: Adapter | None = None
    recomputed: bool = False
    bfloat16: bool = False

    @property
    def trained(self) -> int:
        """Number of trained parameters; for an adapter at most this many."""
        return adapter_parameters(self.shape, self.adapter) if self.adapter else self.parameters

    @property
    def weights(self) -> int:
        """Bytes of the weights on each device, with those of an adapter."""
        return self._divided(FLOAT * (self.parameters + (self.trained if self.adapter else 0)))

    @property
    def optimizer(self) -> int:
        """Bytes of the gradients and of AdamW's two moments on each device."""
        return self._divided(3 * FLOAT * self.trained)

    @property
    def gathered(self) -> int:
        """Bytes of the copies of weights that are made for products.

        Under FSDP they are the whole weights of some blocks, and the gradients. Otherwise they are the bfloat16 copies
        of all weights, which autocast keeps for the gradients.
        """
        size = FLOAT // 2 if self.bfloat16 else FLOAT
        if not self.sharded:
            return size * self.parameters if self.bfloat16 else 0
        outside = min(self.parameters, 2 * self.shape.vocabulary * self.shape.width)
        blocks = _GATHERED_BLOCKS * (self.parameters - outside) / self.shape.layers
        return round(size * (outside + blocks) * (1 if self.adapter else 2))

    @property
    def activations(self) -> int:
        """Bytes of what a device keeps for the gradients of its examples, and of the logits held at once."""
        rows = math.ceil(self.rows / self.devices)
        shape = self.shape._replace(layers=1) if self.recomputed else self.shape
        kept = activations(shape, rows, self.tokens)
        if self.recomputed:
            kept += rows * self.tokens * self.shape.layers * self.shape.width
        logits = min(_LOGITS, rows * self.tokens * self.shape.vocabulary)
        head = 0 if self.adapter else self.shape.vocabulary * self.shape.width
        return FLOAT * (kept + _LOGIT_COPIES * logits + head)

    @property
    def memory(self) -> int:
        """Bytes on each device: weights, gradients, moments, what is gathered, activations and logits."""
        return self.weights + self.optimizer + self.gathered + self.activations

    @property
    def state(self) -> int:
        """Bytes of the saved state of the unfinished training: trained weights and two moments."""
        return 3 * FLOAT * self.trained

    @property
    def operations(self) -> int:
        """Floating-point operations per token: products of weights and of attention, forward and backward.

        A product with weights takes two operations per weight forward, two for the gradient of what it reads, and two
        for the gradient of the weights, which an adapter leaves out. Attention's products take 4 operations per token,
        earlier token, unit of width and block (the other half of its matrix is not needed, but computed by some
        kernels), forward, and twice as many backward. Activations that are computed again cost the forward part again.
        """
        forward = 2 * self.parameters + 4 * self.shape.layers * self.shape.width * self.tokens
        backward = 2 * forward - (2 * self.parameters if self.adapter else 0)
        return forward * (2 if self.recomputed else 1) + backward

    def _divided(self, count: int) -> int:
        return math.ceil(count / self.devices) if self.sharded else count


def adapter_parameters(shape: Shape, adapter: Adapter) -> int:
    """Return at most how many parameters an adapter has."""
    modules = adapter.target_modules
    return shape.layers * shape.width * adapter.rank * _ADAPTED_WIDTHS[modules and "all-linear"]


def trained_bytes(study: Study, model: int) -> int:
    """Return the size of the weights that a study trains, bytes: the model's, or at most the adapter's.

    A base model that the run pretrains is trained with all its weights.

    Parameters
    ----------
    study
        The config.
    model
        Size of the model's weights, bytes.
    """
    adapter = study.finetuning.adapter if study.base_model.source != "pretrain" else None
    return min(model, FLOAT * adapter_parameters(base_shape(study), adapter)) if adapter else model
