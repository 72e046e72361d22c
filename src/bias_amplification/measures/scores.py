"""How well a classifier does on articles whose labels are known."""

from collections.abc import Mapping, Sequence

import numpy as np

from bias_amplification.measures.calibration import confusion, fit_temperature, reliability, temper


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
        `macro_f1`, `f1` (by label; 0 for a label that is neither true nor predicted), `accuracy`, `loss` (nats),
        `confusion` (see `confusion`) and `calibration` (see `reliability`).
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
        "confusion": confusion(probabilities, targets, labels),
        "calibration": reliability(probabilities, targets),
    }


def final_scores(
    probabilities: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], labels: Sequence[str]
) -> dict:
    """Score a classifier that is done on its validation and test texts, and the temperature that it wants.

    Parameters
    ----------
    probabilities, targets
        See `classification_scores`, for `validation` and `test`.
    labels
        Label names in the order of the columns.

    Returns
    -------
    dict
        `validation` and `test`: scores. `temperature`: fitted to the validation texts (see `fit_temperature`).
        `test_calibration`: what `reliability` finds on the test texts at that temperature.
    """
    temperature = fit_temperature(probabilities["validation"], targets["validation"])
    scores = {part: classification_scores(probabilities[part], targets[part], labels) for part in probabilities}
    tempered = temper(probabilities["test"], temperature)
    return scores | {"temperature": temperature, "test_calibration": reliability(tempered, targets["test"])}
