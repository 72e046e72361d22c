"""Predictions of held-out rounds, against plain loops."""

import numpy as np
import pytest
from test_halves import MANY, centre_by_hand, draw, list_outcomes

from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.halves import Changes, lay_out
from bias_amplification.neurons.held_out import predict_held_out


def predict_by_hand(x, source, target, rows, unit, centre, chosen):
    """Choose neurons for one outcome and predict another, in each held-out unit: the mean correlation."""
    steps, found = rows.take(x), []
    changes = [rows.take(one) for one in (source, target)]
    for one in sorted(set(unit)):
        correlations, slopes = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for outcome, into in zip(changes, ("correlation", "slope"), strict=True):
            mine = np.flatnonzero((unit != one) & np.isfinite(outcome))
            y = centre_by_hand(outcome[mine], rows.group[mine], rows.time[mine], centre)
            for neuron in range(x.shape[1]):
                z = centre_by_hand(steps[mine, neuron], rows.group[mine], rows.time[mine], centre)
                if into == "slope":
                    slopes[neuron] = (z @ y) / (z @ z) if z @ z > 1e-9 else 0
                elif z @ z > 1e-9:
                    correlations[neuron] = np.corrcoef(z, y)[0, 1]
        strongest = np.argsort(-np.abs(correlations))[:chosen]
        everything = np.flatnonzero(np.isfinite(changes[1]))
        held = unit[everything] == one
        if held.sum() < 3:
            continue
        z, y = (
            centre_by_hand(values[everything], rows.group[everything], rows.time[everything], centre)[held]
            for values in (steps, changes[1])
        )
        predicted = sum(slopes[neuron] * z[:, neuron] for neuron in strongest)
        found.append(predicted @ y / np.sqrt((predicted @ predicted) * (y @ y)))
    return np.mean(found)


@pytest.mark.parametrize("centre", ["rounds", "both"])
@pytest.mark.parametrize(("shape", "missing"), [((4, 6, 1), False), ((5, 6, 1), True), ((3, 5, 2), False)])
def test_predictions_are_those_of_plain_loops(centre, shape, missing):
    outcomes = list_outcomes(*shape)
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes)
    if missing:
        pair[0][:, 3] = np.nan
        # Of the second round, no row is left.
        pair[1][:, 7:11] = np.nan
        # A neuron that changes in one round only has no slope when this round is held out.
        x[:, 4] = 0.1
        x[6:12, 4] = np.arange(6) ** 2

    found = predict_held_out(rows.take(x), [Changes.of(one, rows) for one in pair], layout, centre, 3)

    unit = np.array(outcomes.versions.replicates if shape[2] > 1 else outcomes.versions.strategies)[rows.after]
    for source, target, p in np.ndindex(2, 2, MANY):
        expected = predict_by_hand(x, pair[source][p], pair[target][p], rows, unit, centre, 3)
        assert found[source, target, p] == pytest.approx(expected, abs=1e-10)


def test_blocks_of_permutations_give_the_same(monkeypatch):
    outcomes = list_outcomes()
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes)
    changes = [Changes.of(one, rows) for one in pair]
    whole = predict_held_out(rows.take(x), changes, layout, "both", 4)

    monkeypatch.setattr("bias_amplification.neurons.held_out.BLOCK", 2 * x.shape[1])

    np.testing.assert_allclose(predict_held_out(rows.take(x), changes, layout, "both", 4), whole, atol=1e-12)


def test_an_outcome_that_never_changes_is_not_predicted():
    outcomes = list_outcomes()
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes)
    pair[0] = 2.5

    found = predict_held_out(rows.take(x), [Changes.of(one, rows) for one in pair], layout, "both", 4)

    assert np.isnan(found[:, 0]).all() and np.isnan(found[0]).all()
    assert np.isfinite(found[1, 1]).all()
