"""How often comparisons with controls are wrong if no set acts more than its controls do, in simulated studies.

A simulated study has the sets, controls and versions of the run, and the features of their neurons. Only what neurons
do is drawn: every neuron has an effect on each outcome, the same in all versions, and the effect of a set or a control
is the mean of its neurons' effects. So the simulation shows what it does to the tests that controls share neurons with
each other but none with the set, that versions share sets, and that the features of a set and of its controls differ.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bias_amplification.interventions.place import family_p_values, place_among
from bias_amplification.measures.intervals import ALPHA
from bias_amplification.neurons.calibrate import is_valid, share_of_studies

#: Simulated studies in each world. A rate of 5% is then known to 0.7 points.
STUDIES = 1_000
#: Levels at which the p-values of single comparisons are counted.
LEVELS = (ALPHA, 0.2, 0.5)


class World(NamedTuple):
    """What neurons do."""

    explained: float = 0.0
    """Share of the variance of neurons' effects that their features explain."""
    acting: float = 1.0
    """Share of the neurons that have an effect beyond what features explain."""


WORLDS = {
    "independent": World(),
    "half_explained": World(explained=0.5),
    "mostly_explained": World(explained=0.9),
    "few_act": World(acting=0.1),
}
#: The worlds that decide whether verdicts are valid. The other one shows what happens at worst: effects have a sign,
#: which the size and the change of neurons hardly explain.
DECIDING = ("independent", "half_explained", "few_act")


class Comparison(NamedTuple):
    """A set and an outcome that conclusions are about."""

    outcome: str
    members: Sequence[np.ndarray]
    """For each version [1 + controls, units]: a number for each neuron, the same in all versions."""
    features: Sequence[np.ndarray]
    """For each version [1 + controls, units, features]: the features of these neurons."""
    spreads: Sequence[float]
    """For each version the standard deviation of the controls' effects."""
    inflation: float
    """From `place.inflation`."""
    step: float
    """The change of an effect if one article changes."""


def calibrate_comparisons(tests: Sequence[Comparison], seed: int, studies: int = STUDIES) -> list[dict[str, Any]]:
    """Count how often the run's comparisons are wrong in simulated studies.

    Parameters
    ----------
    tests
        The comparisons that one error rate is for, with the same number of controls; may be empty.
    seed
        Of the draws.
    studies
        Number of simulated studies in each world.

    Returns
    -------
    list of dict
        Rows of `artifacts.schemas.INTERVENTION_CALIBRATION`; none without comparisons.
    """
    rows = []
    for place, (name, world) in enumerate(WORLDS.items() if tests else ()):
        values = simulate_values(tests, world, studies, np.random.default_rng([seed, place]))
        rows += [{"world": name, "comparisons": len(tests)} | row for row in _count_wrong(tests, values)]
    return rows


def simulate_values(
    tests: Sequence[Comparison], world: World, studies: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw the effects of sets and controls.

    The effects of controls have the run's standard deviation in each version; 1 if all of the run's controls have the
    same effect.

    Parameters
    ----------
    tests
        The comparisons.
    world
        What neurons do.
    studies
        Number of studies.
    generator
        Source of the draws.

    Returns
    -------
    np.ndarray
        [studies, tests, 1 + controls].
    """
    units = np.unique(np.concatenate([members.ravel() for test in tests for members in test.members]))
    weights, noise = {}, {}
    for outcome in dict.fromkeys(test.outcome for test in tests):
        weights[outcome] = generator.normal(size=(studies, tests[0].features[0].shape[2]))
        drawn = generator.normal(size=(studies, len(units)))
        acting = generator.random(drawn.shape) < world.acting if world.acting < 1 else 1.0
        noise[outcome] = drawn * acting / np.sqrt(world.acting)
    values = []
    for test in tests:
        by_version = []
        for members, features, spread in zip(test.members, test.features, _known_spreads(test), strict=True):
            shares = np.zeros((len(members), len(units)))
            rows = np.repeat(np.arange(len(members)), members.shape[1])
            np.add.at(shares, (rows, np.searchsorted(units, members.ravel())), 1 / members.shape[1])
            own = np.sqrt(1 - world.explained) * (noise[test.outcome] @ shares.T)
            own += np.sqrt(world.explained) * _explained(members, features, weights[test.outcome])
            between = np.sqrt(own[:, 1:].var(axis=1, ddof=1).mean())
            by_version.append(own * (spread / between if between > 0 else 1.0))
        values.append(np.mean(by_version, axis=0))
    return np.stack(values, axis=1)


def _known_spreads(test: Comparison) -> np.ndarray:
    """Return the spread of the controls in each version; 1 in all of them if it is 0 in all of them."""
    spreads = np.nan_to_num(np.asarray(test.spreads, dtype=np.float64))
    return spreads if spreads.any() else np.ones(len(spreads))


def _explained(members: np.ndarray, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the means of what features explain, scaled so that it has variance 1 between neurons.

    Parameters
    ----------
    members, features
        As in `Comparison`, of one version.
    weights
        [studies, features], how much each feature counts.

    Returns
    -------
    np.ndarray
        [studies, 1 + controls].
    """
    _, first = np.unique(members.ravel(), return_index=True)
    each = features.reshape(-1, features.shape[2])[first]  # [neurons, features]
    deviation = (weights @ each.T).std(axis=1)
    means = weights @ features.mean(axis=1).T
    return np.divide(means, deviation[:, None], out=np.zeros_like(means), where=deviation[:, None] > 0)


def _count_wrong(tests: Sequence[Comparison], values: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield what is wrong how often: [studies, tests, 1 + controls] are the effects."""
    factors = np.array([test.inflation for test in tests])
    # Without a spread in the run, effects have another scale than steps.
    steps = np.array([test.step if np.nan_to_num(test.spreads).any() else 0.0 for test in tests])
    places = [[place_among(*one) for one in zip(study, factors, steps, strict=True)] for study in values]
    p_values = np.array([[place.p_value for place in study] for study in places])
    missed = np.array([[place.low > 0 or place.high < 0 for place in study] for study in places])
    for level in LEVELS:
        yield {"claim": "comparison", "level": level} | _rate(p_values <= level, level)
    yield {"claim": "interval", "level": ALPHA} | _rate(missed, ALPHA)
    smallest = np.array([np.nanmin(family_p_values(study, factors, steps)) for study in values])
    yield {"claim": "family", "level": ALPHA} | share_of_studies(smallest <= ALPHA, ALPHA)


def _rate(wrong: np.ndarray, level: float) -> dict[str, Any]:
    """Return how often comparisons are wrong, [studies, tests], with the error between studies."""
    shares = wrong.mean(axis=1)
    rejected, error = float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))
    valid = is_valid(rejected, error, level)
    return {"studies": len(shares), "rejected": rejected, "standard_error": error, "valid": valid}
