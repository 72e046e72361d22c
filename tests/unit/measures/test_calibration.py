import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from bias_amplification.measures.calibration import confusion, fit_temperature, reliability, temper


@pytest.fixture
def overconfident():
    """Probabilities from twice the true logits of three labels, and labels drawn by the true ones."""
    generator = np.random.default_rng(3)
    logits = generator.normal(0, 1.5, (4000, 3))
    targets = np.array([generator.choice(3, p=row) for row in softmax(logits, axis=1)])
    return softmax(2 * logits, axis=1), targets


def test_reliability_equals_the_calibration_curve_of_scikit_learn(overconfident):
    probabilities, targets = overconfident
    found = reliability(probabilities, targets)

    right, confidence = probabilities.argmax(axis=1) == targets, probabilities.max(axis=1)
    accuracy, mean = calibration_curve(right, confidence, n_bins=10)
    assert [row["accuracy"] for row in found["bins"]] == pytest.approx(accuracy.tolist(), abs=1e-12)
    assert [row["confidence"] for row in found["bins"]] == pytest.approx(mean.tolist(), abs=1e-12)
    weights = np.array([row["texts"] for row in found["bins"]]) / len(targets)
    assert found["expected_error"] == pytest.approx(float((weights * abs(accuracy - mean)).sum()), abs=1e-12)
    assert all(row["low"] < row["confidence"] <= row["high"] for row in found["bins"])


def test_a_bin_includes_its_upper_end():
    found = reliability(np.array([[0.6, 0.4], [0.61, 0.39], [1.0, 0.0]]), np.array([0, 1, 0]))
    assert [(row["low"], row["texts"], row["accuracy"]) for row in found["bins"]] == [
        (0.5, 1, 1),
        (0.6, 1, 0),
        (0.9, 1, 1),
    ]
    assert found["expected_error"] == pytest.approx((0.4 + 0.61 + 0.0) / 3)


def test_the_gradient_of_the_cross_entropy_is_zero_at_the_temperature(overconfident):
    probabilities, targets = overconfident
    logits = np.log(probabilities)

    def slope(temperature: float) -> float:
        """Derivative by 1 / temperature: expected mean logit minus observed mean logit."""
        expected = (softmax(logits / temperature, axis=1) * logits).sum(axis=1)
        return float((expected - logits[np.arange(len(targets)), targets]).mean())

    temperature = fit_temperature(probabilities, targets)
    assert temperature == pytest.approx(brentq(slope, 0.5, 10), rel=1e-3)
    assert 1.8 < temperature < 2.2
    tempered = temper(probabilities, temperature)
    assert reliability(tempered, targets)["expected_error"] < reliability(probabilities, targets)["expected_error"] / 3


def test_tempering_divides_the_logits():
    logits = np.array([[1.0, -2.0, 0.5], [700.0, 0.0, -700.0]])
    probabilities = softmax(logits, axis=1)
    assert temper(probabilities, 1.0) == pytest.approx(probabilities, abs=1e-15)
    assert temper(probabilities[:1], 2.5) == pytest.approx(softmax(logits[:1] / 2.5, axis=1), abs=1e-12)
    assert np.isfinite(temper(probabilities, 20.0)).all()


def test_certain_predictions_have_a_finite_temperature():
    certain = np.eye(2)[[0, 1, 0, 1]]
    assert 0.04 < fit_temperature(certain, np.array([0, 1, 0, 1])) <= 20
    assert fit_temperature(certain, np.array([1, 0, 1, 0])) == pytest.approx(20, rel=1e-2)


def test_the_confusion_matrix_equals_that_of_scikit_learn(overconfident):
    probabilities, targets = overconfident
    found = confusion(probabilities, targets, ["a", "b", "c"])
    assert list(found.values()) == confusion_matrix(targets, probabilities.argmax(axis=1)).tolist()
    assert list(found) == ["a", "b", "c"]
