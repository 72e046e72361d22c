"""Control sets: random neurons that are as large and as changed as those of a set, in the same layers.

Each neuron of a set has candidates: the neurons of its layer that are nearest in the standardised logarithms of
`FEATURES`. A control takes one candidate of each neuron at random, and takes candidates more often that bring the mean
features to those of the set. Of `TRIES` such draws, the one whose mean features are nearest to the set's is kept. So
the part of an effect that features explain is the same in a set and in its controls.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bias_amplification.artifacts import StudyError
from bias_amplification.interventions.projections import Projection, read_projections
from bias_amplification.neurons.panel import layer_slices, read_keys, stream_batches

#: Columns of `INTERVENTION_UNITS` by which controls are matched.
FEATURES = ("weight_norm", "weight_change", "activation_change")
#: Candidates of a neuron; as many as the set has neurons in the layer if it has more.
NEAREST = 30
#: Draws of which the best balanced one becomes a control.
TRIES = 100
#: Weight of the squared tilt (see `_tilt`).
RIDGE = 0.05
#: Draws x neurons of a layer in memory at once.
AT_ONCE = 2**24


class Measured(NamedTuple):
    """All neurons of a version, and how large and how changed they are."""

    layer: np.ndarray
    """[neurons], ascending."""
    neuron: np.ndarray
    """[neurons], number within the layer."""
    features: np.ndarray
    """[neurons, 3]: `FEATURES`, as they are."""


class ModelFiles(NamedTuple):
    """A model whose neurons are measured."""

    folder: Path
    neurons: Path
    """Its table of schema `NEURONS`, for mean activations."""


def measure_neurons(version: ModelFiles, reference: ModelFiles, architecture: str) -> Measured:
    """Measure how large the neurons of a version are, and how much they changed since a reference model.

    Parameters
    ----------
    version, reference
        The models.
    architecture
        As for `architectures.find_architecture`.

    Returns
    -------
    Measured
        L2 norm of the incoming weights, L2 norm of their change, and absolute change of the mean output of the FFN.

    Raises
    ------
    StudyError
        If the two models, or their tables, have other layers or neurons.
    """
    layer, neuron = read_keys([version.neurons, reference.neurons])
    own, other = (read_projections(model.folder, architecture) for model in (version, reference))
    if {n: one.weight.shape for n, one in own.items()} != {n: one.weight.shape for n, one in other.items()}:
        raise StudyError(
            f"{version.folder} and {reference.folder} have projections of other sizes: neurons can be changed only "
            "between models of the same architecture."
        )
    norms = np.concatenate([_norms(one, None) for one in own.values()])
    if len(norms) != len(layer):
        raise StudyError(
            f"{version.neurons} has {len(layer)} neurons, but the model has {len(norms)}: delete the table and run "
            "snakemake again."
        )
    changes = np.concatenate([_norms(one, other[number]) for number, one in own.items()])
    means = np.concatenate(
        [b.values["activation_ffn"] for b in stream_batches([version.neurons, reference.neurons], ["activation_ffn"])],
        axis=1,
    )
    return Measured(layer, neuron, np.stack([norms, changes, np.abs(means[0] - means[1])], axis=1))


def _norms(own: Projection, other: Projection | None) -> np.ndarray:
    """Return the L2 norm of each neuron's incoming weights, or of their difference, float64."""
    weight = own.weight if other is None else own.weight - other.weight
    return weight.double().norm(dim=1).numpy()


def standardise(features: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Take logarithms, subtract the mean of each layer and divide by its standard deviation.

    Parameters
    ----------
    features
        [neurons, features], 0 or more. 0 counts as the smallest positive value of the feature.
    layer
        [neurons], ascending.

    Returns
    -------
    np.ndarray
        [neurons, features]; 0 where a value is not finite, or where a feature is the same in the whole layer.
    """
    positive = np.where(np.isfinite(features) & (features > 0), features, np.inf).min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.log(np.maximum(features, np.where(np.isfinite(positive), positive, 1.0)))
    scores = np.where(np.isfinite(scores), scores, np.nan)
    for place in layer_slices(layer):
        part = scores[place] - np.nan_to_num(_nan_mean(scores[place]))
        spread = np.sqrt(_nan_mean(np.square(part)))
        scores[place] = np.where(spread > 1e-12, part / np.where(spread > 1e-12, spread, 1.0), 0.0)
    return np.nan_to_num(scores)


def _nan_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over rows of the values that are known; 0 if none is."""
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def full_layer(chosen: np.ndarray, layer: np.ndarray) -> int | None:
    """Return the first layer with fewer other neurons than a set takes there, so that it has no control; else None."""
    taken, of = (np.bincount(numbers, minlength=layer.max() + 1) for numbers in (layer[chosen], layer))
    full = np.flatnonzero(of - taken < taken)
    return int(full[0]) if len(full) else None


def draw_controls(
    chosen: np.ndarray, layer: np.ndarray, scores: np.ndarray, number: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw the controls of a set.

    Parameters
    ----------
    chosen
        [units], places of the set's neurons among all neurons.
    layer
        [neurons], ascending.
    scores
        [neurons, features], from `standardise`.
    number
        Number of controls.
    generator
        Source of the draws.

    Returns
    -------
    np.ndarray
        [number, units], places among all neurons. Each control has as many neurons in each layer as the set, none of
        the set's, and none twice.

    Raises
    ------
    ValueError
        If a layer has too few other neurons (see `full_layer`).
    """
    if full_layer(chosen, layer) is not None:
        raise ValueError("a layer has fewer other neurons than the set takes there")
    order = generator.permutation(chosen)
    others = [_candidates(order[layer[order] == one], layer, scores) for one in np.unique(layer[order])]
    target = scores[chosen].mean(axis=0)
    tilt = _tilt([scores[free[places]] for free, places in others], target)
    widest = max(len(free) for free, _ in others)
    step = max(1, AT_ONCE // (TRIES * widest))
    controls = []
    for start in range(0, number, step):
        count = min(step, number - start)
        drawn = [free[_draw(places, scores[free] @ tilt, count * TRIES, generator)] for free, places in others]
        sets = np.concatenate(drawn, axis=1)  # [draws, units]
        far = np.square(scores[sets].mean(axis=1) - target).sum(axis=1).reshape(count, TRIES)
        controls.append(sets.reshape(count, TRIES, -1)[np.arange(count), far.argmin(axis=1)])
    return np.concatenate(controls)


def _candidates(units: np.ndarray, layer: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's neurons that are not in the set, and which of them are nearest to each of its units."""
    free = np.setdiff1d(np.flatnonzero(layer == layer[units[0]]), units)
    far = np.square(scores[free][None] - scores[units][:, None]).sum(axis=2)  # [units, free]
    return free, np.argsort(far, axis=1, kind="stable")[:, : max(NEAREST, len(units))]


def _tilt(candidates: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Return how much likelier candidates with larger features must be drawn, so that the mean is the set's.

    The neurons of a set may be the most changed ones, so that all their neighbours are less changed. If candidate c of
    each unit is drawn with a probability proportional to exp(tilt · c), the mean of the draws approaches the target
    (entropy balancing; Hainmueller, 2012). `RIDGE` keeps the tilt small, so that draws differ.

    Parameters
    ----------
    candidates
        [units, candidates, features] for each layer.
    target
        [features], mean of the set.
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    units = sum(map(len, candidates))

    def loss(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = RIDGE * tilt @ tilt / 2 - tilt @ target, RIDGE * tilt - target
        for one in candidates:
            weights = one @ tilt
            total = logsumexp(weights, axis=1, keepdims=True)
            value += total.sum() / units
            slope = slope + (np.exp(weights - total)[..., None] * one).sum(axis=(0, 1)) / units
        return value, slope

    return minimize(loss, np.zeros(len(target)), jac=True).x


def _draw(places: np.ndarray, weight: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draw a candidate for each unit, none twice.

    Parameters
    ----------
    places
        [units, candidates], at least as many candidates as units, or all free neurons.
    weight
        [free neurons], logarithm of how likely each is drawn.
    draws
        Number of independent draws.
    generator
        Source of the draws.

    Returns
    -------
    np.ndarray
        [draws, units], places among the free neurons.
    """
    # The smallest of such waiting times is each candidate's with the wanted probability. Rates must not become 0.
    rate = np.exp(np.maximum(weight - weight.max(initial=-np.inf), -700))
    taken = np.zeros((draws, len(weight)), dtype=bool)
    found = np.empty((draws, len(places)), dtype=np.int64)
    rows = np.arange(draws)
    for unit, candidates in enumerate(places):
        waiting = generator.standard_exponential(size=(draws, len(candidates)))
        waiting /= rate[candidates]
        waiting[taken[:, candidates]] = np.inf
        found[:, unit] = candidates[waiting.argmin(axis=1)]
        taken[rows, found[:, unit]] = True
    return found
