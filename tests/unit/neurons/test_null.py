"""Null distributions, sensitivity and calibration from files to files."""

import numpy as np
import pyarrow as pa
import pytest

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import (
    NEURON_CALIBRATION,
    NEURON_NULL,
    NEURON_OVERLAP,
    NEURON_PANEL,
    NEURON_PERMUTED,
    NEURON_REGRESSION,
    NEURON_SENSITIVITY,
    NEURON_SETS,
    NEURONS,
)
from bias_amplification.neurons.analyse import analyse_neurons
from bias_amplification.neurons.calibrate import calibrate
from bias_amplification.neurons.designs import RegressionSettings, make_rows
from bias_amplification.neurons.null import permute_neurons, summarise
from bias_amplification.neurons.permute import Null, fill_layer, permute_outcomes
from bias_amplification.neurons.sensitivity import compare_choices

ROUNDS, GENERATIONS, LAYERS, WIDTH = 4, 7, 2, 30
TEST = {"difference": "within", "lags": 1, "reference": "t", "small_sample": True, "fixed_effects": False}
ALL_MOVES = "shift+flip+exchange"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Outcomes and neurons of four rounds; a third of layer 1's weights follow bias."""
    return write_study(tmp_path_factory.mktemp("null"), ROUNDS, GENERATIONS)


def write_study(folder, rounds, generations):
    generator = np.random.default_rng(2)
    shape = (rounds, generations)
    outcomes = generator.normal(size=(4, *shape)).cumsum(axis=2).reshape(4, -1)
    walk = generator.normal(size=(*shape, LAYERS * WIDTH, 4)).cumsum(axis=1).reshape(-1, LAYERS * WIDTH, 4)
    walk[:, WIDTH : WIDTH + 10, 0] = outcomes[0][:, None] + 0.3 * walk[:, WIDTH : WIDTH + 10, 0]
    walk[:, 5] = 0.5
    rows = {"round": [f"r{i}" for i in range(rounds) for _ in range(generations)]}
    rows |= {"generation": [*range(generations)] * rounds, "label": ["red"] * len(walk)}
    rows |= dict(zip(NEURON_PANEL.names[3:], outcomes, strict=True))
    write_table(pa.table(rows), folder / "panel.parquet", NEURON_PANEL)
    paths = []
    for version, values in enumerate(walk):
        columns = {"layer": np.repeat(np.arange(LAYERS, dtype=np.int16), WIDTH)}
        columns["neuron"] = np.tile(np.arange(WIDTH, dtype=np.int32), LAYERS)
        columns |= dict(zip(NEURONS.names[2:], values.T, strict=True))
        paths.append(folder / f"{version}.parquet")
        write_table(pa.table(columns), paths[-1], NEURONS)
    return folder, paths


def permute(study, out, number=199, **options):
    folder, paths = study
    schemas = {"null": NEURON_NULL, "overlap": NEURON_OVERLAP, "permuted": NEURON_PERMUTED}
    files = [out / f"{name}.parquet" for name in schemas]
    schemes = [["shift", "flip", "exchange"], ["flip"]]
    permute_neurons(
        folder / "panel.parquet", paths, *files, schemes=schemes, number=number, seed=1, **({"test": TEST} | options)
    )
    return [read_table(file, schema).to_pandas() for file, schema in zip(files, schemas.values(), strict=True)]


def analyse(study, out, test=TEST, **options):
    folder, paths = study
    files = [out / f"{name}.parquet" for name in ("correlations", "regression", "sets")]
    analyse_neurons(folder / "panel.parquet", paths, *files, test=test, **options)
    sets = read_table(files[2], NEURON_SETS).to_pandas().set_index("measure")
    return read_table(files[1], NEURON_REGRESSION).to_pandas(), sets


def test_the_unpermuted_outcomes_give_the_analysis_itself(study, tmp_path):
    regression, sets = analyse(study, tmp_path)

    null, overlap, permuted = permute(study, tmp_path)

    first = null[(null["scheme"] == ALL_MOVES) & (null["permutation"] == 0)].set_index("measure")
    for measure in ("weight", "activation"):
        for name in ("bias", "quality", "both"):
            assert first.loc[measure, name] == sets.loc[measure, name]
        mine = regression[(regression["measure"] == measure) & (regression["outcome"] == "bias")]
        assert first.loc[measure, "maximum_bias"] == pytest.approx(mine["statistic"].abs().max(), rel=1e-9)
        whole = overlap[(overlap["measure"] == measure) & overlap["layer"].isna()].iloc[0]
        assert (whole["tested"], whole["both"]) == (sets.loc[measure, "tested"], sets.loc[measure, "both"])
    assert permuted["p_value_permutation"].isna().sum() == permuted["p_value_familywise"].isna().sum() == 4
    assert permuted["p_value_permutation"].min() >= 1 / 200
    assert (permuted["p_value_familywise"].dropna() >= permuted["p_value_permutation"].dropna() - 1e-12).all()


def test_planted_neurons_are_found_and_others_are_not(study, tmp_path):
    _, overlap, permuted = permute(study, tmp_path)

    weights = overlap[(overlap["measure"] == "weight") & (overlap["scheme"] == ALL_MOVES)]
    by_layer = weights.set_index("layer")
    assert by_layer.loc[1, "p_bias"] <= 0.05 < by_layer.loc[0, "p_bias"]
    assert by_layer.loc[1, "bias"] >= 10 > by_layer.loc[0, "bias"]
    planted = permuted.query("measure == 'weight' and outcome == 'bias' and layer == 1 and neuron < 10")
    assert (planted["p_value_familywise"] <= 0.05).all()
    whole = weights[weights["layer"].isna()].iloc[0]
    assert whole["bias_familywise"] >= 10
    assert whole["quality_familywise"] == 0


def test_a_scheme_with_few_permutations_lists_them_all(study, tmp_path):
    null, overlap, _ = permute(study, tmp_path)

    assert (null["scheme"] == "flip").sum() == 2 * 2**ROUNDS
    assert overlap.groupby("scheme")["complete"].all().to_dict() == {"flip": True, ALL_MOVES: False}


def test_the_same_seed_gives_the_same_bytes(study, tmp_path):
    permute(study, tmp_path / "a", number=50)
    permute(study, tmp_path / "b", number=50)

    for name in ("null", "overlap", "permuted"):
        files = [tmp_path / run / f"{name}.parquet" for run in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_sensitivity_has_a_row_for_every_combination(study, tmp_path):
    folder, paths = study
    out = tmp_path / "sensitivity.parquet"
    compare_choices(folder / "panel.parquet", paths, out, moves=["exchange", "shift"], number=39, seed=1, test=TEST)
    table = read_table(out, NEURON_SENSITIVITY).to_pandas()

    keys = ["column", "bias_measure", "quality_measure", "difference", "reference"]
    assert len(table) == len(table.drop_duplicates(keys)) == 4 * 2 * 2 * 3 * 2
    named = table[table["named"].notna()]
    assert set(named["named"]) == {"this study", "paper", "published code"}
    assert sorted(named.loc[named["named"] == "this study", "column"]) == ["activation_ffn", "weight_mean"]
    counts = ["bias", "quality", "both"]
    own = named[(named["named"] == "this study") & (named["measure"] == "weight")].iloc[0]
    _, sets = analyse(study, tmp_path)
    assert own[counts].tolist() == sets.loc["weight", counts].tolist()
    _, sets = analyse(
        study,
        tmp_path,
        TEST | {"difference": "levels", "reference": "normal", "small_sample": False},
        quality="weighted",
        activation="block",
    )
    code = named[(named["named"] == "published code") & (named["bias_measure"] == "share")].set_index("measure")
    for measure in ("weight", "activation"):
        assert code.loc[measure, counts].tolist() == sets.loc[measure, counts].tolist()


@pytest.mark.parametrize(("rounds", "generations"), [(1, 1), (1, 2), (1, 3), (3, 1), (2, 2), (1, 4)])
@pytest.mark.parametrize("lags", [1, "plugin", "newey_west", "andrews"])
def test_studies_too_small_to_test_are_told_so_in_every_table(tmp_path, rounds, generations, lags):
    study = write_study(tmp_path, rounds, generations)
    test = TEST | {"lags": lags}

    null, overlap, permuted = permute(study, tmp_path, test=test)
    compare_choices(
        study[0] / "panel.parquet", study[1], tmp_path / "s.parquet", moves=["flip"], number=20, seed=1, test=test
    )
    regression, _ = analyse(study, tmp_path, test=test)
    sensitivity = read_table(tmp_path / "s.parquet", NEURON_SENSITIVITY).to_pandas()

    within = sensitivity[sensitivity["difference"] == "within"]
    transitions = rounds * (generations - 1)
    if transitions < 3:
        assert null["bias"].max() == overlap["tested"].max() == within["tested"].max() == 0
        assert permuted["p_value_permutation"].isna().all() and regression["p_value"].isna().all()
        assert regression["reason"].notna().all()
    if transitions == 0:
        assert set(overlap["verdict"]) == {"too few neurons to tell"}


def test_rows_with_other_lags_are_not_called_published(study, tmp_path):
    folder, paths = study
    out = tmp_path / "sensitivity.parquet"
    compare_choices(folder / "panel.parquet", paths, out, moves=["flip"], number=19, seed=1, test=TEST | {"lags": 2})

    assert read_table(out, NEURON_SENSITIVITY).to_pandas()["named"].dropna().unique().tolist() == ["this study"]


@pytest.mark.parametrize("measure", ["weight", "activation"])
def test_this_studys_row_is_the_study_itself(study, tmp_path, measure):
    folder, paths = study
    test = TEST | {"reference": "normal"}
    out = tmp_path / "sensitivity.parquet"
    compare_choices(
        folder / "panel.parquet", paths, out, moves=["flip"], number=19, seed=1, test=test, alpha=0.2
    )  # fmt: skip

    table = read_table(out, NEURON_SENSITIVITY).to_pandas()

    _, sets = analyse(study, tmp_path, test, alpha=0.2)
    own = table[(table["named"] == "this study") & (table["measure"] == measure)]
    same = ["reference", "tested", "bias", "quality", "both", "expected_both"]
    assert own[same].to_numpy().tolist() == [sets.loc[measure, same].tolist()]
    assert own["small_sample"].tolist() == [True]
    paper = table[(table["named"] == "paper") & (table["measure"] == measure)]
    assert set(paper["small_sample"]) == {False}
    _, plain = analyse(study, tmp_path, test | {"small_sample": False}, alpha=0.2)
    assert paper.iloc[0][same].tolist() == plain.loc[measure, same].tolist()
    assert sets["bias"].sum() != plain["bias"].sum()


def edit_quality(study, folder, values):
    """The same study with other values of both measures of quality, NaN for none."""
    table = read_table(study[0] / "panel.parquet", NEURON_PANEL).to_pandas()
    for name in ("quality_class", "quality_weighted"):
        table[name] = values(table[name].to_numpy().copy())
    write_table(pa.Table.from_pandas(table, schema=NEURON_PANEL), folder / "panel.parquet", NEURON_PANEL)
    return folder, study[1]


def test_what_is_not_tested_has_no_statistic(study, tmp_path):
    still = edit_quality(study, tmp_path, lambda quality: np.full_like(quality, 2.5))

    null, overlap, _ = permute(still, tmp_path, number=99)

    whole = overlap[overlap["layer"].isna()]
    compared = [f"{name}{end}" for name in ("rank_agreement", "same_sign") for end in ("", "_low", "_high", "_null")]
    compared += ["p_rank_agreement", "p_same_sign", "p_quality", "p_both", "p_matched", "p_matched_fewer"]
    compared += ["threshold_quality", "quality_familywise", "expected_both", "expected_by_layer"]
    assert whole[compared].isna().all(axis=None)
    assert overlap[compared[:12]].isna().all(axis=None)
    assert overlap[["p_bias"]].notna().all(axis=None)
    assert whole[["threshold_bias", "bias_familywise"]].notna().all(axis=None)
    assert set(overlap["verdict"]) == {"too few neurons to tell"}
    assert null[["rank_agreement", "same_sign", "maximum_quality"]].isna().all(axis=None)
    assert null["maximum_bias"].gt(0).all()


def test_rows_and_lags_are_those_of_the_outcome(study, tmp_path):
    def forget(quality):
        quality[:14] = np.nan
        return quality

    gappy = edit_quality(study, tmp_path, forget)
    test = TEST | {"lags": "plugin"}

    _, overlap, _ = permute(gappy, tmp_path, number=99, test=test)
    _, sets = analyse(gappy, tmp_path, test)

    assert overlap[["rows_bias", "rows_quality"]].drop_duplicates().to_numpy().tolist() == [[24, 12]]
    assert overlap[["lags_bias", "lags_quality"]].drop_duplicates().to_numpy().tolist() == [[2, 2]]
    assert sets[["rows", "lags", "lags_plugin"]].to_numpy().tolist() == [[24, 2, 2]] * 2
    whole = overlap[overlap["layer"].isna() & (overlap["scheme"] == ALL_MOVES)].set_index("measure")
    for name in ("bias", "quality", "both", "tested", "expected_both"):
        assert whole[name].to_dict() == sets[name].to_dict()


def test_few_permutations_give_no_verdict(study, tmp_path):
    _, overlap, _ = permute(study, tmp_path, number=999, alpha=0.5)

    said = overlap[overlap["layer"].isna()].groupby("scheme")["verdict"].agg(set).to_dict()
    # Flips of four rounds are 16, and a flip of all changes no statistic.
    assert said["flip"] == {"too few permutations to tell"}
    assert not said[ALL_MOVES] & {"too few permutations to tell", "too few neurons to tell"}


def walk(generator, *many):
    """Random walks in six rounds of eleven generations: [versions, ...]."""
    return generator.normal(size=(6, 11, *many)).cumsum(axis=1).reshape(66, *many)


@pytest.mark.parametrize(
    ("planted", "at_most", "at_least"),
    [("nothing", 0.12, 0), ("bias", 0.12, 0), ("the same", 1, 0.5), ("others", 1, 0.5)],
)
def test_verdicts_on_simulated_studies(planted, at_most, at_least):
    # 100 studies of the paper's shape; a rate of 5% has a standard deviation of 2.2%.
    number, shape = 200, ([name for name in "abcdef" for _ in range(11)], [*range(11)] * 6)
    rows, alike, distinct, ranks = make_rows(*shape, "within"), 0, 0, 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        bias, quality, x = walk(generator), walk(generator), walk(generator, number)
        load = np.where(np.arange(number) < number // 2, generator.uniform(0.5, 4, number), 0)
        if planted != "nothing":
            x += bias[:, None] * load
        if planted in ("the same", "others"):
            x += quality[:, None] * (load if planted == "the same" else load[::-1])
        pair, _ = permute_outcomes([bias, quality], *shape, ["flip", "exchange"], 199, seed)
        null = Null.empty(1, 200, number)
        fill_layer(null, 0, slice(0, number), x, pair, rows, RegressionSettings(), 0.05)
        row = summarise(null, None, [0], 0.05)
        alike += row["verdict"] == "more alike than chance"
        distinct += row["verdict"] == "more distinct than chance"
        ranks += row["p_rank_agreement"] <= 0.05
    assert at_least <= max(alike, distinct) / 100 <= at_most
    if planted in ("nothing", "bias"):
        assert ranks / 100 <= at_most
    else:
        assert (alike > distinct) == (planted == "the same")


def test_calibration_says_how_often_each_test_rejects(study, tmp_path):
    folder, paths = study
    out = tmp_path / "calibration.parquet"
    calibrate(
        folder / "panel.parquet", paths, out, test=TEST, moves=[["shift", "flip", "exchange"]],
        studies=150, neurons_a_study=20, effects=[0.8], seed=3,
    )  # fmt: skip
    table = read_table(out, NEURON_CALIBRATION).to_pandas()

    assert set(table["world"]) == {"random_walks", "decaying_steps", "run_correlation"}
    walks = table[(table["world"] == "random_walks") & (table["effect"] == 0)]
    plain = walks[(walks["test"] == "neuron") & (walks["lags"] == "1") & ~walks["fixed_effects"]]
    rate = plain.set_index(["difference", "reference", "small_sample"])["rejected"]
    # Levels of walks are spurious; each correction lowers the rate.
    assert rate["levels", "normal", False] > 0.25 > rate["within", "normal", False] > rate["within", "t", True] > 0.03
    counts = walks[walks["test"].str.startswith("counts")].iloc[0]
    assert abs(counts["rejected"] - 0.05) < 4 * np.sqrt(0.05 * 0.95 / counts["studies"])
    planted = table[(table["world"] == "random_walks") & (table["effect"] == 0.8)].set_index("test")
    assert planted.loc["neuron", "power"] > planted.loc["bonferroni", "power"] > 0.3
    assert planted.loc["bonferroni", "false_discovery"] < planted.loc["neuron", "false_discovery"]
    assert planted.loc["benjamini_hochberg", "rejected"] < planted.loc["neuron", "rejected"]


def test_calibration_of_the_papers_shape_has_the_known_rates(tmp_path):
    # Six rounds of eleven generations; rates of independent random walks at 5%, normal reference without correction in
    # levels 40%, across 16%, within 7.7%, and within with a t reference 6.9%; each known to about one per cent.
    from bias_amplification.neurons.calibrate import options, simulate
    from bias_amplification.neurons.regress import regress

    shape = ([name for name in "abcdef" for _ in range(11)], [*range(11)] * 6)
    x, y = simulate("random_walks", shape, 1000, 20, np.zeros((60, 0)), np.random.default_rng(5))
    known = {
        RegressionSettings("levels", 1, "normal", False): 0.40,
        RegressionSettings("across", 1, "normal", False): 0.16,
        RegressionSettings("within", 1, "normal", False): 0.077,
        RegressionSettings("within", 1, "t", False): 0.069,
    }
    assert known.keys() <= set(options(RegressionSettings()))
    for settings, rate in known.items():
        rows = make_rows(*shape, settings.difference)
        p_values = regress(x.reshape(66, -1), np.repeat(y, 20, axis=1), rows, settings).p_value
        assert (p_values < 0.05).mean() == pytest.approx(rate, abs=0.02 if rate > 0.1 else 0.01)
