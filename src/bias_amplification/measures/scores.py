"""How well a classifier does on articles whose labels are known."""

from collections.abc import Sequence

import numpy as np


def classification_scores(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict:
    """Macro F1, F1 of each label, accuracy and mean cross-entropy.

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], positions in `labels`.
    labels
        Label names in the order of the columns.

    Returns
    -------
    dict
        `macro_f1`, `f1` (by label; 0 for a label that is neither true nor predicted), `accuracy`, `loss` (nats).
    """
    predicted = probabilities.argmax(axis=1)
    f1 = {}
    for index, label in enumerate(labels):
        hits = int(((predicted == index) & (targets == index)).sum())
        named = int((predicted == index).sum()) + int((targets == index).sum())
        f1[label] = 2 * hits / named if named else 0.0
    likelihood = np.clip(probabilities[np.arange(len(targets)), targets], np.finfo(np.float64).tiny, None)
    return {
        "macro_f1": float(np.mean(list(f1.values()))),
        "f1": f1,
        "accuracy": float((predicted == targets).mean()),
        "loss": float(-np.log(likelihood).mean()),
    }
