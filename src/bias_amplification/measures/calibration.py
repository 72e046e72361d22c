"""Whether a classifier is as sure as it is right: reliability, expected calibration error, temperature."""

import math
from collections.abc import Sequence

import numpy as np

#: Bins of equal width that reliability is told in.
BINS = 10

#: Range in which a temperature is sought: at its ends all is certain, or nothing.
_TEMPERATURES = (0.05, 20.0)


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> dict:
    """Compare how sure a classifier is of its answers with how often they are right (Guo et al., 2017, equation 3).

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], the true labels' columns.

    Returns
    -------
    dict
        `expected_error`: mean over texts of the distance between confidence and accuracy of the text's bin, a
        fraction. `bins`: one mapping a bin that has texts, with `low` and `high` end of its confidences, `texts`,
        `confidence` (mean of the largest probability) and `accuracy`.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    # A bin is closed above, as in the source; a confidence of 0 does not occur.
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in np.unique(place):
        chosen = place == number
        bins.append(
            {
                "low": int(number) / BINS,
                "high": (int(number) + 1) / BINS,
                "texts": int(chosen.sum()),
                "confidence": float(confidence[chosen].mean()),
                "accuracy": float(right[chosen].mean()),
            }
        )
    error = sum(row["texts"] * abs(row["accuracy"] - row["confidence"]) for row in bins) / len(targets)
    return {"expected_error": error, "bins": bins}


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Find the temperature at which a classifier's probabilities fit known labels best (Guo et al., 2017, section 4.2).

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], the true labels' columns.

    Returns
    -------
    float
        What the logits are divided by for the least cross-entropy, between 0.05 and 20: above 1 the classifier is too
        sure, below 1 not sure enough.
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        tempered = temper(probabilities, math.exp(logarithm))[np.arange(len(targets)), targets]
        return -float(np.log(np.clip(tempered, np.finfo(np.float64).tiny, None)).mean())

    ends = tuple(math.log(end) for end in _TEMPERATURES)
    return math.exp(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-4}).x)


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities that the same logits give when divided by a temperature.

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    temperature
        Above 0; 1 changes nothing.

    Returns
    -------
    np.ndarray
        Shape [texts, labels], rows summing to 1.
    """
    logits = np.log(np.clip(probabilities, np.finfo(np.float64).tiny, None)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def confusion(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict[str, list[int]]:
    """Count answers: for each true label how many texts are given each label, in the order of `labels`."""
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (targets, predicted), 1)
    return dict(zip(labels, counts.tolist(), strict=True))
