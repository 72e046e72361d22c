"""Calibration of a classifier: whether its confidence agrees with its accuracy."""

import math
from collections.abc import Sequence

import numpy as np

#: Number of confidence bins, of equal width.
BINS = 10

#: Range of fitted temperatures. At the low end predictions are certain, at the high end uniform.
_TEMPERATURES = (0.05, 20.0)


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> dict:
    """Compare the confidence of a classifier with its accuracy (Guo et al., 2017, equation 3).

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], columns of the true labels.

    Returns
    -------
    dict
        `expected_error`: the expected calibration error, that is the mean over texts of the absolute difference between
        confidence and accuracy of the text's bin, a fraction. `bins`: a mapping for each bin with texts, with `low` and
        `high` end of its confidences, number of `texts`, `confidence` (mean of the largest probability) and
        `accuracy`.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    # A bin includes its upper end, as in the source. The largest probability is never 0.
    bin_of_text = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in np.unique(bin_of_text):
        chosen = bin_of_text == number
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
    """Find the temperature that fits a classifier's probabilities best to known labels (Guo et al., 2017, section 4.2).

    Parameters
    ----------
    probabilities
        Shape [texts, labels], rows summing to 1.
    targets
        Shape [texts], columns of the true labels.

    Returns
    -------
    float
        The divisor of the logits with the lowest cross-entropy, between 0.05 and 20. It is above 1 for an overconfident
        classifier and below 1 for an underconfident one.
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        tempered = temper(probabilities, math.exp(logarithm))[np.arange(len(targets)), targets]
        return -float(np.log(np.clip(tempered, np.finfo(np.float64).tiny, None)).mean())

    ends = tuple(math.log(end) for end in _TEMPERATURES)
    return math.exp(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-4}).x)


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits behind probabilities by a temperature, and return the new probabilities.

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
    """Return the confusion matrix.

    Parameters
    ----------
    probabilities
        Shape [texts, labels].
    targets
        Shape [texts], columns of the true labels.
    labels
        Label names in the order of the columns.

    Returns
    -------
    dict
        For each true label, the number of texts that are predicted to have each label, in the order of `labels`.
    """
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (targets, predicted), 1)
    return dict(zip(labels, counts.tolist(), strict=True))
