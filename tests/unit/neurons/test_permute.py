"""Null distributions from files to files."""

import numpy as np
import pytest
from random_studies import write_panel, write_study

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import (
    NEURON_NULL,
    NEURON_OVERLAP,
    NEURON_PERMUTED,
    NEURON_REGRESSION,
    NEURON_SETS,
)
from bias_amplification.neurons.analyse import AnalysisFiles, analyse_neurons
from bias_amplification.neurons.panel import read_outcomes
from bias_amplification.neurons.permute import PermutationFiles, permute_outcomes
from bias_amplification.study.sections import Neurons, Permutations, Quality

ROUNDS = 4
ALL_MOVES = "shift+flip+exchange"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study in which a third of layer 1's weights follow bias."""
    return write_study(tmp_path_factory.mktemp("study"), rounds=ROUNDS, following=10)


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """The tables of the study's null distributions."""
    return permute(study, tmp_path_factory.mktemp("finished"))


def permute(study, out, number=199, **choices):
    schemas = {"null": NEURON_NULL, "overlap": NEURON_OVERLAP, "permuted": NEURON_PERMUTED}
    files = PermutationFiles(**{name: out / f"{name}.parquet" for name in schemas})
    permutations = Permutations(schemes=[["shift", "flip", "exchange"], ["flip"]], number=number)
    settings = Neurons(permutations=permutations, **choices)
    permute_outcomes(study.panel, study.neurons, files, settings, Quality(), seed=1)
    return [read_table(file, schema).to_pandas() for file, schema in zip(files, schemas.values(), strict=True)]


def analyse(study, out, **choices):
    files = AnalysisFiles(*(out / f"{name}.parquet" for name in ("correlations", "regression", "sets")))
    analyse_neurons(study.panel, study.neurons, files, Neurons(**choices), Quality())
    sets = read_table(files.sets, NEURON_SETS).to_pandas().set_index("measure")
    return read_table(files.regression, NEURON_REGRESSION).to_pandas(), sets


def with_quality(study, folder, quality):
    """Replace both measures of quality."""
    outcomes = {**study.outcomes, "quality_class": quality, "quality_weighted": quality}
    write_panel(folder / "panel.parquet", read_outcomes(study.panel, len(study.neurons)).versions, outcomes)
    return study._replace(panel=folder / "panel.parquet")


def test_the_unpermuted_outcomes_give_the_analysis_itself(study, finished, tmp_path):
    regression, sets = analyse(study, tmp_path)
    null, overlap, permuted = finished

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


def test_planted_neurons_are_found_and_others_are_not(finished):
    _, overlap, permuted = finished

    weights = overlap[(overlap["measure"] == "weight") & (overlap["scheme"] == ALL_MOVES)]
    by_layer = weights.set_index("layer")
    assert by_layer.loc[1, "p_bias"] <= 0.05 < by_layer.loc[0, "p_bias"]
    assert by_layer.loc[1, "bias"] >= 10 > by_layer.loc[0, "bias"]
    planted = permuted.query("measure == 'weight' and outcome == 'bias' and layer == 1 and neuron < 10")
    assert len(planted) == 10
    assert (planted["p_value_familywise"] <= 0.05).all()
    whole = weights[weights["layer"].isna()].iloc[0]
    assert whole["bias_familywise"] >= 10
    assert whole["quality_familywise"] == 0


def test_a_scheme_with_few_permutations_lists_them_all(finished):
    null, overlap, _ = finished

    assert (null["scheme"] == "flip").sum() == 2 * 2**ROUNDS
    assert overlap.groupby("scheme")["complete"].all().to_dict() == {"flip": True, ALL_MOVES: False}


def test_the_same_seed_gives_the_same_bytes(study, tmp_path):
    for run in "ab":
        permute(study, tmp_path / run, number=50)

    for name in ("null", "overlap", "permuted"):
        first, second = (tmp_path / run / f"{name}.parquet" for run in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_statistics_without_a_test_are_null(study, tmp_path):
    still = with_quality(study, tmp_path, np.full(len(study.neurons), 2.5))

    null, overlap, _ = permute(still, tmp_path, number=99)

    whole = overlap[overlap["layer"].isna()]
    compared = [f"{name}{end}" for name in ("rank_agreement", "same_sign") for end in ("", "_low", "_high", "_null")]
    compared += ["p_rank_agreement", "p_same_sign", "p_quality", "p_both", "p_matched", "p_matched_fewer"]
    of_all = ["threshold_quality", "quality_familywise", "expected_both", "expected_by_layer"]
    assert whole[compared + of_all].isna().all(axis=None)
    assert overlap[compared].isna().all(axis=None)
    assert overlap[["p_bias"]].notna().all(axis=None)
    assert whole[["threshold_bias", "bias_familywise"]].notna().all(axis=None)
    assert set(overlap["verdict"]) == {"too few neurons to tell"}
    assert null[["rank_agreement", "same_sign", "maximum_quality"]].isna().all(axis=None)
    assert null["maximum_bias"].gt(0).all()


def test_rows_and_lags_are_those_of_each_outcome(study, tmp_path):
    quality = study.outcomes["quality_class"].copy()
    quality[:14] = np.nan
    gappy = with_quality(study, tmp_path, quality)

    _, overlap, _ = permute(gappy, tmp_path, number=99, lags="plugin")
    _, sets = analyse(gappy, tmp_path, lags="plugin")

    assert overlap[["rows_bias", "rows_quality"]].drop_duplicates().to_numpy().tolist() == [[24, 12]]
    assert overlap[["lags_bias", "lags_quality"]].drop_duplicates().to_numpy().tolist() == [[2, 2]]
    assert sets[["rows", "lags", "lags_plugin"]].to_numpy().tolist() == [[24, 2, 2]] * 2
    whole = overlap[overlap["layer"].isna() & (overlap["scheme"] == ALL_MOVES)].set_index("measure")
    for name in ("bias", "quality", "both", "tested", "expected_both"):
        assert whole[name].to_dict() == sets[name].to_dict()


def test_few_permutations_give_no_verdict(study, tmp_path):
    _, overlap, _ = permute(study, tmp_path, number=999, alpha=0.5)

    said = overlap[overlap["layer"].isna()].groupby("scheme")["verdict"].agg(set).to_dict()
    # Four rounds have 16 flips, and a flip of all changes alters no statistic.
    assert said["flip"] == {"too few permutations to tell"}
    assert not said[ALL_MOVES] & {"too few permutations to tell", "too few neurons to tell"}


@pytest.mark.parametrize(("rounds", "generations"), [(1, 1), (1, 2), (1, 3), (3, 1), (2, 2), (1, 4)])
@pytest.mark.parametrize("lags", [1, "plugin", "newey_west", "andrews"])
def test_a_study_that_is_too_small_has_no_tests(tmp_path, rounds, generations, lags):
    study = write_study(tmp_path, rounds=rounds, generations=generations, width=6)

    null, overlap, permuted = permute(study, tmp_path, number=19, lags=lags)
    regression, _ = analyse(study, tmp_path, lags=lags)

    transitions = rounds * (generations - 1)
    if transitions < 3:
        assert null["bias"].max() == overlap["tested"].max() == 0
        assert permuted["p_value_permutation"].isna().all() and regression["p_value"].isna().all()
        assert regression["reason"].notna().all()
    else:
        assert overlap["tested"].max() > 0 and regression["p_value"].notna().any()
    if transitions == 0:
        assert set(overlap["verdict"]) == {"too few neurons to tell"}
