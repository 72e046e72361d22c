"""How often the tests reject in simulated studies."""

import numpy as np
import pytest
from random_studies import list_versions, write_study

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_CALIBRATION
from bias_amplification.neurons.calibrate import calibrate_neurons, list_tests, run_steps, simulate
from bias_amplification.neurons.designs import Versions
from bias_amplification.study.sections import Calibration, Neurons, Permutations


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rates in simulated studies of 4 rounds of 7 generations."""
    folder = tmp_path_factory.mktemp("study")
    study = write_study(folder, following=10)
    settings = Neurons(
        permutations=Permutations(schemes=[["shift", "flip", "exchange"]]),
        calibration=Calibration(studies=40, neurons=20, effects=[0.8]),
    )
    calibrate_neurons(study.panel, study.neurons, folder / "calibration.parquet", settings, seed=3)
    return read_table(folder / "calibration.parquet", NEURON_CALIBRATION).to_pandas()


def test_every_correction_of_a_test_lowers_its_rate(table):
    assert set(table["world"]) == {"random_walks", "decaying_steps", "run_correlation"}
    walks = table[(table["world"] == "random_walks") & (table["effect"] == 0)]
    plain = walks[(walks["test"] == "neuron") & (walks["lags"] == "1") & ~walks["fixed_effects"]]
    rate = plain.set_index(["difference", "reference", "small_sample"])["rejected"]
    # Levels of walks are spurious.
    assert rate["levels", "normal", False] > 0.25 > rate["within", "normal", False] > rate["within", "t", True] > 0.03


def test_the_permutation_test_of_counts_rejects_at_its_level(table):
    walks = table[(table["world"] == "random_walks") & (table["effect"] == 0)]

    counts = walks[walks["test"] == "counts, shift+flip+exchange"].iloc[0]

    assert counts["studies"] == 40
    assert abs(counts["rejected"] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 40)


def test_the_permutation_test_of_counts_rejects_at_a_level_of_one_half(tmp_path):
    study = write_study(tmp_path, following=10)
    size = Calibration(studies=40, neurons=20, effects=[])
    settings = Neurons(alpha=0.5, permutations=Permutations(schemes=[["flip", "exchange"]]), calibration=size)

    calibrate_neurons(study.panel, study.neurons, tmp_path / "calibration.parquet", settings, seed=3)

    table = read_table(tmp_path / "calibration.parquet", NEURON_CALIBRATION).to_pandas()
    counts = table[(table["world"] == "random_walks") & (table["test"] == "counts, flip+exchange")].iloc[0]
    assert abs(counts["rejected"] - 0.5) < 4 * np.sqrt(0.5 * 0.5 / 40)


def test_corrections_trade_power_for_fewer_false_discoveries(table):
    planted = table[(table["world"] == "random_walks") & (table["effect"] == 0.8)].set_index("test")

    assert planted.loc["neuron", "power"] > planted.loc["bonferroni", "power"] > 0.3
    assert planted.loc["bonferroni", "false_discovery"] < planted.loc["neuron", "false_discovery"]
    assert planted.loc["benjamini_hochberg", "rejected"] < planted.loc["neuron", "rejected"]


def test_a_study_of_the_papers_shape_has_the_known_rates():
    # Six rounds of eleven generations; rates of independent random walks at 5%, each known to about one per cent.
    size = Calibration(studies=1000, neurons=20)
    walks = simulate("random_walks", list_versions(6, 11), size, np.zeros((60, 0)), np.random.default_rng(5))
    known = {
        ("levels", "normal"): 0.40,
        ("across", "normal"): 0.16,
        ("within", "normal"): 0.077,
        ("within", "t"): 0.069,
    }

    for (difference, reference), rate in known.items():
        p_values = walks.p_values(Neurons(difference=difference, reference=reference, small_sample=False))
        assert (p_values < 0.05).mean() == pytest.approx(rate, abs=0.02 if rate > 0.1 else 0.01)


def test_tests_are_listed_once_with_the_studys_own():
    common = list_tests(Neurons())
    own = Neurons(lags=3, difference="across", alpha=0.1)

    tests = list_tests(own)

    assert len(common) == 3 * 4 * 4 + 2
    assert tests[-1] == own and len(tests) == len(common) + 1
    assert {test.alpha for test in tests} == {0.1}


def test_decaying_steps_shrink_over_generations():
    versions, size = list_versions(2, 6), Calibration(studies=300, neurons=10)

    world = simulate("decaying_steps", versions, size, np.zeros((10, 0)), np.random.default_rng(1))

    steps = np.diff(world.y.reshape(2, 6, -1), axis=1).std(axis=(0, 2))
    np.testing.assert_allclose(steps, 1 / np.arange(1, 6), rtol=0.15)  # 600 steps of each: error 3%
    assert not world.x[[0, 6]].any() and not world.y[[0, 6]].any()


def test_the_runs_correlation_is_kept(tmp_path):
    study = write_study(tmp_path, following=10)
    versions = Versions([name for name in "abcd" for _ in range(7)], [*range(7)] * 4)
    generator = np.random.default_rng(1)

    steps = run_steps(study.neurons, "weight_mean", versions, 100, generator)
    world = simulate("run_correlation", versions, Calibration(studies=400), steps, generator)

    assert steps.shape == (24, 59)  # one of 60 never changes
    np.testing.assert_allclose(np.linalg.norm(steps, axis=0), 1)
    simulated = np.diff(world.x.reshape(4, 7, 400, 59), axis=1).reshape(-1, 59)
    # 9,600 steps: a correlation has an error of 1%.
    np.testing.assert_allclose(np.corrcoef(simulated.T), np.corrcoef(steps.T), atol=0.06)
