"""Prediction of a held-out round, or replicate, from neurons that are chosen on the others.

For each held-out round, the neurons whose changes correlate most with an outcome's, in absolute value, are chosen on
the other rounds. An outcome's change in the held-out round is predicted by the sum over the chosen neurons of the slope
on the neuron, estimated on the other rounds, times the neuron's change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bias_amplification.neurons.halves import Changes, Layout, centred, constants

#: Permutations x neurons of one block, so that its arrays stay small.
BLOCK = 2**20

#: Fewest rows of a held-out round: with two, every correlation is 1 or -1.
FEWEST_ROWS = 3

#: Share of a neuron's changes that must be left after centring; less is rounding.
CHANGING = 1e-12


def predict_held_out(
    neurons: np.ndarray, outcomes: Sequence[Changes], layout: Layout, centre: str, chosen: int
) -> np.ndarray:
    """Correlate predicted and actual changes of held-out rounds or replicates.

    Parameters
    ----------
    neurons
        [rows, neurons], changes of the neurons.
    outcomes
        Bias and quality.
    layout
        The rows and their units.
    centre
        As for `halves.constants`. The rounds on which neurons are chosen are centred together. The changes of the
        held-out round are centred with all others: with "both", they are what the round does beyond them.
    chosen
        Number of neurons that are chosen.

    Returns
    -------
    np.ndarray
        [2, 2, permutations]: the outcome for which the neurons are chosen, and the outcome that is predicted. Means
        over the held-out units; NaN if no unit has a correlation.
    """
    many = len(outcomes[0].values)
    total, count = np.zeros((2, 2, many)), np.zeros((2, 2, many))
    whole = _whole_study(neurons, outcomes, layout, centre)
    length = max(1, BLOCK // max(1, neurons.shape[1]))
    for unit in np.unique(layout.unit[layout.unit >= 0]):
        held = layout.unit == unit
        others = _fit(neurons, outcomes, ~held, layout, centre)
        tests = [one.only(held) for one in whole]
        for start in range(0, many, length):
            block = slice(start, start + length)
            effects = [one.outcome[block] @ one.neurons for one in others]
            for source, one in enumerate(others):
                strongest = _strongest(effects[source], one.inverse, chosen)
                # No neuron can be chosen for an outcome that does not change.
                changing = one.outcome[block].any(axis=1)
                for target, test in enumerate(tests):
                    slopes = np.take_along_axis(effects[target], strongest, axis=1) * others[target].inverse[strongest]
                    r = _correlate(slopes, test.neurons.T[strongest], test.outcome[block])
                    known = np.isfinite(r) & changing
                    total[source, target, block] += np.where(known, r, 0.0)
                    count[source, target, block] += known
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


@dataclass(frozen=True)
class _Rows:
    """Changes of the neurons and of an outcome in some rows."""

    places: np.ndarray
    """Indices of the rows."""
    neurons: np.ndarray
    """[rows, neurons]."""
    outcome: np.ndarray
    """[permutations, rows], centred."""
    inverse: np.ndarray
    """[neurons], 1 over the sum of the squares of the centred changes; 0 for a neuron that does not change."""

    def only(self, held: np.ndarray) -> "_Rows":
        """Return the held-out rows."""
        mine = held[self.places]
        return replace(self, places=self.places[mine], neurons=self.neurons[mine], outcome=self.outcome[:, mine])


def _whole_study(neurons: np.ndarray, outcomes: Sequence[Changes], layout: Layout, centre: str) -> list[_Rows]:
    """Centre all rows together, for each outcome."""
    fits = _fit(neurons, outcomes, np.ones(len(layout.unit), dtype=bool), layout, centre)
    found = []
    for one in fits:
        basis = constants(layout, one.places, centre)
        found.append(replace(one, neurons=one.neurons - basis @ (basis.T @ one.neurons)))
    return found


def _fit(
    neurons: np.ndarray, outcomes: Sequence[Changes], chosen: np.ndarray, layout: Layout, centre: str
) -> list[_Rows]:
    """Prepare the slopes of the outcomes on every neuron in the chosen [rows].

    The neurons are not centred: their products with a centred outcome are the same.
    """
    found: list[_Rows] = []
    for outcome in outcomes:
        places, values = centred(outcome, chosen, layout, centre)
        if found and np.array_equal(found[0].places, places):
            found.append(replace(found[0], outcome=values))
            continue
        mine = neurons[places]
        explained = constants(layout, places, centre).T @ mine
        size = np.einsum("rn,rn->n", mine, mine)
        squares = size - np.einsum("cn,cn->n", explained, explained)
        inverse = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > CHANGING * size)
        found.append(_Rows(places, mine, values, inverse))
    return found


def _strongest(effects: np.ndarray, inverse: np.ndarray, chosen: int) -> np.ndarray:
    """Return the indices of the neurons with the largest correlations: [permutations, chosen]."""
    size = np.square(effects)
    size *= inverse
    first = size.shape[1] - chosen
    return np.argpartition(size, first, axis=1)[:, first:]


def _correlate(slopes: np.ndarray, neurons: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Correlate the predictions by the chosen neurons with the outcome: [permutations], NaN without a value.

    `slopes` are [permutations, chosen], `neurons` [permutations, chosen, rows], `actual` [permutations, rows].
    """
    if actual.shape[1] < FEWEST_ROWS:
        return np.full(len(actual), np.nan)
    predicted = np.matmul(slopes[:, None, :], neurons)[:, 0]
    size = np.square(predicted).sum(axis=1) * np.square(actual).sum(axis=1)
    product = (predicted * actual).sum(axis=1)
    return np.divide(product, np.sqrt(size), out=np.full(len(size), np.nan), where=size > 0)
