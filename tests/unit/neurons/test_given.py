"""p-values that were computed elsewhere."""

import numpy as np
import pandas as pd
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.given import compare_p_values

VERDICT = "not told apart from chance"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """p-values with the published counts: 3,243 and 1,033 of 9,216 below .05, 389 of them both."""
    folder = tmp_path_factory.mktemp("published")
    generator = np.random.default_rng(0)
    first, second = np.full(9216, False), np.full(9216, False)
    order = generator.permutation(9216)
    first[order[:3243]] = True
    second[np.concatenate([order[:389], order[3243 : 3243 + 1033 - 389]])] = True
    layer, neuron = np.divmod(np.arange(9216), 768)
    return [
        write(
            folder / f"{name}.csv",
            layer=layer,
            neuron=neuron,
            p=np.where(chosen, generator.uniform(0, 0.0499, 9216), generator.uniform(0.0501, 1, 9216)),
        )
        for name, chosen in (("bias", first), ("quality", second))
    ]


@pytest.fixture
def files(tmp_path):
    """p-values of two layers of 60 neurons; 12 in the first set, 20 in the second, 6 in both."""
    layer, neuron = np.divmod(np.arange(120), 60)
    return [
        write(tmp_path / f"{name}.csv", layer=layer, neuron=neuron, p=np.where(below, 0.01 + neuron / 2000, 0.5))
        for name, below in (("a", neuron < 6), ("b", (neuron >= 3) & (neuron < 13)))
    ]


def write(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_the_published_counts_are_those_of_chance(published):
    table = compare_p_values(*published)

    whole = table[table["layer"] == "all"].iloc[0]
    assert (whole["bias"], whole["quality"], whole["both"]) == (3243, 1033, 389)
    assert whole["expected_both"] == pytest.approx(363.5, abs=0.05)
    assert whole["p_overlap"] == pytest.approx(0.042, abs=0.0005)
    assert whole["verdict"] == VERDICT
    assert whole["both_low"] < 389 <= whole["both_high"]
    assert len(table) == 13
    assert table.loc[table["layer"] != "all", "both"].sum() == 389


def test_the_order_of_neurons_does_not_matter(files):
    expected = compare_p_values(*files)
    pd.read_csv(files[1]).sample(frac=1, random_state=3).to_csv(files[1], index=False)

    found = compare_p_values(*files)

    assert found["both"].tolist() == [6, 3, 3]
    pd.testing.assert_frame_equal(found, expected)


def test_alpha_is_the_level_of_the_tests(files):
    table = compare_p_values(*files, alpha=0.011)

    assert table["layer"].tolist() == ["all", 0, 1]
    assert table["bias"].tolist() == [6, 3, 3]  # p = .01, .0105, .011, .0115, ...


@pytest.mark.parametrize("layer", ["0", "h.0"])
def test_other_neurons_are_refused(files, layer):
    good, other = files
    other.write_text(f"layer,neuron,p\n{layer},7,0.1\n")

    with pytest.raises(StudyError, match="differ in neuron"):
        compare_p_values(good, other)


@pytest.mark.parametrize("alpha", [0, 1, 2, -1, float("nan"), float("inf")])
def test_alpha_lies_between_0_and_1(files, alpha):
    with pytest.raises(StudyError, match=f"^alpha is {alpha:g}, which is no level of a test: give a number"):
        compare_p_values(*files, alpha=alpha)


def test_a_p_value_of_exactly_alpha_counts_in_the_set_and_in_its_chance(tmp_path):
    files = [write(tmp_path / f"{name}.csv", layer=0, neuron=range(40), p=[0.05] * 10 + [0.6] * 30) for name in "ab"]

    row = compare_p_values(*files, alpha=0.05).iloc[0]

    assert (row["bias"], row["quality"], row["both"]) == (10, 10, 10)
    assert row["expected_by_layer"] == pytest.approx(10 * 10 / 40) == row["expected_both"]


def test_p_values_may_be_integers(tmp_path):
    first = write(tmp_path / "a.csv", layer=0, neuron=range(40), p=[0, 1] * 20)
    second = write(tmp_path / "b.csv", layer=0, neuron=range(40), p=[0, 0, 1, 1] * 10)

    row = compare_p_values(first, second).iloc[0]

    assert row[["bias", "quality", "both", "bias_bonferroni", "both_by"]].tolist() == [20, 20, 10, 20, 10]


def test_a_neuron_without_a_p_value_is_not_tested(tmp_path):
    first = write(tmp_path / "a.csv", layer=[0, 0, 0], neuron=[0, 1, 2], p=[0.01, None, 0.5])
    second = write(tmp_path / "b.csv", layer=[0, 0, 0], neuron=[0, 1, 2], p=[0.01, 0.01, 0.5])

    row = compare_p_values(first, second).iloc[0]

    assert (row["tested_bias"], row["tested"], row["quality"], row["both"]) == (2, 2, 2, 1)


def test_layers_with_names_keep_the_order_of_the_file(tmp_path):
    names = [f"h.{number}" for number in range(12)]
    files = [write(tmp_path / f"{file}.csv", layer=names, neuron=0, p=0.5) for file in "ab"]

    assert compare_p_values(*files)["layer"].tolist() == ["all", *names]


def test_sets_in_the_same_layer_are_compared_within_it(tmp_path):
    # Both sets are in the first of ten layers, and are independent there: 50 x 50 of 100.
    layer, neuron = np.divmod(np.arange(1000), 100)
    files = [
        write(tmp_path / name, layer=layer, neuron=neuron, p=np.where((layer == 0) & below, 0.01, 0.5))
        for name, below in (("a.csv", neuron < 50), ("b.csv", (neuron >= 25) & (neuron < 75)))
    ]

    whole = compare_p_values(*files).iloc[0]

    assert (whole["both"], whole["expected_both"], whole["expected_by_layer"]) == (25, 2.5, pytest.approx(25))
    assert whole["verdict"] == VERDICT
    assert whole["both_low"] < 25 < whole["both_high"]


def test_sets_of_all_neurons_get_no_verdict(tmp_path):
    files = [write(tmp_path / f"{name}.csv", layer=0, neuron=np.arange(50), p=0.01) for name in "ab"]

    assert compare_p_values(*files)["verdict"].tolist() == ["too few neurons to tell"] * 2
