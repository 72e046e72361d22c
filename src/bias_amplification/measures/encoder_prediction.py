"""Class probabilities of many texts, in batches of like length."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bias_amplification.measures.encoders import label_positions

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def tokenize(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of each text with its special tokens, cut to `max_tokens` in all."""
    if not texts:
        return []
    return tokenizer(list(texts), truncation=True, max_length=max_tokens, return_attention_mask=False)["input_ids"]


def pad(token_ids: Sequence[Sequence[int]], padding: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Token ids and attention mask, both [texts, longest], padded at the end."""
    import torch

    lengths = torch.tensor([len(ids) for ids in token_ids])
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    padded = torch.full(mask.shape, padding)
    padded[mask] = torch.tensor([token for ids in token_ids for token in ids])
    return padded, mask.long()


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Positions of texts, shortest first, in batches of at most `batch_tokens` tokens with padding.

    A text longer than `batch_tokens` makes a batch of its own.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[position] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def predict_probabilities(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    max_tokens: int,
    batch_tokens: int,
    device: str = "cpu",
) -> np.ndarray:
    """Probability of each label for each text.

    Parameters
    ----------
    model, tokenizer
        A classifier whose `id2label` holds `labels` in any order.
    texts
        Texts, cut to their first `max_tokens` tokens.
    labels
        Names, in the order of the wanted columns.
    max_tokens
        Tokens of a text at most, special ones included; the model's own limit holds besides.
    batch_tokens
        Tokens of a batch at most, padding included. Changes speed and memory alone.
    device
        Where to compute: `auto` (CUDA if there), `cpu` or `cuda`.

    Returns
    -------
    np.ndarray
        Shape [texts, labels], float64, rows summing to 1.
    """
    import torch

    from bias_amplification.language_model.device import choose_device

    device = choose_device(device)
    token_ids = tokenize(tokenizer, texts, min(max_tokens, tokenizer.model_max_length))
    probabilities = np.empty((len(texts), len(labels)))
    order = label_positions(model, labels)
    was_training = model.training
    model = model.eval().to(device)
    with torch.inference_mode():
        for batch in batches_by_length([len(ids) for ids in token_ids], batch_tokens):
            input_ids, mask = pad([token_ids[position] for position in batch], tokenizer.pad_token_id)
            # Without padding the mask says nothing, and attention is faster without it.
            attention = {} if bool(mask.all()) else {"attention_mask": mask.to(device)}
            logits = model(input_ids=input_ids.to(device), **attention).logits
            probabilities[batch] = torch.softmax(logits.double(), dim=-1)[:, order].cpu().numpy()
    model.train(was_training)
    return probabilities
