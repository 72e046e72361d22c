"""The loss of a language model without its logits.

The logits are a language model's largest tensor: 50,257 numbers a token for GPT-2. To make all of them, their softmax
and their gradients at once moves gigabytes through memory. Here they are made, used and forgotten some rows at a time.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts.models import PLAIN_HEADS
from bias_amplification.language_model.packed import packed_product

#: Logits made at once, as numbers. More rows make faster products, up to here.
_AT_ONCE = 2**25

#: Tokens of the vocabulary whose logits are compared while they are in a CPU's cache.
_TOKENS_AT_ONCE = 4096


def head_weight(model: torch.nn.Module) -> torch.Tensor | None:
    """Return the weights [vocabulary, width] that turn the last hidden state into logits; None if more is to it."""
    if not isinstance(model, PreTrainedModel) or model.config.model_type not in PLAIN_HEADS:
        return None
    head = model.get_output_embeddings()
    return head.weight if isinstance(head, torch.nn.Linear) and head.bias is None else None


class _SummedLoss(torch.autograd.Function):
    """Summed cross-entropy of hidden states; the gradients are made on the way, while the logits are at hand."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        for_hidden, for_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        total = hidden.new_zeros(())
        rows = max(1, _AT_ONCE // len(weight))
        for start in range(0, len(hidden), rows):
            some, wanted = hidden[start : start + rows], targets[start : start + rows, None]
            logits = some @ weight.T
            whole = logits.logsumexp(1, keepdim=True)
            total += (whole - logits.gather(1, wanted)).sum()
            # From here on the gradient by the logits: the softmax, less one at the target.
            difference = logits.sub_(whole).exp_()
            difference.scatter_add_(1, wanted, difference.new_full(wanted.shape, -1.0))
            torch.mm(difference, weight, out=for_hidden[start : start + rows])
            for_weight.addmm_(difference.T, some)
        ctx.save_for_backward(for_hidden, for_weight)
        return total

    @staticmethod
    def backward(ctx: Any, by_total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * by_total, for_weight * by_total, None


def summed_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the negative log-likelihoods of tokens, with gradients for hidden states and weights.

    Parameters
    ----------
    hidden
        Last hidden states, [tokens, width], float32.
    weight
        The head's, [vocabulary, width].
    targets
        The tokens that follow, [tokens].

    Returns
    -------
    torch.Tensor
        A scalar, nats.
    """
    return _SummedLoss.apply(hidden, weight, targets)


def losses(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of each token, [tokens], nats, without gradients; arguments as for `summed_loss`."""
    rows = max(1, _AT_ONCE // len(weight))
    parts = []
    for start in range(0, len(hidden), rows):
        logits = hidden[start : start + rows] @ weight.T
        wanted = logits.gather(1, targets[start : start + rows, None])
        parts.append((logits.logsumexp(1, keepdim=True) - wanted).squeeze(1))
    return torch.cat(parts) if parts else hidden.new_zeros(0)


def likeliest(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function that finds the token with the largest logit for each row; on a CPU the first of equal ones.

    Parameters
    ----------
    weight
        The head's, [vocabulary, width].

    Returns
    -------
    Callable
        From last hidden states, [rows, width], to token ids, [rows].
    """
    parts = weight.split(_TOKENS_AT_ONCE)
    products = [product for part in parts if (product := packed_product(part))]
    if len(products) < len(parts):
        return lambda hidden: (hidden @ weight.T).argmax(1)

    def find(hidden: torch.Tensor) -> torch.Tensor:
        best, token = products[0](hidden).max(1)
        for number, product in enumerate(products[1:], start=1):
            largest, place = product(hidden).max(1)
            better = largest > best
            best = torch.where(better, largest, best)
            token = torch.where(better, place + number * _TOKENS_AT_ONCE, token)
        return token

    return find
