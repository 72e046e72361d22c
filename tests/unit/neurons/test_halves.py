"""Effects in halves of a study, against plain loops over splits and neurons."""

from itertools import combinations

import numpy as np
import pytest

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.halves import Changes, constants, correlate_halves, lay_out, list_splits
from bias_amplification.neurons.panel import Outcomes

#: Permutations of the small studies.
MANY = 3


def list_outcomes(rounds=4, generations=6, replicates=1):
    """Name the versions of a study; `replicates` is a number, or one number for each round."""
    numbers = [replicates] * rounds if isinstance(replicates, int) else replicates
    names = [(f"r{i}", k + 1) for i in range(rounds) for k in range(numbers[i]) for _ in range(generations)]
    chains = [f"{name}/{k}" for name, k in names]
    generations = [*range(generations)] * sum(numbers)
    return Outcomes(Versions(chains, generations, *zip(*names, strict=True), ["s"] * len(chains)), {})


def draw(outcomes, neurons=9, seed=0):
    """Draw neurons [versions, neurons], and bias and quality under permutations, each [permutations, versions]."""
    generator = np.random.default_rng(seed)
    many = len(outcomes.versions.strategies)
    return generator.normal(size=(many, neurons)), generator.normal(size=(2, MANY, many)).cumsum(axis=2)


def centre_by_hand(values, chain, generation, centre):
    """Return the residuals of a least-squares fit on a constant for each series, and for each generation."""
    factors = [chain, generation] if centre == "both" and len(set(chain)) > 1 else [chain]
    dummies = np.column_stack([factor == one for factor in factors for one in sorted(set(factor))]).astype(float)
    return values - dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]


def effects(x, y, rows, centre, chosen):
    """Return the effect of each neuron on one outcome in some rows."""
    steps, changes = rows.take(x), rows.take(y)
    length = np.sqrt(np.square(centre_by_hand(steps, rows.group, rows.time, centre)).sum(axis=0))
    mine = np.flatnonzero(chosen & np.isfinite(changes))
    scaled = centre_by_hand((steps / length)[mine], rows.group[mine], rows.time[mine], centre)
    centred = centre_by_hand(changes[mine], rows.group[mine], rows.time[mine], centre)
    if np.abs(centred).max() < 1e-9:  # rounds without a generation in common
        return np.full(x.shape[1], np.nan)
    return np.array([sum(scaled[:, place] * centred) for place in range(x.shape[1])])


def products(x, rows, layout, centre):
    steps = rows.take(x)
    basis = constants(layout, np.arange(len(steps)), centre)
    steps = steps / np.linalg.norm(steps - basis @ basis.T @ steps, axis=0)
    steps -= steps.mean(axis=1, keepdims=True)
    return steps @ steps.T


@pytest.mark.parametrize("centre", ["rounds", "both"])
@pytest.mark.parametrize(("shape", "missing"), [((4, 6, 1), False), ((5, 6, 1), True), ((3, 6, 3), True)])
def test_correlations_between_halves_are_those_of_plain_loops(centre, shape, missing):
    outcomes = list_outcomes(*shape)
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes)
    if missing:
        pair[0][:, [3, 13]] = np.nan
        pair[1][:, [8, 19, 20]] = np.nan

    found = correlate_halves(products(x, rows, layout, centre), [Changes.of(one, rows) for one in pair], layout, centre)

    units = outcomes.versions.replicates if shape[2] > 1 else outcomes.versions.strategies
    unit = np.array(units)[rows.after]
    names = sorted(set(unit))
    expected = {name: [[] for _ in range(MANY)] for name in ("bias", "quality", "both", "bias alone", "quality alone")}
    for half in combinations(names, len(names) // 2):
        if 2 * len(half) == len(names) and half[0] != names[0]:
            continue
        first = np.isin(unit, half)
        for p in range(MANY):
            ends = [
                [effects(x, one[place], rows, centre, chosen) for one in pair for place in (p, 0)]
                for chosen in (first, ~first)
            ]  # [half][bias, bias as it is, quality, quality as it is]
            for name, pairs in {
                "bias": [(0, 0)],
                "quality": [(2, 2)],
                "both": [(0, 2), (2, 0)],
                "bias alone": [(0, 3), (3, 0)],
                "quality alone": [(1, 2), (2, 1)],
            }.items():
                expected[name][p] += [np.corrcoef(ends[0][one], ends[1][other])[0, 1] for one, other in pairs]
    means = {name: np.nanmean(values, axis=1) for name, values in expected.items()}
    np.testing.assert_allclose(found.bias, means["bias"], atol=1e-10)
    np.testing.assert_allclose(found.quality, means["quality"], atol=1e-10)
    np.testing.assert_allclose(found.cross, [means["both"], means["bias alone"], means["quality alone"]], atol=1e-10)


def test_what_all_rounds_share_does_not_reproduce_itself():
    outcomes = list_outcomes(6, 6)
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes, neurons=40)
    shared = np.random.default_rng(1).normal(size=(6, 41)) * 5
    steps = np.tile(shared.cumsum(axis=0), (6, 1))
    trends = pair + steps[:, 40]

    def measure(x, pair, centre):
        # The neurons' lengths are those without the trend, so that only the effects differ.
        z = rows.take(x) / np.linalg.norm(rows.take(own), axis=0)
        z -= z.mean(axis=1, keepdims=True)
        return correlate_halves(z @ z.T, [Changes.of(one, rows) for one in pair], layout, centre)

    own = x
    without, having = (measure(*study, "both") for study in ((x, pair), (x + steps[:, :40], trends)))
    rounds_only = measure(x + steps[:, :40], trends, "rounds")

    np.testing.assert_allclose(having.bias, without.bias, atol=1e-9)
    np.testing.assert_allclose(having.cross, without.cross, atol=1e-9)
    assert rounds_only.bias.min() > 0.9


@pytest.mark.parametrize(("units", "count"), [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 10), (6, 10), (10, 126)])
def test_each_split_into_halves_is_listed_once(units, count):
    splits = list_splits(units, seed=0)

    seen = {frozenset((frozenset(np.flatnonzero(one)), frozenset(np.flatnonzero(~one)))) for one in splits}
    assert len(splits) == len(seen) == count
    assert all(one.sum() == units // 2 for one in splits)


def test_splits_of_many_rounds_are_sampled_without_repetition():
    splits, again = list_splits(14, seed=3), list_splits(14, seed=3)

    assert len({tuple(one) for one in splits}) == len(splits) == 200
    assert np.array_equal(splits, again)
    assert all(one.sum() == 7 and one[0] for one in splits)


@pytest.mark.parametrize(
    ("rounds", "replicates", "by", "splits"),
    [
        (3, 1, "rounds", 0),
        (4, 1, "rounds", 3),
        (2, 3, "replicates", 3),
        (1, 2, "replicates", 1),
        # A round with one replicate would be missing in a half; one with two of three cannot be in every half.
        (4, (2, 2, 2, 1), "rounds", 3),
        (2, (3, 2), "replicates", 2),
    ],
)
def test_halves_are_of_replicates_if_every_round_is_in_both(rounds, replicates, by, splits):
    layout = lay_out(list_outcomes(rounds, 4, replicates).versions, seed=0)

    assert (layout.by, len(layout.splits)) == (by, splits)


def test_an_outcome_that_never_changes_has_no_correlation():
    outcomes = list_outcomes()
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=0)
    x, pair = draw(outcomes)
    pair[1] = 1e6 / 3

    found = correlate_halves(products(x, rows, layout, "both"), [Changes.of(one, rows) for one in pair], layout, "both")

    assert np.isfinite(found.bias).all()
    assert np.isnan(found.quality).all() and np.isnan(found.cross).all()
