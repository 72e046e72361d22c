"""Matrix products of models that are only read, with weights stored in the order that a CPU reads fastest.

PyTorch's linear layers reorder their weights at every product and add the bias in a second pass. oneDNN, which comes
with PyTorch, can reorder the weights once and add the bias within the product.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers.pytorch_utils import Conv1D

#: Number of rows for which oneDNN chooses the order of the weights. It is the best order, or nearly, for products of 8
#: to 4,096 rows.
_ROWS = 256

Product = Callable[[torch.Tensor], torch.Tensor]


def packed_product(weight: torch.Tensor, bias: torch.Tensor | None = None, *, gelu: bool = False) -> Product | None:
    """Return the function x -> x W' + b, which holds a copy of the weights in the fastest order.

    Parameters
    ----------
    weight
        W, [outputs, inputs].
    bias
        b, [outputs].
    gelu
        Whether the function applies GELU, in its tanh approximation, to the result.

    Returns
    -------
    Callable or None
        From [..., inputs] to [..., outputs], without gradients. None where oneDNN has no such product: on a GPU, in
        another precision than float32, and in a PyTorch without oneDNN.
    """
    library = torch.ops.mkldnn
    available = torch.backends.mkldnn.is_available() and hasattr(library, "_linear_pointwise")
    if not available or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    with torch.no_grad():
        packed = library._reorder_linear_weight(weight.detach().contiguous(), _ROWS)
    kind, approximation = ("gelu", "tanh") if gelu else ("none", "")
    bias = None if bias is None else bias.detach()
    return lambda rows: library._linear_pointwise(rows, packed, bias, kind, [], approximation)


@contextmanager
def packed(model: torch.nn.Module) -> Iterator[None]:
    """Let a model compute its linear layers from packed weights.

    The results differ by rounding only. The model's own weights stay in place and are used again after the context; a
    change of them within the context has no effect on the results.

    Parameters
    ----------
    model
        In `eval` mode, under `torch.no_grad` or `inference_mode`. Its output embeddings are left as they are, because
        `output_head` has its own products for them. The whole model is left as it is where `packed_product` returns
        None, and under autocast, whose products are in bfloat16.

    Raises
    ------
    RuntimeError
        If gradients are enabled: packed products have none.
    """
    if torch.is_grad_enabled():
        raise RuntimeError("products from packed weights have no gradients: read the model under torch.no_grad")
    if torch.is_autocast_enabled("cpu"):
        yield
        return
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    changed: dict[torch.nn.Module, Product] = {}
    for module in model.modules():
        children = dict(module.named_children())
        activation = children.get("act")
        for name, layer in children.items():
            # A layer whose `forward` was replaced already, perhaps by an outer `packed`, keeps it.
            if layer is output or type(layer) not in (torch.nn.Linear, Conv1D) or "forward" in vars(layer):
                continue
            weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
            # GPT-2's feed-forward network: the product applies the activation too, if `fuse_activations` has set it.
            fused = name == "c_fc" and isinstance(activation, torch.nn.GELU) and activation.approximate == "tanh"
            if product := packed_product(weight, layer.bias, gelu=fused):
                changed |= {layer: product} | ({activation: torch.nn.Identity().forward} if fused else {})
    for layer, product in changed.items():
        layer.forward = product
    try:
        yield
    finally:
        for layer in changed:
            # Deleting the instance's attribute uncovers the class's method.
            del layer.forward
