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

#: Logits computed at once, as a count of numbers. Products become faster with more rows up to about this size.
_AT_ONCE = 2**25

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


class _SummedLoss(torch.autograd.Function):
    """Summed cross-entropy of hidden states. The forward pass computes the gradients too, from the same logits."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        for_hidden, for_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        total = hidden.new_zeros(())
        rows = max(1, _AT_ONCE // len(weight))
        for start in range(0, len(hidden), rows):
            part, target = hidden[start : start + rows], targets[start : start + rows, None]
            logits = part @ weight.T
            normalizer = logits.logsumexp(1, keepdim=True)
            total += (normalizer - logits.gather(1, target)).sum()
            # The gradient with respect to the logits: the softmax, minus one at the target.
            gradient = logits.sub_(normalizer).exp_()
            gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0))
            torch.mm(gradient, weight, out=for_hidden[start : start + rows])
            for_weight.addmm_(gradient.T, part)
        ctx.save_for_backward(for_hidden, for_weight)
        return total

    @staticmethod
    def backward(ctx: Any, by_total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        for_hidden, for_weight = ctx.saved_tensors
        return for_hidden * by_total, for_weight * by_total, None


def summed_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the sum of the tokens' negative log-likelihoods, with gradients for hidden states and weights.

    Parameters
    ----------
    hidden
        Last hidden states, [tokens, width], float32.
    weight
        The output head's, [vocabulary, width].
    targets
        The token to predict from each hidden state, [tokens].

    Returns
    -------
    torch.Tensor
        A scalar, nats.
    """
    return _SummedLoss.apply(hidden, weight, targets)


def token_losses(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of each token, [tokens], nats, without gradients.

    The parameters are those of `summed_loss`.
    """
    rows = max(1, _AT_ONCE // len(weight))
    parts = []
    for start in range(0, len(hidden), rows):
        logits = hidden[start : start + rows] @ weight.T
        target_logits = logits.gather(1, targets[start : start + rows, None])
        parts.append((logits.logsumexp(1, keepdim=True) - target_logits).squeeze(1))
    return torch.cat(parts) if parts else hidden.new_zeros(0)


def likeliest(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that finds the token with the largest logit in each row.

    Of tokens with equal logits it returns the first on a CPU; a GPU may return any of them.

    Parameters
    ----------
    weight
        The output head's, [vocabulary, width].

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
            largest, position = product(hidden).max(1)
            better = largest > best
            best = torch.where(better, largest, best)
            token = torch.where(better, position + number * _TOKENS_AT_ONCE, token)
        return token

    return find
