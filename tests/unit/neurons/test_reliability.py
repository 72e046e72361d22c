"""Whether associations reproduce, from files to files, and how often the tests reject in simulated studies."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from random_studies import list_versions, write_neurons, write_panel, write_study

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import NEURON_PANEL, NEURON_RELIABILITY
from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.halves import Changes, correlate_halves, lay_out
from bias_amplification.neurons.held_out import predict_held_out
from bias_amplification.neurons.panel import OUTCOMES, read_outcomes
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.reliability import KEYS, compare, measure_reliability, step_up
from bias_amplification.study.sections import Neurons, Permutations, Quality, Reliability

NUMBERS = ["value", "value_low", "value_high", "chance", "chance_low", "chance_high", "p_value", "smallest_p"]


def measure(study, out, number=199, reliability=None, **choices):
    permutations = Permutations(schemes=[["flip_generations"]], number=number, sensitivity=99)
    settings = Neurons(permutations=permutations, reliability=reliability or Reliability(), **choices)
    measure_reliability(study.panel, study.neurons, out / "reliability.parquet", settings, Quality(), seed=1)
    return read_table(out / "reliability.parquet", NEURON_RELIABILITY).to_pandas()


def rows_of(table, measure):
    return table[table["measure"] == measure].set_index(["statistic", "source", "target"])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study in which a third of layer 1's weights follow bias."""
    return write_study(tmp_path_factory.mktemp("study"), rounds=6, generations=9, following=10)


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    return measure(study, tmp_path_factory.mktemp("finished"))


def test_planted_associations_reproduce_and_others_do_not(finished):
    weight, activation = (rows_of(finished, name) for name in ("weight", "activation"))

    assert list(weight.index) == list(KEYS)
    assert (weight["by"] + weight["units"].astype(str) + weight["splits"].astype(str)).unique() == ["rounds610"]
    planted = weight.loc[("reliability", "bias", "bias")]
    assert planted["value"] > 0.3 and planted["p_value"] <= 0.01 and planted["value_low"] > 0 and planted["reproduces"]
    assert planted["chance_low"] < planted["chance"] < planted["chance_high"] < planted["value"]
    assert weight.loc[("prediction", "bias", "bias"), "value"] > 0.8
    assert not weight.loc[[("reliability", "quality", "quality"), ("cross_correlation", "bias", "quality")]][
        "reproduces"
    ].any()
    assert not activation["reproduces"].any()
    # A tenth of the 59 neurons that change.
    assert set(weight["neurons"]) == {59} and set(weight["chosen"].dropna()) == {5}


def test_derived_numbers_follow_from_the_reliabilities(finished):
    for name in ("weight", "activation"):
        rows = rows_of(finished, name)
        bias, quality = (rows.loc[("reliability", outcome, outcome)] for outcome in ("bias", "quality"))
        cross, corrected = (rows.loc[(one, "bias", "quality")] for one in ("cross_correlation", "corrected"))
        stepped = rows.loc[("stepped_up", "bias", "bias")]
        for end in ("value", "value_low", "value_high", "chance_low"):
            assert stepped[end] == pytest.approx(2 * bias[end] / (1 + abs(bias[end])))
            if min(bias["value"], quality["value"]) > 0:
                divisor = np.sqrt(bias["value"] * quality["value"])
                assert corrected[end] == pytest.approx(cross[end] / divisor)
        assert stepped["p_value"] == bias["p_value"]
        if min(bias["value"], quality["value"]) <= 0:
            assert np.isnan(corrected["value"]) and corrected["reason"] == "a reliability is not above zero"


def test_values_are_those_of_the_modules_whatever_the_layers(study, finished, monkeypatch, tmp_path):
    outcomes = read_outcomes(study.panel, len(study.neurons))
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=1)
    x = rows.take(np.delete(study.values[:, :, 0], 3, axis=1))  # without the constant neuron
    pair = [Changes.of(study.outcomes[name][None], rows) for name in ("share", "quality_class")]
    predicted = predict_held_out(x, pair, layout, "both", 5)
    weight = rows_of(finished, "weight")

    for source, target in np.ndindex(2, 2):
        found = weight.loc[("prediction", OUTCOMES[source], OUTCOMES[target]), "value"]
        assert found == pytest.approx(predicted[source, target, 0], abs=1e-10)
    monkeypatch.setattr("bias_amplification.neurons.panel.AT_ONCE", 1)
    again = measure(study, tmp_path)
    np.testing.assert_allclose(again[NUMBERS].to_numpy(dtype=float), finished[NUMBERS].to_numpy(dtype=float), atol=1e-9)


def test_the_interval_between_halves_is_a_jackknife_over_generations(study, finished):
    from scipy.stats import t

    outcomes = read_outcomes(study.panel, len(study.neurons))
    rows, layout = make_rows(outcomes.versions, "within"), lay_out(outcomes.versions, seed=1)
    x = rows.take(np.delete(study.values[:, :, 0], 3, axis=1))
    dummies = np.column_stack([one == name for one in (rows.group, rows.time) for name in set(one)]).astype(float)
    x = x / np.linalg.norm(x - dummies @ np.linalg.lstsq(dummies, x, rcond=None)[0], axis=0)
    x = x - x.mean(axis=1, keepdims=True)
    pair = [Changes.of(study.outcomes[name][None], rows) for name in ("share", "quality_class")]

    left_out = [
        correlate_halves(x @ x.T, [one.only(rows.time != g) for one in pair], layout, "both").bias[0]
        for g in range(1, 9)
    ]

    row = rows_of(finished, "weight").loc[("reliability", "bias", "bias")]
    error = np.sqrt(7 / 8 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert row["value_low"] == pytest.approx(row["value"] - t.ppf(0.975, 7) * error, abs=1e-9)
    assert row["value_high"] == pytest.approx(min(1, row["value"] + t.ppf(0.975, 7) * error), abs=1e-9)


def test_the_same_seed_gives_the_same_bytes(study, tmp_path):
    for run in "ab":
        (tmp_path / run).mkdir()
        measure(study, tmp_path / run, number=30)

    assert (tmp_path / "a/reliability.parquet").read_bytes() == (tmp_path / "b/reliability.parquet").read_bytes()


@pytest.mark.parametrize(("rounds", "generations"), [(3, 7), (1, 1), (2, 2)])
def test_too_few_rounds_have_no_numbers(tmp_path, rounds, generations):
    table = measure(write_study(tmp_path, rounds=rounds, generations=generations, width=6), tmp_path)

    assert len(table) == 2 * len(KEYS)
    assert table[NUMBERS].isna().all(axis=None) and not table["reproduces"].any()
    assert set(table["reason"]) == {"too few rounds"}


@pytest.mark.parametrize("generations", [2, 3])
def test_too_few_generations_have_no_intervals(tmp_path, generations):
    table = measure(write_study(tmp_path, rounds=4, generations=generations), tmp_path)

    assert table[["value_low", "value_high"]].isna().all(axis=None)
    if generations == 2:
        assert set(table["reason"]) == {"too few rows"}


def test_an_outcome_without_changes_has_reasons_and_leaves_the_other(study, tmp_path):
    versions = read_outcomes(study.panel, len(study.neurons)).versions
    still, missing = (np.full(len(study.neurons), value) for value in (2.5, np.nan))
    for name, quality, reason in (("still", still, "constant outcome"), ("missing", missing, "too few rows")):
        (tmp_path / name).mkdir()
        outcomes = {**study.outcomes, "quality_class": quality, "quality_weighted": quality}
        write_panel(tmp_path / name / "panel.parquet", versions, outcomes)

        table = measure(study._replace(panel=tmp_path / name / "panel.parquet"), tmp_path / name, number=50)

        rows = rows_of(table, "weight")
        with_quality = ["quality" in key for key in rows.index]
        assert rows.loc[with_quality, NUMBERS].isna().all(axis=None)
        assert set(rows.loc[with_quality, "reason"]) == {reason}
        alone = rows.loc[[not one for one in with_quality]]
        assert alone["value"].notna().all() and alone["reason"].isna().all() and alone["reproduces"].all()


def test_missing_outcomes_leave_their_rows_out(study, tmp_path):
    versions = read_outcomes(study.panel, len(study.neurons)).versions
    share = study.outcomes["share"].copy()
    share[[3, 17]] = np.nan
    write_panel(tmp_path / "panel.parquet", versions, {**study.outcomes, "share": share})

    rows = rows_of(measure(study._replace(panel=tmp_path / "panel.parquet"), tmp_path), "weight")

    assert rows.loc[("reliability", "bias", "bias"), "value"] > 0.3
    assert rows.loc[("reliability", "bias", "bias"), "reproduces"]


def test_neurons_that_never_change_or_are_not_finite_are_left_out(study, tmp_path):
    values = study.values.copy()
    values[:, 2:] = 0.3
    values[4, 0] = np.nan
    paths = [tmp_path / f"{version}.parquet" for version in range(len(values))]
    for path, version in zip(paths, values, strict=True):
        write_neurons(path, version)

    table = measure(study._replace(neurons=paths), tmp_path, number=50)

    assert set(table["neurons"]) == {1}
    assert set(table["reason"]) == {"fewer than two neurons change"}


def write_replicates(folder, replicates, seed=0):
    """Write a study of two rounds with replicates, in which 10 of 40 weights follow bias."""
    generator = np.random.default_rng(seed)
    generations = 9
    keys = [(f"round {i}", k + 1, g) for i in range(2) for k in range(replicates) for g in range(generations)]
    outcomes = generator.normal(size=(4, 2 * replicates, generations)).cumsum(axis=2).reshape(4, -1)
    values = generator.normal(size=(2 * replicates, generations, 40, 4)).cumsum(axis=1).reshape(-1, 40, 4)
    values[:, :10, 0] = outcomes[0][:, None] + 0.3 * values[:, :10, 0]
    columns = dict(zip(("round", "replicate", "generation"), map(list, zip(*keys, strict=True)), strict=True))
    columns |= {name: ["even"] * len(keys) for name in ("seed_set", "label")}
    columns |= dict(zip(NEURON_PANEL.names[5:], outcomes, strict=True))
    write_table(pa.table(columns), folder / "panel.parquet", NEURON_PANEL)
    paths = [folder / f"{version}.parquet" for version in range(len(keys))]
    for path, version in zip(paths, values, strict=True):
        write_neurons(path, version)
    return folder / "panel.parquet", paths


def test_replicates_are_split_and_held_out(tmp_path):
    panel, paths = write_replicates(tmp_path, replicates=3, seed=1)
    permutations = Permutations(schemes=[["flip_generations"]], number=199, sensitivity=99)

    out = tmp_path / "reliability.parquet"
    measure_reliability(panel, paths, out, Neurons(permutations=permutations), Quality(), seed=1)

    rows = rows_of(pq.read_table(out).to_pandas(), "weight")
    assert (rows[["by", "units", "splits"]] == ["replicates", 3, 3]).all(axis=None)
    assert rows.loc[("reliability", "bias", "bias"), "value"] > 0.3
    assert rows.loc[("prediction", "bias", "bias"), "value"] > 0.8
    assert rows.loc[("reliability", "bias", "bias"), "reproduces"]
    assert not rows.loc[("reliability", "quality", "quality"), "reproduces"]


def test_comparison_with_permutations():
    values = np.array([0.5, 0.5 - 1e-12, -0.6, 0.1, np.nan])

    upper, both = compare(values), compare(values, both_sides=True)

    assert (upper["value"], upper["p_value"], upper["smallest_p"]) == (0.5, 3 / 5, 2 / 5)
    # The mean is 0.125: only -0.6 is further away; the value itself, its twin and the missing one count.
    assert both["p_value"] == 4 / 5
    assert upper["chance"] == pytest.approx(0.125)
    assert (step_up(0.5), step_up(-0.5), step_up(0.0)) == pytest.approx((2 / 3, -2 / 3, 0))


def reject(world, studies=60, rounds=6, generations=8, neurons=60):
    """Count the simulated studies in which bias reproduces by halves, and by prediction, at 5%."""
    versions = list_versions(rounds, generations)
    rows, layout = make_rows(versions, "within"), lay_out(versions, seed=0)
    found = []
    for study in range(studies):
        generator = np.random.default_rng([5, study])
        shape = (rounds, generations)
        steps, changes = generator.normal(size=(*shape, neurons)), generator.normal(size=(2, *shape))
        if world == "shared":  # neurons and outcomes move alike in all rounds, and have nothing else in common
            steps += 2 * generator.normal(size=(1, generations, neurons))
            changes += 2 * generator.normal(size=(2, 1, generations))
        if world == "planted":
            steps[..., : neurons // 4] += changes[0][..., None] * generator.choice([-1, 1], neurons // 4)
        x = rows.take(steps.cumsum(axis=1).reshape(-1, neurons))
        pair = changes.cumsum(axis=2).reshape(2, -1)
        permuted = permute_changes(pair, versions, ["flip", "exchange"], 199, study)[0]
        both = [Changes.of(one, rows) for one in permuted]
        spread = x - x.mean(axis=1, keepdims=True)
        halves = correlate_halves(spread @ spread.T, both, layout, "both").bias
        predicted = predict_held_out(x, both, layout, "both", 6)[0, 0]
        found.append([compare(values)["p_value"] <= 0.05 for values in (halves, predicted)])
    return np.mean(found, axis=0)


@pytest.mark.parametrize("world", ["noise", "shared"])
def test_noise_seldom_reproduces(world):
    by_halves, by_prediction = reject(world)

    # 4 standard errors of 60 studies around 5%.
    assert by_halves <= 0.16 and by_prediction <= 0.16


def test_planted_effects_are_found_in_most_studies():
    by_halves, by_prediction = reject("planted", studies=20)

    assert by_halves >= 0.8 and by_prediction >= 0.8
