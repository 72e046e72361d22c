import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from bias_amplification.measures.scores import classification_scores


def test_scores_equal_those_of_scikit_learn():
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet([1.0, 1.0, 1.0], 200)
    targets = generator.integers(0, 3, 200)
    scores = classification_scores(probabilities, targets, ["x", "y", "z"])
    predicted = probabilities.argmax(axis=1)
    assert scores["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"), abs=1e-12)
    assert list(scores["f1"].values()) == pytest.approx(f1_score(targets, predicted, average=None), abs=1e-12)
    assert scores["accuracy"] == accuracy_score(targets, predicted)
    assert scores["loss"] == pytest.approx(log_loss(targets, probabilities), rel=1e-6)


def test_a_label_that_never_occurs_has_f1_zero():
    scores = classification_scores(np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([0, 0]), ["x", "y"])
    assert scores["f1"] == {"x": 1.0, "y": 0.0}
    assert scores["macro_f1"] == 0.5


def test_a_certain_error_has_a_finite_loss():
    assert np.isfinite(classification_scores(np.array([[1.0, 0.0]]), np.array([1]), ["x", "y"])["loss"])
