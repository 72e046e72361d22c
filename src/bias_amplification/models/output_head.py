"""The output head of a language model: its loss and its likeliest token, without holding all logits.

The logits are a language model's largest tensor, with 50,257 numbers per token for GPT-2. Computing all of them, their
softmax and their gradients at once moves gigabytes through memory. Here they are computed and dropped some rows at a
time.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from bias_amplification.models.architectures import PLAIN_HEADS
from bias_amplification.models.packed import packed_product

#: Logits computed at once, as a count of numbers, on a CPU and on a GPU. Products become faster with more rows up to
#: about this size.
_AT_ONCE = {"cpu": 2**25, "cuda": 2**28}

#: A GPU's fastest products need sizes that are multiples of this. GPT-2's vocabulary of 50,257 tokens is none.
_MULTIPLE = {"cpu": 1, "cuda": 64}

#: A target without a loss (the default of PyTorch's cross_entropy).
IGNORED = -100

#: Tokens of the vocabulary whose logits are computed at once: so few that a CPU compares them within its cache.
_TOKENS_AT_ONCE = 4096


def output_weight(model: torch.nn.Module) -> torch.Tensor | None:
    """Return the matrix [vocabulary, width] that turns the last hidden state into logits.

    The result is None for a model whose logits need more than this product (see `PLAIN_HEADS`).
    """
    if not isinstance(model, PreTrainedModel) or model.config.model_type not in PLAIN_HEADS:
        return None
    output = model.get_output_embeddings()
    return output.weight if isinstance(output, torch.nn.Linear) and output.bias is None else None


def _padded(weight: torch.Tensor, multiple: int | None) -> torch.Tensor:
    """Return the output head's weight with rows of zeros up to a multiple of so many tokens; None: the device's."""
    missing = -len(weight) % (multiple or _MULTIPLE.get(weight.device.type, 1))
    return torch.nn.functional.pad(weight, (0, 0, 0, missing)) if missing else weight


def _rows_at_once(weight: torch.Tensor) -> int:
    """Return for how many rows all logits are computed at once."""
    return max(1, _AT_ONCE.get(weight.device.type, _AT_ONCE["cpu"]) // len(weight))


class _SummedLoss(torch.autograd.Function):
    """Summed cross-entropy of hidden states. The forward pass computes the gradients too, from the same logits."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        dtype: torch.dtype,
        multiple: int | None,
    ) -> torch.Tensor:
        vocabulary, factor = len(weight), _padded(weight.to(dtype), multiple)
        counted, targets = (targets != IGNORED)[:, None], targets.clamp(min=0)[:, None]
        # A hidden state of zeros gives the weight no gradient.
        inputs = hidden.to(dtype) * counted
        for_hidden = torch.empty_like(inputs)
        # Weights that an adapter keeps as they are need no gradient.
        for_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        total = hidden.new_zeros((), dtype=torch.float32)
        rows = _rows_at_once(weight)
        for start in range(0, len(hidden), rows):
            part, target = inputs[start : start + rows], targets[start : start + rows]
            # The padded columns come after the real ones. They have no part in the loss, and their gradients are 0.
            padded = part @ factor.T
            logits = padded[:, :vocabulary]
            if dtype == torch.float32:
                normalizer = logits.logsumexp(1, keepdim=True)
                losses = normalizer - logits.gather(1, target)
                softmax = logits.sub_(normalizer).exp_()
            else:
                # Sums of many small numbers need float32; this operation reads the logits once for it.
                log_softmax = torch.log_softmax(logits, 1, dtype=torch.float32)
                losses = -log_softmax.gather(1, target)
                softmax = torch.exp(log_softmax, out=logits)
            total += (losses * counted[start : start + rows]).sum()
            # The gradient with respect to the logits: the softmax, minus one at the target.
            if dtype == torch.float32:
                softmax.scatter_add_(1, target, softmax.new_full(target.shape, -1.0))
            else:
                # A softmax near 1 that was rounded before would lose the difference.
                softmax.scatter_(1, target, torch.expm1(-losses).to(dtype))
            padded[:, vocabulary:] = 0.0
            torch.mm(padded, factor, out=for_hidden[start : start + rows])
            if for_weight is None:
                continue
            if padded.shape[1] == vocabulary and dtype == weight.dtype:
                for_weight.addmm_(padded.T, part)
            else:
                for_weight += (padded.T @ part)[:vocabulary]
        ctx.save_for_backward((for_hidden * counted).to(hidden.dtype), for_weight)
        return total

    @staticmethod
    def backward(ctx: Any, by_total: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * by_total, None if for_weight is None else for_weight * by_total, None, None, None


def summed_loss(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, multiple: int | None = None
) -> torch.Tensor:
    """Return the sum of the tokens' negative log-likelihoods, with gradients for hidden states and weights.

    Under autocast the products have its precision, and logits are rounded to it. Softmax and sums are in float32.

    Parameters
    ----------
    hidden
        Last hidden states, [tokens, width].
    weight
        The output head's, [vocabulary, width].
    targets
        The token to predict from each hidden state, [tokens]; `IGNORED` has no loss.
    multiple
        In the products, the vocabulary is padded to a multiple of so many tokens. None: 64 on a GPU, 1 on a CPU.

    Returns
    -------
    torch.Tensor
        A scalar, nats, float32.
    """
    device = hidden.device.type
    converted = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if converted else hidden.dtype
    with torch.autocast(device, enabled=False):
        return _SummedLoss.apply(hidden, weight, targets, dtype, multiple)


def token_losses(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, multiple: int | None = None
) -> torch.Tensor:
    """Return the negative log-likelihood of each token, [tokens], nats, float32, without gradients.

    The parameters are those of `summed_loss`; no target is `IGNORED`.
    """
    rows, factor, parts = _rows_at_once(weight), _padded(weight, multiple), []
    for start in range(0, len(hidden), rows):
        logits = (hidden[start : start + rows] @ factor.T)[:, : len(weight)]
        target = targets[start : start + rows, None]
        if logits.dtype == torch.float32:
            parts.append((logits.logsumexp(1, keepdim=True) - logits.gather(1, target)).squeeze(1))
        else:
            parts.append(-torch.log_softmax(logits, 1, dtype=torch.float32).gather(1, target).squeeze(1))
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def likeliest(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that finds the token with the largest logit in each row.

    Of tokens with equal logits it returns the first on a CPU; a GPU may return any of them. Logits are in float32 even
    if the weights are in bfloat16, in whose 8 bits many of the largest logits would be equal.

    Parameters
    ----------
    weight
        The output head's, [vocabulary, width].

    Returns
    -------
    Callable
        From last hidden states, [rows, width], to token ids, [rows].
    """
    if weight.dtype != torch.float32:
        return _likeliest_in_half_precision(weight)
    parts = weight.split(_TOKENS_AT_ONCE)
    products = [product for part in parts if (product := packed_product(part))]
    if len(products) < len(parts):
        factor = _padded(weight, None)
        return lambda hidden: (hidden @ factor.T)[:, : len(weight)].argmax(1)

    def find(hidden: torch.Tensor) -> torch.Tensor:
        best, token = products[0](hidden).max(1)
        for number, product in enumerate(products[1:], start=1):
            largest, position = product(hidden).max(1)
            better = largest > best
            best = torch.where(better, largest, best)
            token = torch.where(better, position + number * _TOKENS_AT_ONCE, token)
        return token

    return find


def _likeliest_in_half_precision(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function of `likeliest` for a weight in bfloat16 or float16."""
    if weight.device.type == "cpu":
        find = likeliest(weight.float())
        return lambda hidden: find(hidden.float())
    factor = _padded(weight, None)

    def find_on_gpu(hidden: torch.Tensor) -> torch.Tensor:
        try:
            logits = torch.mm(hidden, factor.T, out_dtype=torch.float32)
        except (TypeError, RuntimeError):  # older versions of PyTorch, and some GPUs
            logits = hidden @ factor.T
        return logits[:, : len(weight)].argmax(1)

    return find_on_gpu
