"""Label probabilities of many texts, computed in batches of similar length."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.measures.encoders import TextClassifier
from bias_amplification.study.sections import JobCompute

if TYPE_CHECKING:
    import torch


def tokenize(classifier: TextClassifier, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return the token ids of each text with its special tokens.

    A text is cut to `max_tokens` tokens, or to the model's limit if that is lower (`TextClassifier.longest`).
    """
    if not texts:
        return []
    longest = classifier.longest(max_tokens)
    found = classifier.tokenizer(list(texts), truncation=True, max_length=longest, return_attention_mask=False)
    return found["input_ids"]


def predict_probabilities(
    classifier: TextClassifier,
    texts: Sequence[str],
    max_tokens: int,
    compute: JobCompute,
    checkpoint: Checkpoint | None = None,
) -> np.ndarray:
    """Return the probability of each label for each text.

    Parameters
    ----------
    classifier
        Its `labels` are the columns of the result.
    texts, max_tokens
        Texts, and the number of tokens that each is cut to, special tokens included.
    compute
        Device and largest number of tokens of a batch, padding included.
    checkpoint
        Where finished batches are saved. The caller removes it.

    Returns
    -------
    np.ndarray
        Shape [texts, labels], float64; rows sum to 1.

    Raises
    ------
    StudyError
        If a probability is not a finite number.
    """
    import torch

    from bias_amplification.models.batches import by_length, fill
    from bias_amplification.models.device import choose_device
    from bias_amplification.models.packed import packed

    device = choose_device(compute.device)
    model, token_ids = classifier.model, tokenize(classifier, texts, max_tokens)
    was_training = model.training
    model.eval().to(device)
    with torch.inference_mode(), packed(model):
        probabilities = fill(
            torch.empty(len(texts), len(classifier.labels), dtype=torch.float64),
            by_length([len(ids) for ids in token_ids], compute.batch_tokens),
            lambda _, batch: _predict_batch(classifier, [token_ids[position] for position in batch], device),
            checkpoint=checkpoint,
            key=(model, token_ids, classifier.positions, device, torch.get_num_threads()),
        )
    model.train(was_training)
    if not bool(probabilities.isfinite().all()):
        raise StudyError(
            f"The classifier {model.config.name_or_path or 'that was trained'} gives probabilities that are not "
            "numbers, because its weights are broken: make or download it again."
        )
    return probabilities.numpy()


def _predict_batch(classifier: TextClassifier, token_ids: Sequence[Sequence[int]], device: str) -> "torch.Tensor":
    """Return the probabilities of a batch, [texts, labels]."""
    import torch

    from bias_amplification.models.batches import pad

    input_ids, mask = pad(token_ids, classifier.tokenizer.pad_token_id)
    # Attention is faster without a mask, and a batch without padding needs none.
    attention = {} if bool(mask.all()) else {"attention_mask": mask.to(device)}
    logits = classifier.model(input_ids=input_ids.to(device), **attention).logits
    return torch.softmax(logits.double(), dim=-1)[:, classifier.positions]
