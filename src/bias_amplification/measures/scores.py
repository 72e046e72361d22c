"""Scores of a classifier on texts whose labels are known."""

from collections.abc import Mapping, Sequence

import numpy as np

from bias_amplification.measures.calibration import confusion, fit_temperature, reliability, temper


def classification_scores(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict:
    """Return macro F1, F1 of each label, accuracy, mean cross-entropy, confusion matrix and calibration.

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], true labels as positions in `labels`.
    labels
        Label names in the order of the columns.

    Returns
    -------
    dict
        `macro_f1`; `f1` by label, 0 for a label that is neither true nor predicted; `accuracy`; `loss` in nats;
        `confusion` (see `confusion`); `calibration` (see `reliability`).
    """
    predicted = probabilities.argmax(axis=1)
    f1 = {}
    for index, label in enumerate(labels):
        hits = int(((predicted == index) & (targets == index)).sum())
        total = int((predicted == index).sum()) + int((targets == index).sum())
        f1[label] = 2 * hits / total if total else 0.0
    likelihood = np.clip(probabilities[np.arange(len(targets)), targets], np.finfo(np.float64).tiny, None)
    return {
        "macro_f1": float(np.mean(list(f1.values()))),
        "f1": f1,
        "accuracy": float((predicted == targets).mean()),
        "loss": float(-np.log(likelihood).mean()),
        "confusion": confusion(probabilities, targets, labels),
        "calibration": reliability(probabilities, targets),
    }


def final_scores(
    probabilities: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], labels: Sequence[str]
) -> dict:
    """Score a trained classifier on validation and test texts, and fit its temperature.

    Parameters
    ----------
    probabilities, targets
        See `classification_scores`, for `validation` and `test`.
    labels
        Label names in the order of the columns.

    Returns
    -------
    dict
        `validation` and `test`: results of `classification_scores`. `temperature`: fitted to the validation texts (see
        `fit_temperature`). `test_calibration`: result of `reliability` on the test texts at that temperature.
    """
    temperature = fit_temperature(probabilities["validation"], targets["validation"])
    scores = {part: classification_scores(probabilities[part], targets[part], labels) for part in probabilities}
    tempered = temper(probabilities["test"], temperature)
    return scores | {"temperature": temperature, "test_calibration": reliability(tempered, targets["test"])}
