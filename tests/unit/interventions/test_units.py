"""Sets of neurons that are changed: which are chosen, on which versions, and from which files."""

import numpy as np
import pytest
from random_studies import list_versions, write_panel, write_study
from small_models import small_gpt2

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import INTERVENTION_UNITS, INTERVENTION_UNITS_MISSING
from bias_amplification.interventions.controls import ModelFiles
from bias_amplification.interventions.units import (
    Analysed,
    Changed,
    Chosen,
    NoSet,
    all_significant,
    choose_units,
    choosing_versions,
    strongest,
)
from bias_amplification.language_model.load import save_model
from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.regress import Slopes, regress
from bias_amplification.study.sections import Interventions, Neurons, Quality

GENERATIONS, WIDTH = 7, 16
BOTH = [{"name": name, "outcome": name} for name in ("bias", "quality")]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of 4 rounds, in which 5 neurons of layer 1 follow the share of the tracked label, and two models."""
    folder = tmp_path_factory.mktemp("study")
    files = write_study(folder, generations=GENERATIONS, width=WIDTH, following=5)
    for seed in (1, 2):
        save_model(small_gpt2(seed=seed), folder / f"model {seed}")
    models = [ModelFiles(folder / f"model {seed}", files.neurons[-seed]) for seed in (1, 2)]
    return files, Changed("round 3", 1, *models)


def choose(study, tmp_path, seed=0, **settings):
    files, changed = study
    interventions = Interventions.model_validate({"sizes": [5, 8], "controls": 19, **settings})
    analysed = Analysed(files.panel, files.neurons)
    out = Chosen(tmp_path / "units.parquet", tmp_path / "units_missing.parquet")
    choose_units(analysed, changed, out, interventions, Neurons(bias="share"), Quality(), seed=seed)
    return read_table(tmp_path / "units.parquet", INTERVENTION_UNITS).to_pandas()


def members(table, name, size, control=0):
    rows = table[(table["set"] == name) & (table["size"] == size) & (table["control"] == control)]
    return list(zip(rows["layer"], rows["neuron"], strict=True))


def test_sets_are_the_strongest_neurons_of_the_other_rounds_with_controls(study, tmp_path):
    files, _ = study

    table = choose(study, tmp_path)

    others = slice(0, 3 * GENERATIONS)
    rows = make_rows(list_versions(3, GENERATIONS), "within")
    for name, column in (("bias", "share"), ("quality", "quality_class")):
        t = np.abs(regress(files.values[others, :, 0], files.outcomes[column][others], rows, Neurons()).statistic)
        for size in (5, 8):
            best = np.sort(np.argsort(-np.nan_to_num(t))[:size])
            assert members(table, name, size) == [(place // WIDTH, place % WIDTH) for place in best]
    assert members(table, "bias", 5) == [(1, neuron) for neuron in range(5)]
    assert table.groupby(["set", "size"], sort=False)["control"].nunique().to_dict() == {
        ("bias", 5): 20, ("bias", 8): 20, ("quality", 5): 20, ("quality", 8): 20,
    }  # fmt: skip
    for (_, size, _), rows in table.groupby(["set", "size", "control"]):
        assert len(rows) == size and not rows.duplicated(["layer", "neuron"]).any()
    for control in range(1, 20):
        assert not set(members(table, "bias", 5)) & set(members(table, "bias", 5, control))
    # The same seed draws the same controls, whatever other sets there are.
    alone = choose(study, tmp_path, sets=BOTH[1:])
    assert alone.equals(table[table["set"] == "quality"].reset_index(drop=True))
    assert not choose(study, tmp_path, seed=1).equals(table)


def test_a_set_may_be_chosen_on_the_changed_chain_or_on_named_rounds(study, tmp_path):
    files, _ = study
    table = choose(study, tmp_path, chosen_on="own", sizes=[8])

    own = slice(3 * GENERATIONS, None)
    rows = make_rows(list_versions(1, GENERATIONS), "within")
    t = np.abs(regress(files.values[own, :, 0], files.outcomes["share"][own], rows, Neurons()).statistic)
    best = np.sort(np.argsort(-np.nan_to_num(t))[:8])
    assert members(table, "bias", 8) == [(place // WIDTH, place % WIDTH) for place in best]
    named = choose(study, tmp_path, chosen_on=["round 0", "round 1", "round 2"])
    assert named.equals(choose(study, tmp_path))


def test_the_changed_round_cannot_choose_unless_that_is_asked_for():
    names = ("a", "a", "b", "b", "c")
    versions = Versions(names, (0, 1, 0, 1, 0), names, (1,) * 5, ("s",) * 5)
    changed = Changed("b", 1, None, None)

    chosen = {name: choosing_versions(versions, changed, name).tolist() for name in ("others", "own")}
    assert chosen == {"others": [True, True, False, False, True], "own": [False, False, True, True, False]}
    assert choosing_versions(versions, changed, ["a"]).tolist() == [True, True, False, False, False]
    with pytest.raises(StudyError, match=r"interventions\.chosen_on has b, whose neurons are changed: remove it"):
        choosing_versions(versions, changed, ["a", "b"])


def test_of_replicates_the_changed_number_is_left_out_in_all_rounds():
    rounds, replicates = ("a", "a", "a", "b", "b"), (1, 2, 3, 1, 2)
    chains = tuple(f"{name} {number}" for name, number in zip(rounds, replicates, strict=True))
    versions = Versions(chains, (0,) * 5, rounds, replicates, ("s",) * 5)

    assert choosing_versions(versions, Changed("a", 2, None, None), "others").tolist() == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert choosing_versions(versions, Changed("a", 2, None, None), "own").tolist() == [
        False, True, False, False, False,
    ]  # fmt: skip


def test_rounds_whose_held_neurons_were_found_on_the_changed_round_do_not_choose():
    rounds, replicates = ("a", "a", "h", "h", "b", "b"), (1, 2, 1, 2, 1, 2)
    alone = Versions(rounds[::2], (0,) * 3, rounds[::2], (1,) * 3, ("s",) * 3)
    replicated = Versions(tuple(map("{} {}".format, rounds, replicates)), (0,) * 6, rounds, replicates, ("s",) * 6)
    changed = Changed("a", 1, None, None, left_out=["h"])

    assert choosing_versions(alone, changed, "others").tolist() == [False, False, True]
    assert choosing_versions(replicated, changed, "others").tolist() == [False, True, False, False, False, True]
    # A chain that chooses for itself does so, whatever was found on it.
    assert choosing_versions(replicated, changed, "own").tolist() == [True] + [False] * 5


def test_the_log_names_rounds_that_are_left_out(study, tmp_path, capfd):
    files, changed = study
    without = files, changed._replace(left_out=["round 1"])

    table = choose(without, tmp_path)

    log = capfd.readouterr().out
    assert "14 of 28 versions choose (interventions.chosen_on: others)" in log
    assert "Left out, because their held neurons were found on round 3: round 1" in log
    assert table.equals(choose(study, tmp_path, chosen_on=["round 0", "round 2"]))


def slopes(statistic, p_value=None):
    statistic = np.array(statistic, dtype=float)
    missing = np.full_like(statistic, np.nan)
    reason = np.where(np.isnan(statistic), "constant outcome", "")
    return Slopes(missing, missing, statistic, missing if p_value is None else np.array(p_value), reason)


def test_kinds_of_sets():
    nan = np.nan
    found = {
        "bias": slopes([5, -4, 3, 2, 1, nan], [0.01, 0.02, 0.03, 0.2, 0.5, nan]),
        "quality": slopes([0.5, 6, -2, 2.5, nan, 9], [0.6, 0.001, 0.1, 0.05, nan, 0.001]),
    }

    assert strongest("bias", found, 3).tolist() == [0, 1, 2]
    assert strongest("quality", found, 2).tolist() == [5, 1]
    # The smaller of the two |t|: 0.5, 4, 2, 2.
    assert strongest("both", found, 3).tolist() == [1, 2, 3]
    # Not among the two strongest of quality, which are 5 and 1.
    assert strongest("bias_only", found, 2).tolist() == [0, 2]
    assert strongest("quality_only", found, 2).tolist() == [5, 3]
    with pytest.raises(NoSet, match="only 4 neurons can be chosen"):
        strongest("both", found, 5)
    chosen = {kind: all_significant(kind, found, 0.05).tolist() for kind in ("bias", "both", "bias_only")}
    assert chosen == {"bias": [0, 1, 2], "both": [1], "bias_only": [0, 2]}
    assert all_significant("quality_only", found, 0.05).tolist() == [3, 5]
    with pytest.raises(NoSet, match=r"no neuron is significant at 0\.001"):
        all_significant("bias", found, 0.001)


def test_significant_neurons_are_one_size(study, tmp_path):
    table = choose(study, tmp_path, criterion="significant", sets=BOTH[:1])

    (size,) = table["size"].unique()
    assert size >= 5 and set(members(table, "bias", 5)) <= set(members(table, "bias", size))


def test_a_file_gives_a_set(study, tmp_path):
    (tmp_path / "units.csv").write_text("neuron,layer\n3,1\n0,0\n15,1\n")
    from_file = {"name": "mine", "file": str(tmp_path / "units.csv")}

    table = choose(study, tmp_path, sets=[from_file])

    assert table["size"].unique().tolist() == [3]
    assert members(table, "mine", 3) == [(0, 0), (1, 3), (1, 15)]
    (tmp_path / "units.csv").write_text("neuron,layer\n3,1\n16,0\n")
    with pytest.raises(StudyError, match=r"row 3 has neuron 16 of layer 0, which the model does not have"):
        choose(study, tmp_path, sets=[from_file])


def test_the_columns_are_the_scores_that_controls_are_matched_by(study, tmp_path, capfd):
    table = choose(study, tmp_path, sizes=[5], sets=BOTH[:1])

    log = capfd.readouterr().out
    assert "21 of 28 versions choose (interventions.chosen_on: others)" in log
    found = table[["weight_norm", "weight_change", "activation_change"]]
    own = table["control"] == 0
    norm, change, activation = found[own].mean() - found[~own].mean()
    assert (
        f"set bias, 5 neurons: 19 controls; standardised differences of the set: weight norm {norm:+z.2f}, weight "
        f"change {change:+z.2f}, activation change {activation:+z.2f}" in log
    )


def test_sets_and_sizes_that_cannot_be_are_left_out_with_a_reason(study, tmp_path, capfd):
    table = choose(study, tmp_path, sizes=[5, 25, 40])

    log = capfd.readouterr().out
    assert table["size"].unique().tolist() == [5]
    assert "set bias, 25 neurons: left out, because layer " in log and " has too few other neurons for controls" in log
    # Neuron 3 of layer 0 never changes.
    assert "set quality, 40 neurons: left out, because only 31 neurons can be chosen" in log
    rows = read_table(tmp_path / "units_missing.parquet", INTERVENTION_UNITS_MISSING).to_pylist()
    assert [(row["set"], row["size"]) for row in rows] == [(name, n) for name in ("bias", "quality") for n in (25, 40)]
    assert rows[0]["reason"].endswith("has too few other neurons for controls")
    assert rows[3]["reason"] == "only 31 neurons can be chosen"


def without_test(study, tmp_path, kind):
    files, changed = study
    if kind == "one round":
        # Only the changed round is analysed.
        versions, kept = list_versions(1, GENERATIONS), slice(0, GENERATIONS)
        outcomes = {name: values[kept] for name, values in files.outcomes.items()}
        changed = changed._replace(round="round 0")
    else:
        versions, kept = list_versions(4, GENERATIONS), slice(None)
        outcomes = dict(files.outcomes) | {"share": np.full(4 * GENERATIONS, 0.5)}
    write_panel(tmp_path / "panel.parquet", versions, outcomes)
    return files._replace(panel=tmp_path / "panel.parquet", neurons=files.neurons[kept]), changed


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("one round", "no version is left to choose neurons on"),
        ("still outcome", "no neuron has a test on bias in the versions that choose (constant outcome)"),
    ],
)
def test_without_a_test_there_is_no_set(study, tmp_path, capfd, kind, reason):
    table = choose(without_test(study, tmp_path, kind), tmp_path)

    assert f"set bias, 5 neurons: left out, because {reason}" in capfd.readouterr().out
    assert table["set"].unique().tolist() == ([] if kind == "one round" else ["quality"])
    rows = read_table(tmp_path / "units_missing.parquet", INTERVENTION_UNITS_MISSING).to_pylist()
    assert rows[0] == {"set": "bias", "size": 5, "reason": reason}
    assert {row["set"] for row in rows} == ({"bias", "quality"} if kind == "one round" else {"bias"})
