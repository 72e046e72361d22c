"""The estimated overlap of the neurons of bias and of text quality, by the size of the sets."""

import numpy as np
import pandas as pd
import pytest
from random_studies import RandomStudy, list_versions, random_study, write_panel, write_study

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.overlap_curve import (
    NOT_REPRODUCED,
    NOTHING_TESTED,
    TOO_FEW_ROUNDS,
    estimate_overlap,
    estimate_sizes,
)
from bias_amplification.neurons.panel import read_outcomes
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Neurons, Permutations, Quality

ROUNDS, STEPS, WIDTH = 6, 10, 200


def planted(seed, common, strength=0.8, width=WIDTH, many=20):
    """Draw a study in which `many` neurons follow bias and as many quality, `common` of them both."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(size=(ROUNDS, STEPS, width))
    outcomes = generator.normal(size=(2, ROUNDS, STEPS))
    for outcome, first in zip(outcomes, (0, many - common), strict=True):
        steps[..., first : first + many] += strength / (1 - strength) * outcome[..., None]
    levels = [np.insert(one.cumsum(axis=axis), 0, 0, axis=axis) for one, axis in ((steps, 1), (outcomes, 2))]
    return RandomStudy(list_versions(ROUNDS, STEPS + 1), levels[0].reshape(-1, width), levels[1].reshape(2, -1))


def flip_generations(y, permutations=60, seed=5):
    """Flip the changes of all rounds of a generation together: [permutations, versions]."""
    steps = np.diff(y.reshape(ROUNDS, STEPS + 1), axis=1)
    signs = np.random.default_rng(seed).choice([-1, 1], (permutations, 1, STEPS))
    signs[0] = 1
    start = np.broadcast_to(y.reshape(ROUNDS, -1)[:, :1], (permutations, ROUNDS, 1))
    return np.concatenate([start, start + np.cumsum(signs * steps, axis=2)], axis=2).reshape(permutations, -1)


def estimate(study, sizes=(20,), layers=1, **choices):
    layer = np.repeat(np.arange(layers), study.x.shape[1] // layers)
    pair = [flip_generations(y) for y in study.y]
    settings = Neurons(set_sizes=list(sizes), **choices)
    rows = estimate_sizes(study.x, layer, pair, study.versions, settings, np.random.default_rng(1))
    return pd.DataFrame([dict.fromkeys(NEURON_OVERLAP_CURVE.names) | row for row in rows])


def test_the_share_of_all_rounds_agrees_with_plain_loops():
    study = planted(0, common=7)

    table = estimate(study, sizes=[3, 20, 50], layers=4)

    rows = make_rows(study.versions, "within")
    strength = [np.abs(regress(study.x, y, rows, Neurons()).statistic) for y in study.y]
    for row in table.to_dict("records"):
        size = row["size"]
        bias, quality = (set(np.argsort(-one)[:size]) for one in strength)
        assert row["share"] == len(bias & quality) / size
        assert row["chance"] == size / WIDTH
        of_layer = [[sum(one // 50 == layer for one in members) for members in (bias, quality)] for layer in range(4)]
        assert row["chance_by_layer"] == pytest.approx(sum(a * b / 50 for a, b in of_layer) / size)


def test_the_range_of_chance_is_the_widest_of_the_three_nulls():
    study = planted(1, common=20)
    pair = [flip_generations(y) for y in study.y]

    row = estimate(study).iloc[0]

    rows = make_rows(study.versions, "within")
    sets = [
        [set(np.argsort(-np.abs(regress(study.x, y, rows, Neurons()).statistic))[:20]) for y in outcome]
        for outcome in pair
    ]
    shares = {
        "both": [len(a & b) / 20 for a, b in zip(*sets, strict=True)],
        "bias": [len(a & sets[1][0]) / 20 for a in sets[0]],
        "quality": [len(sets[0][0] & b) / 20 for b in sets[1]],
    }
    ranges = {name: np.quantile(values, [0.025, 0.975]) for name, values in shares.items()}
    widest = max(ranges, key=lambda name: np.ptp(ranges[name]))
    assert np.ptp(ranges[row["share_null"]]) == np.ptp(ranges[widest])
    assert [row["share_low"], row["share_high"]] == pytest.approx(ranges[row["share_null"]])


@pytest.mark.parametrize("common", [0, 10, 20])
def test_planted_sets_are_within_the_interval_and_other_shares_are_not(common):
    rows = pd.concat([estimate(planted(seed, common)) for seed in range(5)])

    assert rows["visible"].all()
    truth = common / 20
    assert ((rows["estimate_low"] <= truth + 0.025) & (truth - 0.025 <= rows["estimate_high"])).sum() >= 4
    assert rows["estimate"].median() == pytest.approx(truth, abs=0.12)
    excluded = {0: rows["estimate_high"] < 0.6, 10: rows["estimate_low"] > 0.05, 20: rows["estimate_low"] > 0.5}
    assert excluded[common].sum() >= 4
    assert (rows["halves_distinct"] < rows["halves_common"]).all()


def test_pure_noise_is_no_finding():
    rows = pd.concat([estimate(planted(seed, 0, strength=0)) for seed in range(8)])

    assert rows["visible"].sum() <= 1
    hidden = rows[~rows["visible"]]
    assert (hidden["estimate_low"] == 0).all() and (hidden["estimate_high"] == 1).all()
    assert hidden["estimate"].isna().all() and (hidden["reason"] == NOT_REPRODUCED).all()


def test_if_only_one_outcome_reproduces_nothing_is_visible():
    study = planted(2, 0)
    study.y[1] = random_study(9, rounds=ROUNDS, generations=STEPS + 1).y[1]

    row = estimate(study).iloc[0]

    assert row["p_ceiling_bias"] < 0.05 < row["p_ceiling_quality"]
    assert not row["visible"] and (row["estimate_low"], row["estimate_high"]) == (0, 1)


def test_sizes_above_half_of_the_tested_neurons_are_left_out():
    study = planted(3, 5)
    study.x[:, 150:] = 1.5  # never changes

    assert estimate(study, sizes=[20, 75, 76])["size"].tolist() == [20, 75]
    assert estimate(study, sizes=[500])["size"].tolist() == [75]
    assert estimate(study)["tested"].tolist() == [150]


def test_too_few_neurons_and_too_few_rounds_have_no_estimate():
    study = planted(4, 5)
    lone = RandomStudy(study.versions, study.x[:, :1], study.y)
    constant = RandomStudy(study.versions, study.x, np.stack([study.y[0], np.ones(len(study.y[1]))]))

    for one in (lone, constant):
        row = estimate(one).iloc[0]
        assert row["reason"] == NOTHING_TESTED and row["size"] is None and not row["visible"]
    few = random_study(rounds=3, generations=9, neurons=30)
    rows = estimate_sizes(
        few.x, np.zeros(30), few.y[:, None], few.versions, Neurons(set_sizes=[5]), np.random.default_rng(0)
    )
    assert rows[0]["reason"] == TOO_FEW_ROUNDS and rows[0]["splits"] == 0 and "estimate" not in rows[0]
    assert 0 <= rows[0]["share"] <= 1


def test_missing_outcomes_leave_their_rows_out():
    study = planted(5, 20)
    study.y[1, [4, 30]] = np.nan
    settings = Neurons(set_sizes=[20])
    pair, _ = permute_changes(study.y, study.versions, ["flip"], 40, 1)

    row = estimate_sizes(study.x, np.zeros(WIDTH), pair, study.versions, settings, np.random.default_rng(1))[0]

    rows = make_rows(study.versions, "within")
    bias, quality = (set(np.argsort(-np.abs(regress(study.x, y, rows, settings).statistic))[:20]) for y in study.y)
    assert row["share"] == len(bias & quality) / 20
    assert row["splits"] == 10 and np.isfinite(row["estimate_low"])


def estimate_files(study, out, seed=1, **choices):
    settings = Neurons(permutations=Permutations(schemes=[["flip", "exchange"]], sensitivity=99), **choices)
    estimate_overlap(study.panel, study.neurons, out, settings, Quality(), seed)
    return read_table(out, NEURON_OVERLAP_CURVE).to_pandas()


def test_from_files_to_files(tmp_path):
    study = write_study(tmp_path, rounds=4, following=12)

    table = estimate_files(study, tmp_path / "curve.parquet", set_sizes=[6, 12])

    assert table["measure"].tolist() == ["weight"] * 2 + ["activation"] * 2
    assert (table["tested"] == 59).all()  # one of the neurons never changes
    assert (table["scheme"] == "flip+exchange").all() and (table["splits"] == 3).all()
    outcomes = read_outcomes(study.panel, len(study.neurons))
    rows = make_rows(outcomes.versions, "within")
    pair = outcomes.pair("share", Quality().score)
    for place, measure in ((0, "weight"), (2, "activation")):
        strength = [np.abs(regress(study.values[:, :, place], y, rows, Neurons()).statistic) for y in pair]
        sets = [set(np.argsort(-np.nan_to_num(one))[:12]) for one in strength]
        found = table[(table["measure"] == measure) & (table["size"] == 12)]["share"]
        assert found.tolist() == [len(sets[0] & sets[1]) / 12]


def test_the_same_seed_gives_the_same_table(tmp_path):
    study = write_study(tmp_path, rounds=5)

    first, again, other = (estimate_files(study, tmp_path / f"{one}", seed) for one, seed in enumerate((1, 1, 2)))

    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other) and (first["share"] == other["share"]).all()


def test_a_panel_without_quality_is_told(tmp_path):
    study = write_study(tmp_path, rounds=4)
    missing = np.full(len(study.values), np.nan)
    outcomes = {**study.outcomes, "quality_class": missing, "quality_weighted": missing}
    write_panel(study.panel, list_versions(4, 7), outcomes)

    table = estimate_files(study, tmp_path / "curve.parquet")

    assert table["reason"].tolist() == [NOTHING_TESTED] * 2
    assert table["size"].isna().all()
