"""Counts and overlaps under permutations, against one regression at a time and in simulated studies."""

import numpy as np
import pytest
from random_studies import list_versions, random_study
from scipy.stats import spearmanr

from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.null_distribution import Null, fill_layer, permutation_p_value
from bias_amplification.neurons.null_tables import overlap_row
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Neurons

ALL_MOVES = ["shift", "flip", "exchange"]


def fill(x, outcomes, versions, settings):
    """Fill the null distributions of a single layer."""
    null = Null.empty(1, len(outcomes[0]), x.shape[1])
    rows = make_rows(versions, settings.difference)
    fill_layer(null, 0, slice(0, x.shape[1]), x, outcomes, rows, settings)
    return null


@pytest.fixture(scope="module")
def layer():
    """A layer of 40 neurons, one of them constant, in a null of two layers; and one regression after another."""
    versions, x, y = random_study(neurons=40)
    y[1] += y[0]
    x[:, 7] = 1.5
    settings, rows = Neurons(alpha=0.2), make_rows(versions, "within")
    outcomes = permute_changes(y, versions, ALL_MOVES, 60, seed=2)[0]
    null = Null.empty(layers=2, permutations=61, neurons=50)

    fill_layer(null, 1, slice(10, 50), x, outcomes, rows, settings)

    tested = np.arange(40) != 7
    return null, [[regress(x[:, tested], line, rows, settings) for line in outcome] for outcome in outcomes]


def test_counts_equal_those_of_one_regression_at_a_time(layer):
    null, fits = layer
    below = np.array([[fit.p_value < 0.2 for fit in lines] for lines in fits])  # [outcome, permutation, neuron]
    squared = np.array([[fit.statistic**2 for fit in lines] for lines in fits])
    tested = np.arange(40) != 7

    np.testing.assert_array_equal(null.counts[:2, 1], below.sum(axis=2))
    np.testing.assert_array_equal(null.counts[2, 1], (below[0] & below[1]).sum(axis=1))
    np.testing.assert_allclose(null.maximum, squared.max(axis=2), rtol=1e-9)
    expected = (squared >= squared[:, :1] * (1 - 1e-9)).sum(axis=1)
    np.testing.assert_array_equal(null.exceeded[:, 10:][:, tested], expected)
    assert not null.exceeded[:, :10].any() and not null.exceeded[:, 17].any()
    assert null.tested_alone.tolist() == [[0, 39], [0, 39]]
    assert null.tested.tolist() == [0, 39]
    assert null.sizes[:, 1].tolist() == below[:, 0].sum(axis=1).tolist()
    assert null.matched[0, 1, 0] == null.counts[2, 1, 0] > 0


@pytest.mark.parametrize(("way", "bias_moves", "quality_moves"), [(0, True, True), (1, True, False), (2, False, True)])
def test_comparisons_equal_those_of_one_regression_at_a_time(layer, way, bias_moves, quality_moves):
    null, fits = layer
    squared = np.array([[fit.statistic**2 for fit in lines] for lines in fits])
    slopes = np.array([[fit.estimate > 0 for fit in lines] for lines in fits])
    sizes = [(lines[0].p_value < 0.2).sum() for lines in fits]

    for permutation in range(61):
        a, b = permutation * bias_moves, permutation * quality_moves
        ranked = spearmanr(squared[0, a], squared[1, b]).statistic
        assert null.rank_agreement[way, 1, permutation] == pytest.approx(ranked, rel=1e-9, abs=1e-12)
        top = [
            set(np.argsort(line)[39 - size :]) for line, size in zip((squared[0, a], squared[1, b]), sizes, strict=True)
        ]
        assert null.matched[way, 1, permutation] == len(top[0] & top[1])
        assert null.same_sign[way, 1, permutation] == (slopes[0, a] == slopes[1, b]).sum()


def test_blocks_of_permutations_equal_single_ones():
    # 1,500 neurons: blocks of 87 permutations.
    versions, x, y = random_study(neurons=1500)
    outcomes = permute_changes(y, versions, ALL_MOVES, 199, seed=2)[0]

    null = fill(x, outcomes, versions, Neurons())

    for start in (0, 100, 190):
        some = [np.vstack([outcome[:1], outcome[start : start + 10]]) for outcome in outcomes]
        part = fill(x, some, versions, Neurons())
        lines = slice(start, start + 10)
        np.testing.assert_array_equal(null.counts[..., lines], part.counts[..., 1:])
        np.testing.assert_allclose(null.maximum[:, lines], part.maximum[:, 1:], rtol=1e-9)
        np.testing.assert_array_equal(null.same_sign[..., lines], part.same_sign[..., 1:])


def test_the_p_value_counts_values_at_least_as_large_as_the_first():
    assert permutation_p_value(np.array([3, 1, 3, 5, 2])) == pytest.approx(0.6)


def test_unrelated_walks_are_rejected_at_the_level_of_the_test():
    # 300 studies at a level of 10%: the number rejected is binomial, standard deviation 5.2.
    rejected = 0
    for seed in range(300):
        versions, x, y = random_study(seed, rounds=4, generations=6, neurons=10)
        outcomes = permute_changes(y, versions, ALL_MOVES, 39, seed)[0]
        null = fill(x, outcomes, versions, Neurons())
        rejected += permutation_p_value(null.maximum[0]) <= 0.1
    assert 14 <= rejected <= 46


@pytest.mark.parametrize("reference", ["t", "normal"])
def test_a_neuron_whose_p_is_exactly_alpha_is_counted(reference):
    versions, x, y = random_study()
    rows, outcomes = make_rows(versions, "within"), permute_changes(y, versions, ["flip"], 3, seed=2)[0]
    found = [regress(x, one, rows, Neurons(reference=reference)).p_value for one in y]

    for alpha in found[0]:
        null = fill(x, outcomes, versions, Neurons(reference=reference, alpha=alpha))

        sets = [p_values <= alpha for p_values in found]
        assert null.counts[:, 0, 0].tolist() == [sets[0].sum(), sets[1].sum(), (sets[0] & sets[1]).sum()]
        assert null.sizes[:, 0].tolist() == [sets[0].sum(), sets[1].sum()]


def test_the_family_wise_neurons_are_those_above_the_threshold():
    versions, x, y = random_study(neurons=40)
    null = fill(x, permute_changes(y, versions, ALL_MOVES, 99, seed=2)[0], versions, Neurons())
    at_least = (null.maximum[0] >= null.observed[0][:, None] * (1 - 1e-9)).mean(axis=1)

    for alpha in (0.005, 0.05, 0.237, 0.5, 0.9, *np.unique(at_least)[:-1]):
        row = overlap_row(null, None, [0], alpha)

        assert row["bias_familywise"] == (at_least <= alpha).sum()
        assert row["bias_familywise"] == (np.sqrt(null.observed[0]) > row["threshold_bias"] * (1 + 1e-9)).sum()


@pytest.mark.parametrize("untested", [np.full(28, 0.1 + 0.2), np.r_[np.inf, np.arange(27.0)]])
def test_an_outcome_that_cannot_be_tested_does_not_affect_the_other(untested):
    versions, x, y = random_study()
    settings = Neurons(alpha=0.3)
    (moving,), _ = permute_changes(y[:1], versions, ["shift"], 30, seed=2)
    (still,), _ = permute_changes([untested], versions, ["shift"], 30, seed=2)

    null, both = fill(x, [moving, still], versions, settings), fill(x, [moving, moving], versions, settings)

    np.testing.assert_array_equal(null.counts[0], both.counts[0])
    np.testing.assert_array_equal(null.exceeded[0], both.exceeded[0])
    assert null.counts[0].sum() > 0
    assert null.tested[0] == 0
    assert not null.counts[1:].any() and not null.matched.any() and not null.exceeded[1].any()
    assert np.isnan(null.observed[1]).all() and np.isnan(null.rank_agreement).all()


def test_neurons_without_an_estimate_are_not_tested():
    versions, x, y = random_study()
    x[:, 0] = 3 * y[0] + 1  # a perfect fit
    x[:, 1] = np.where(np.arange(28) < 7, y[0], 0)  # changes only in the first round
    x[:, 2], x[5, 2] = 0, 1  # one spike
    y[1, 7:] = 0.5
    settings = Neurons(lags=0, alpha=0.3)

    null = fill(x, permute_changes(y, versions, ["flip"], 15, seed=2)[0], versions, settings)

    reasons = [regress(x, one, make_rows(versions, "within"), settings).reason for one in y]
    assert "perfect fit" in reasons[0]
    np.testing.assert_array_equal(np.isnan(null.observed), [one != "" for one in reasons])
    np.testing.assert_array_equal(null.exceeded == 0, [one != "" for one in reasons])
    assert null.tested[0] == ((reasons[0] == "") & (reasons[1] == "")).sum() < 12


@pytest.mark.parametrize("lags", [1, "newey_west"])
def test_a_nearly_perfect_fit_keeps_its_statistic(lags):
    versions, x, y = random_study()
    x[:, 0] = y[0] + 1e-8 * x[:, 1]
    x[:, 2] = y[0] + 1e-4 * x[:, 1]
    settings = Neurons(lags=lags, alpha=0.3)

    null = fill(x, permute_changes(y, versions, ["flip"], 16, seed=2)[0], versions, settings)

    expected = regress(x, y[0], make_rows(versions, "within"), settings)
    assert expected.statistic[0] > 1e6
    np.testing.assert_allclose(null.observed[0], expected.statistic**2, rtol=1e-7)
    assert null.counts[0, 0, 0] == (expected.p_value < 0.3).sum()
    assert null.exceeded[0, 2] == 2  # itself, and all signs flipped


def test_nothing_is_tested_with_too_few_rows():
    versions, x, y = random_study(rounds=1, generations=2)

    null = fill(x, permute_changes(y, versions, ["shift"], 30, seed=2)[0], versions, Neurons())

    assert not null.counts.any() and not null.tested.any() and np.isnan(null.observed).all()


#: Studies and neurons of each simulated world below. A rate of 5% has a standard deviation of 2.8%.
STUDIES, NEURONS = 60, 120


def simulate(planted, seed):
    """Simulate a study of the paper's shape in which half of the neurons may follow an outcome."""
    generator = np.random.default_rng(seed)
    bias, quality, x = (
        generator.normal(size=(6, 11, *many)).cumsum(axis=1).reshape(66, *many) for many in ((), (), (NEURONS,))
    )
    load = np.where(np.arange(NEURONS) < NEURONS // 2, generator.uniform(0.5, 4, NEURONS), 0)
    if planted != "nothing":
        x += bias[:, None] * load
    if planted in ("the same", "others"):
        x += quality[:, None] * (load if planted == "the same" else load[::-1])
    return bias, quality, x


@pytest.mark.parametrize(
    ("planted", "at_most", "at_least"),
    [("nothing", 0.12, 0), ("bias", 0.12, 0), ("the same", 1, 0.5), ("others", 1, 0.5)],
)
def test_verdicts_on_simulated_studies(planted, at_most, at_least):
    versions = list_versions(6, 11)
    alike = distinct = ranks = 0
    for seed in range(STUDIES):
        bias, quality, x = simulate(planted, seed)
        pair, _ = permute_changes([bias, quality], versions, ["flip", "exchange"], 199, seed)
        row = overlap_row(fill(x, pair, versions, Neurons()), None, [0], 0.05)
        alike += row["verdict"] == "more alike than chance"
        distinct += row["verdict"] == "more distinct than chance"
        ranks += row["p_rank_agreement"] <= 0.05
    assert at_least <= max(alike, distinct) / STUDIES <= at_most
    if planted in ("nothing", "bias"):
        assert ranks / STUDIES <= at_most
    else:
        assert (alike > distinct) == (planted == "the same")
