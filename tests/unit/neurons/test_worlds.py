"""Simulated worlds: what their steps have in common."""

import numpy as np
import pytest
from random_studies import list_versions

from bias_amplification.neurons.describe import describe_world, world_in_words
from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.worlds import WORLDS, Run, plant, simulate

NOTHING = Run(np.zeros((66, 0)), [])


def steps_of(world, studies=200, neurons=10, run=NOTHING):
    """Return the neurons' steps [rounds, generations - 1, studies, neurons], and those of bias without neurons."""
    simulation = simulate(world, list_versions(6, 11), run, studies, neurons, seed=1)
    return [np.diff(values.reshape(6, 11, *values.shape[1:]), axis=1) for values in (simulation.x, simulation.y[0])]


@pytest.mark.parametrize(("world", "share"), [("random_walks", 0), ("shared_25", 0.25), ("shared_75", 0.75)])
def test_rounds_share_the_named_part_of_their_steps(world, share):
    for steps in steps_of(world):
        first, second = steps[0].ravel(), steps[3].ravel()
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(share, abs=4 / np.sqrt(2000))
        assert steps.std() == pytest.approx(1, rel=0.03)


def test_decaying_steps_shrink_over_generations():
    for steps in steps_of("decaying_steps"):
        np.testing.assert_allclose(steps.std(axis=(0, *range(2, steps.ndim))), 1 / np.arange(1, 11), rtol=0.12)


def test_a_rounds_scale_is_that_of_neurons_and_outcomes():
    x, y = steps_of("round_scales")

    assert np.corrcoef(np.log(x.std(axis=(1, 3))).ravel(), np.log(y.std(axis=1)).ravel())[0, 1] > 0.9


def test_a_common_trend_moves_all_rounds_alike():
    x, y = steps_of("common_trend")

    np.testing.assert_allclose(y.mean(axis=(0, 2)), 2 / np.arange(1, 11), atol=4 / np.sqrt(1200))
    assert (np.abs(x[:, 0].mean(axis=0)) > 1).mean() > 0.5  # each neuron in its own direction


def test_persistent_steps_follow_one_another():
    for steps in steps_of("persistent_steps"):
        assert np.corrcoef(steps[:, 5].ravel(), steps[:, 6].ravel())[0, 1] == pytest.approx(0.5, abs=0.12)


def test_all_rounds_start_at_zero():
    simulation = simulate("round_drift", list_versions(6, 11), NOTHING, 3, 4, seed=1)

    assert not simulation.x[::11].any() and not simulation.y[:, ::11].any()


def test_outcomes_like_the_runs_keep_its_correlation_between_rounds_and_its_neurons():
    generator = np.random.default_rng(3)
    common = generator.normal(size=(1, 10)) + 0.3 * generator.normal(size=(6, 10))
    scales = np.array([1, 1, 1, 1, 1, 5.0])[:, None]
    outcome = np.concatenate([np.zeros((6, 1)), np.cumsum(scales * common, axis=1)], axis=1).ravel()
    neurons = generator.normal(size=(66, 4))

    simulation = simulate("own_neurons", list_versions(6, 11), Run(neurons, [outcome, outcome]), 400, 4, seed=1)

    np.testing.assert_array_equal(simulation.x[:, 7], neurons)
    steps = np.diff(simulation.y[0].reshape(6, 11, 400), axis=1)
    assert np.corrcoef(steps[0].ravel(), steps[1].ravel())[0, 1] > 0.8
    assert steps[5].std() / steps[0].std() == pytest.approx(5, rel=0.3)
    assert abs(np.corrcoef(simulation.y[0][3], simulation.y[1][3])[0, 1]) < 0.2


def test_replicates_share_steps_with_the_rounds_of_their_seed_set_alone():
    rows = [
        (f"{name}{replicate}", generation, name, replicate, name[0])
        for name in ("ax", "ay", "bx")
        for replicate in (1, 2)
        for generation in range(11)
    ]
    versions = Versions(*map(tuple, zip(*rows, strict=True)))

    y = simulate("shared_75", versions, NOTHING, 300, 2, seed=1).y[0]

    steps = np.diff(y.reshape(6, 11, 300), axis=1).reshape(6, -1)
    together = np.corrcoef(steps).round(1)
    assert together[0, 2] > 0.6 and together[1, 3] > 0.6
    assert abs(together[0, 1]) < 0.2 and abs(together[0, 4]) < 0.2


def test_planted_neurons_follow_the_outcome():
    simulation = simulate("random_walks", list_versions(6, 11), NOTHING, 50, 10, seed=1)

    planted = plant(simulation, [1], slice(2, 4), 0.6)

    x, y = (np.diff(values.reshape(6, 11, *values.shape[1:]), axis=1) for values in (planted.x, planted.y[1]))
    correlations = [np.corrcoef(x[..., neuron].ravel(), y.ravel())[0, 1] for neuron in range(10)]
    np.testing.assert_allclose(correlations[2:4], 0.6, atol=0.05)
    x = np.diff(plant(simulation, [0, 1], slice(0, 1), 0.9).x.reshape(6, 11, 50, 10), axis=1)
    assert np.corrcoef(x[..., 0].ravel(), y.ravel())[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert np.abs(np.delete(correlations, [2, 3])).max() < 0.1


@pytest.mark.parametrize("world", ["random_walks", "shared_75", "decaying_steps", "round_drift", "common_trend"])
def test_a_run_of_a_world_is_likened_to_it(world):
    versions = list_versions(6, 11)
    simulation = simulate(world, versions, NOTHING, 1, 40, seed=9)

    rows = describe_world(versions, Run(simulation.x[:, 0], list(simulation.y[:, :, 0])))

    assert {row["nearest"] for row in rows} == {world}


def test_most_runs_of_a_world_fit_it():
    versions = list_versions(6, 11)
    simulation = simulate("random_walks", versions, NOTHING, 6, 40, seed=9)

    runs = [Run(simulation.x[:, study], list(simulation.y[:, :, study])) for study in range(6)]

    assert sum(describe_world(versions, run)[0]["fits"] for run in runs) >= 4


def test_a_run_of_another_kind_fits_no_world():
    versions = list_versions(6, 11)
    generator = np.random.default_rng(2)
    # Steps alternate: each takes back most of the one before it.
    noise = generator.normal(size=(6, 11, 42))
    values = noise.reshape(66, 42)

    rows = describe_world(versions, Run(values[:, :40], list(values[:, 40:].T)))

    assert {row["fits"] for row in rows} == {False}
    assert all(row["distance"] > 2 for row in rows)


@pytest.mark.parametrize(("persistence", "kept"), [(0.0, 0.0), (0.6, 0.6)])
def test_outcomes_like_the_runs_keep_a_clear_persistence(persistence, kept):
    generator = np.random.default_rng(5)
    steps = generator.normal(size=(6, 10))
    for place in range(1, 10):
        steps[:, place] += persistence * steps[:, place - 1]
    outcome = np.concatenate([np.zeros((6, 1)), np.cumsum(steps, axis=1)], axis=1).ravel()

    simulation = simulate(
        "own_neurons", list_versions(6, 11), Run(np.zeros((66, 4)), [outcome, outcome]), 400, 4, seed=1
    )

    drawn = np.diff(simulation.y[0].reshape(6, 11, 400), axis=1)
    assert np.corrcoef(drawn[:, 5].ravel(), drawn[:, 6].ravel())[0, 1] == pytest.approx(kept, abs=0.2)


def test_the_words_name_the_world():
    import pandas as pd

    facts = {"between_rounds": 0.5, "scale_ratio": 2.0, "early_ratio": 1.5, "drift": 0.1, "persistence": -0.1}
    rows = pd.DataFrame(
        [{"of": name, **facts, "nearest": "scaled_trend", "fits": True} for name in ("bias", "quality", "neurons")]
    )

    assert "most like 'scaled trend'" in world_in_words(rows)
    assert WORLDS["scaled_trend"] in world_in_words(rows)
    assert "No simulated world is like this run; the nearest is 'scaled" in world_in_words(rows.assign(fits=False))
    one_round = world_in_words(rows.assign(between_rounds=np.nan))
    assert one_round.startswith("The largest movement") and "Changes of two rounds" not in one_round
    half = rows.assign(scale_ratio=[2.0, np.nan, 3.0])
    assert "over the smallest is 2.0 for bias and 3.0 for the neurons;" in world_in_words(half)
    assert "Too few" in world_in_words(rows.assign(nearest=None))
