"""Class probabilities of many texts, in batches of like length."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bias_amplification.artifacts import StudyError
from bias_amplification.measures.encoders import label_positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from bias_amplification.artifacts.checkpoint import Checkpoint


def tokenize(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of each text with its special tokens, cut to `max_tokens` in all."""
    if not texts:
        return []
    return tokenizer(list(texts), truncation=True, max_length=max_tokens, return_attention_mask=False)["input_ids"]


def predict_probabilities(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    max_tokens: int,
    batch_tokens: int,
    device: str = "cpu",
    checkpoint: "Checkpoint | None" = None,
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
    checkpoint
        Where what is done is kept, and found. The caller removes it.

    Returns
    -------
    np.ndarray
        Shape [texts, labels], float64, rows summing to 1.

    Raises
    ------
    StudyError
        If a probability is no number.
    """
    import torch

    from bias_amplification.batches import by_length, fill, pad
    from bias_amplification.language_model.device import choose_device
    from bias_amplification.language_model.packed import packed

    device = choose_device(device)
    token_ids = tokenize(tokenizer, texts, min(max_tokens, tokenizer.model_max_length))
    order = label_positions(model, labels)
    was_training = model.training
    model = model.eval().to(device)

    def compute(_number: int, batch: Sequence[int]) -> torch.Tensor:
        input_ids, mask = pad([token_ids[position] for position in batch], tokenizer.pad_token_id)
        # Without padding the mask says nothing, and attention is faster without it.
        attention = {} if bool(mask.all()) else {"attention_mask": mask.to(device)}
        logits = model(input_ids=input_ids.to(device), **attention).logits
        return torch.softmax(logits.double(), dim=-1)[:, order]

    with torch.inference_mode(), packed(model):
        probabilities = fill(
            torch.empty(len(texts), len(labels), dtype=torch.float64),
            by_length([len(ids) for ids in token_ids], batch_tokens),
            compute,
            checkpoint=checkpoint,
            key=(model, token_ids, order, device, torch.get_num_threads()),
        )
    model.train(was_training)
    if not bool(probabilities.isfinite().all()):
        raise StudyError(
            f"The classifier {model.config.name_or_path or 'that was trained'} gives probabilities that are no "
            "numbers: its weights are broken, make or fetch it anew."
        )
    return probabilities.numpy()
