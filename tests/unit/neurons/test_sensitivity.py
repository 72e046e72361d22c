"""Counts under every combination of choices, from files to files."""

import pytest
from random_studies import write_study

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_SENSITIVITY
from bias_amplification.neurons.analyse import analyse_batches
from bias_amplification.neurons.panel import measure_columns, read_outcomes, stream_batches
from bias_amplification.neurons.sensitivity import compare_choices
from bias_amplification.neurons.sets import count_sets
from bias_amplification.study.sections import Neurons, Permutations, Quality

COUNTS = ["tested", "bias", "quality", "both", "expected_both"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study in which half of layer 1's weights follow bias."""
    return write_study(tmp_path_factory.mktemp("study"), width=12, following=6)


@pytest.fixture(scope="module")
def corrected(study, tmp_path_factory):
    """The table of a study with a normal reference and the small-sample correction."""
    return compare(study, tmp_path_factory.mktemp("corrected"), reference="normal", alpha=0.2)


def compare(study, folder, **choices):
    permutations = Permutations(schemes=[["flip"]], sensitivity=19)
    out = folder / "sensitivity.parquet"
    compare_choices(study.panel, study.neurons, out, Neurons(permutations=permutations, **choices), Quality(), seed=1)
    return read_table(out, NEURON_SENSITIVITY).to_pandas()


def count(study, measure, quality="class", **choices):
    """Count the sets of one measure without permutations."""
    settings = Neurons(**choices)
    outcomes = read_outcomes(study.panel, len(study.neurons))
    batches = stream_batches(study.neurons, list(measure_columns(settings).values()))
    _, analyses = analyse_batches(batches, outcomes, settings, Quality(score=quality))
    bias, quality = (analyses[measure, outcome].slopes.p_value for outcome in ("bias", "quality"))
    counted = count_sets(bias, quality, settings.alpha)
    return [counted[name] for name in COUNTS]


def test_there_is_a_row_for_every_combination(study, tmp_path):
    table = compare(study, tmp_path)

    keys = ["column", "bias_measure", "quality_measure", "difference", "reference", "fixed_effects"]
    assert len(table) == len(table.drop_duplicates(keys)) == 4 * 2 * 2 * (3 + 1) * 2
    named = table[table["named"].notna()]
    assert named.index.tolist() == [*range(len(named))]
    assert set(named["named"]) == {"this study", "paper", "published code"}
    own = named[named["named"] == "this study"].set_index("column")
    assert sorted(own.index) == ["activation_ffn", "weight_mean"]
    assert own.loc["weight_mean", COUNTS].tolist() == count(study, "weight")
    choices = {"difference": "levels", "reference": "normal", "small_sample": False, "fixed_effects": "none"}
    choices |= {"activation": "block"}
    code = named[(named["named"] == "published code") & (named["bias_measure"] == "share")].set_index("measure")
    for measure in ("weight", "activation"):
        assert code.loc[measure, COUNTS].tolist() == count(study, measure, "weighted", **choices)


def test_rows_with_other_lags_are_not_named_after_the_paper(study, tmp_path):
    assert compare(study, tmp_path, lags=2)["named"].dropna().unique().tolist() == ["this study"]


@pytest.mark.parametrize("measure", ["weight", "activation"])
def test_the_row_of_this_study_has_its_own_correction(study, corrected, measure):
    choices = {"reference": "normal", "alpha": 0.2}

    rows = corrected[corrected["measure"] == measure]
    own, paper = rows[rows["named"] == "this study"], rows[rows["named"] == "paper"]

    assert own[COUNTS].to_numpy().tolist() == [count(study, measure, **choices)]
    assert (own["reference"].item(), own["small_sample"].item()) == ("normal", True)
    assert set(paper["small_sample"]) == {False}
    assert paper.iloc[0][COUNTS].tolist() == count(study, measure, small_sample=False, fixed_effects="none", **choices)


def test_the_correction_changes_the_counts(study):
    choices = {"reference": "normal", "alpha": 0.2}

    counts = [
        [count(study, measure, small_sample=corrected, **choices) for measure in ("weight", "activation")]
        for corrected in (True, False)
    ]

    assert counts[0] != counts[1]


@pytest.mark.parametrize(
    ("rounds", "generations", "lags"), [(1, 1, "newey_west"), (1, 3, "andrews"), (2, 2, 1), (1, 4, "newey_west")]
)
def test_a_study_that_is_too_small_has_no_tests(tmp_path, rounds, generations, lags):
    study = write_study(tmp_path, rounds=rounds, generations=generations, width=4)

    table = compare(study, tmp_path, lags=lags)

    tested = table[(table["difference"] == "within") & (table["fixed_effects"] == "none")]["tested"]
    assert tested.max() == 0 if rounds * (generations - 1) < 3 else tested.min() > 0
