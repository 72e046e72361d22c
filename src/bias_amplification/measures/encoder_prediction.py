"""Label probabilities of many texts, computed in batches of similar length."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

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

    def predict(input_ids: torch.Tensor, mask: torch.Tensor, **attention: torch.Tensor) -> torch.Tensor:
        logits = classifier.model(input_ids=input_ids, **attention).logits
        return torch.softmax(logits.double(), dim=-1)[:, classifier.positions]

    token_ids = tokenize(classifier, texts, max_tokens)
    columns = len(classifier.labels)
    probabilities = over_batches(classifier, token_ids, columns, predict, compute, checkpoint, classifier.positions)
    if not np.isfinite(probabilities).all():
        raise StudyError(
            f"The classifier {classifier.model.config.name_or_path or 'that was trained'} gives probabilities that are "
            "not numbers, because its weights are broken: make or download it again."
        )
    return probabilities


def over_batches(
    classifier: TextClassifier,
    token_ids: Sequence[Sequence[int]],
    columns: int,
    of_batch: "Callable[..., torch.Tensor]",
    compute: JobCompute,
    checkpoint: Checkpoint | None,
    key: Any,
) -> np.ndarray:
    """Compute some numbers for each text with a classifier's encoder, in batches of texts of similar length.

    Parameters
    ----------
    classifier
        Its mode of training is restored.
    token_ids
        Token ids of each text.
    columns
        How many numbers each text has.
    of_batch
        Function of token ids and mask, both [texts, tokens], and of the keyword `attention_mask`, which a batch without
        padding does not have, because attention is faster without it. It returns [texts, columns].
    compute
        Device and largest number of tokens of a batch, padding included.
    checkpoint
        Where finished batches are saved. The caller removes it.
    key
        What the numbers depend on besides the model, the texts and the device.

    Returns
    -------
    np.ndarray
        Shape [texts, columns], float64.
    """
    import torch

    from bias_amplification.models.attention_masks import seeing_itself
    from bias_amplification.models.batches import by_length, fill, pad
    from bias_amplification.models.device import choose_device, products_in
    from bias_amplification.models.packed import packed

    device, model = choose_device(compute.device), classifier.model
    padding, was_training = classifier.tokenizer.pad_token_id, model.training
    model.eval().to(device)

    def compute_batch(_: Any, batch: Sequence[int]) -> torch.Tensor:
        input_ids, mask = (part.to(device) for part in pad([token_ids[row] for row in batch], padding))
        return of_batch(input_ids, mask, **({} if bool(mask.all()) else {"attention_mask": mask}))

    with torch.inference_mode(), products_in(compute.measuring, device), packed(model), seeing_itself(model):
        found = fill(
            torch.empty(len(token_ids), columns, dtype=torch.float64),
            by_length([len(ids) for ids in token_ids], compute.batch_tokens),
            compute_batch,
            checkpoint=checkpoint,
            key=(model, token_ids, key, device, compute.measuring, torch.get_num_threads()),
        )
    model.train(was_training)
    return found.numpy()
