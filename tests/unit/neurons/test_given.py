"""p-values that come from elsewhere."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bias_amplification import RESOURCES
from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.given import compare_p_values


def write_published_like(folder):
    """p-values with the published counts: 3,243 and 1,033 of 9,216 below .05, 389 of them both."""
    generator = np.random.default_rng(0)
    first, second = np.full(9216, False), np.full(9216, False)
    order = generator.permutation(9216)
    first[order[:3243]] = True
    second[np.concatenate([order[:389], order[3243 : 3243 + 1033 - 389]])] = True
    for name, chosen in (("bias", first), ("quality", second)):
        p = np.where(chosen, generator.uniform(0, 0.0499, 9216), generator.uniform(0.0501, 1, 9216))
        layer, neuron = np.divmod(np.arange(9216), 768)
        pd.DataFrame({"layer": layer, "neuron": neuron, "p": p}).to_csv(folder / f"{name}.csv", index=False)
    return folder / "bias.csv", folder / "quality.csv"


def test_the_published_counts_are_what_chance_gives(tmp_path):
    table = compare_p_values(*write_published_like(tmp_path))

    whole = table[table["layer"] == "all"].iloc[0]
    assert (whole["bias"], whole["quality"], whole["both"]) == (3243, 1033, 389)
    assert whole["expected_both"] == pytest.approx(363.5, abs=0.05)
    assert whole["p_overlap"] == pytest.approx(0.042, abs=0.0005)
    assert whole["verdict"] == "no more distinct than chance"
    assert whole["both_low"] < 389 <= whole["both_high"]
    assert len(table) == 13
    assert table.loc[table["layer"] != "all", "both"].sum() == 389


def test_neurons_may_stand_in_any_order(tmp_path):
    files = write_published_like(tmp_path)
    expected = compare_p_values(*files)
    pd.read_csv(files[1]).sample(frac=1, random_state=3).to_csv(files[1], index=False)

    pd.testing.assert_frame_equal(compare_p_values(*files), expected)


def test_the_command_prints_the_counts(tmp_path):
    command = [sys.executable, "-m", "bias_amplification.neurons.given", *write_published_like(tmp_path)]
    said = subprocess.run(
        command, cwd=RESOURCES.parent, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=True
    )

    assert "389" in said.stdout
    assert "no more distinct than chance" in said.stdout


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("layer,unit,p\n0,0,0.1\n", "has no column neuron"),
        ("layer,neuron,p\n0,0,0.1\n0,1,1.5\n", "row 3 has the p-value 1.5"),
        ("layer,neuron,p\n0,0,0.1\n0,1,high\n", "row 3 has the p-value high"),
        ("layer,neuron,p\n0,0,0.1\n0,0,0.2\n", "row 3 has neuron 0 of layer 0 for the second time"),
        ("", "cannot be read as a CSV"),
        ("layer,neuron,p\n0,7,0.1\n", "differ in neuron"),
        ("layer,neuron,p\nh.0,7,0.1\n", "differ in neuron"),
        ("layer,neuron,p\n0,0,True\n0,1,False\n", "row 2 has the p-value True"),
        ("layer,neuron,p\n0,0,0.1\n,1,0.2\n", "row 3 has no layer"),
    ],
)
def test_a_fault_is_named(tmp_path, text, fault):
    good, bad = write_published_like(tmp_path)
    bad.write_text(text)

    with pytest.raises(StudyError, match=fault):
        compare_p_values(good, bad)


def test_what_has_no_p_value_is_not_tested(tmp_path):
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    files[0].write_text("layer,neuron,p\n0,0,0.01\n0,1,\n0,2,0.5\n")
    files[1].write_text("layer,neuron,p\n0,0,0.01\n0,1,0.01\n0,2,0.5\n")

    row = compare_p_values(*files).iloc[0]

    assert (row["tested_bias"], row["tested"], row["quality"], row["both"]) == (2, 2, 2, 1)


def test_named_layers_keep_the_files_order(tmp_path):
    names = [f"h.{number}" for number in range(12)]
    text = "layer,neuron,p\n" + "".join(f"{name},0,0.5\n" for name in names)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(text)

    assert compare_p_values(tmp_path / "a.csv", tmp_path / "b.csv")["layer"].tolist() == ["all", *names]


def test_sets_in_the_same_layer_are_compared_within_it(tmp_path):
    # Both sets stand in the first of ten layers, and are independent there: 50 x 50 of 100.
    layer, neuron = np.divmod(np.arange(1000), 100)
    for name, below in (("a.csv", neuron < 50), ("b.csv", (neuron >= 25) & (neuron < 75))):
        p = np.where((layer == 0) & below, 0.01, 0.5)
        pd.DataFrame({"layer": layer, "neuron": neuron, "p": p}).to_csv(tmp_path / name, index=False)

    whole = compare_p_values(tmp_path / "a.csv", tmp_path / "b.csv").iloc[0]

    assert (whole["both"], whole["expected_both"], whole["expected_by_layer"]) == (25, 2.5, pytest.approx(25))
    assert whole["verdict"] == "no more distinct than chance"
    assert whole["both_low"] < 25 < whole["both_high"]


def test_sets_that_cannot_but_overlap_get_no_verdict(tmp_path):
    text = "layer,neuron,p\n" + "".join(f"0,{neuron},0.01\n" for neuron in range(50))
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(text)

    assert (
        compare_p_values(tmp_path / "a.csv", tmp_path / "b.csv")["verdict"].tolist() == ["too few neurons to tell"] * 2
    )
