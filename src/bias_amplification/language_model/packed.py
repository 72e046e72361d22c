"""Products of models that are only read, from weights in the order in which a CPU reads them fastest.

PyTorch's own linear layers bring the weights into that order at every product anew, and add the bias in a pass of its
own. Here oneDNN, which PyTorch brings with it, does the first once and the second on the way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers.pytorch_utils import Conv1D

#: Rows of the products for which the order is chosen. From 8 to 4,096 rows it is the best or nearly so.
_ROWS = 256

Product = Callable[[torch.Tensor], torch.Tensor]


def packed_product(weight: torch.Tensor, bias: torch.Tensor | None = None, *, gelu: bool = False) -> Product | None:
    """Return the function x -> x W' + b, from a copy of the weights in the fastest order.

    Parameters
    ----------
    weight
        W, [outputs, inputs].
    bias
        b, [outputs].
    gelu
        Whether GELU, in its approximation by tanh, is applied to the result.

    Returns
    -------
    Callable or None
        From [..., inputs] to [..., outputs], without gradients; None where oneDNN has no such product: on a GPU, in
        another precision than float32, and in a PyTorch without it.
    """
    library = torch.ops.mkldnn
    known = torch.backends.mkldnn.is_available() and hasattr(library, "_linear_pointwise")
    if not known or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    with torch.no_grad():
        packed = library._reorder_linear_weight(weight.detach().contiguous(), _ROWS)
    kind, how = ("gelu", "tanh") if gelu else ("none", "")
    bias = None if bias is None else bias.detach()
    return lambda rows: library._linear_pointwise(rows, packed, bias, kind, [], how)


@contextmanager
def packed(model: torch.nn.Module) -> Iterator[None]:
    """Let a model compute its linear layers from packed weights while it is only read.

    The function is the same but for rounding. The weights themselves stay where they are and count again afterwards; a
    change of them meanwhile has no effect.

    Parameters
    ----------
    model
        In `eval` mode, under `torch.no_grad` or `inference_mode`. Its output embeddings, which are used in a way of
        their own, stay as they are; and so does all of it where `packed_product` gives none.

    Raises
    ------
    RuntimeError
        If gradients are on: there would be none.
    """
    if torch.is_grad_enabled():
        raise RuntimeError("products from packed weights have no gradients: read the model under torch.no_grad")
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    changed: dict[torch.nn.Module, Product] = {}
    for module in model.modules():
        children = dict(module.named_children())
        activation = children.get("act")
        for name, layer in children.items():
            # One that computes in another way already, packed perhaps, keeps it.
            if layer is head or type(layer) not in (torch.nn.Linear, Conv1D) or "forward" in vars(layer):
                continue
            weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
            # The activation of GPT-2's feed-forward network, once it is one pass (`fuse_activations`).
            fused = name == "c_fc" and isinstance(activation, torch.nn.GELU) and activation.approximate == "tanh"
            if product := packed_product(weight, layer.bias, gelu=fused):
                changed |= {layer: product} | ({activation: torch.nn.Identity().forward} if fused else {})
    for layer, product in changed.items():
        layer.forward = product
    try:
        yield
    finally:
        for layer in changed:
            # The class's own is found again.
            del layer.forward
