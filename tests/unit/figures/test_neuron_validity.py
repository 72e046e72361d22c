"""Tests that are not valid in a run's own world are named and marked."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from reliability_tables import make_calibration, make_world

from bias_amplification.figures.neuron_nulls import counts
from bias_amplification.figures.neuron_validity import mark_single_tests, not_valid_here, validity_in_words


def test_only_tests_that_fail_in_a_world_like_the_run_are_named():
    nothing = {"flip_generations": {}, "exchange": {}, "": {}}
    assert not_valid_here(make_calibration(0.05), make_world()) == nothing
    assert not_valid_here(make_calibration(0.2), make_world()) == nothing | {"flip_generations": {"count of bias": 0.2}}
    elsewhere = make_calibration(0.05)
    elsewhere.loc[elsewhere["world"] == "random_walks", ["rejected", "valid"]] = [0.3, False]
    assert not_valid_here(elsewhere, make_world("shared_50")) == nothing
    found = not_valid_here(elsewhere, make_world("random_walks"))
    assert found["exchange"] == {"count of bias": 0.3} and found[""] == {"neuron": 0.3}


def test_only_the_studys_own_test_of_one_neuron_counts():
    calibration = make_calibration(0.05)
    other = calibration[calibration["test"] == "neuron"].assign(lags="andrews", rejected=0.4, valid=False)
    # Counts with the plug-in rule's lags have a mark of their own.
    plugin = other.assign(lags="plugin", rejected=0.3)

    found = [not_valid_here(pd.concat([calibration, *more]), make_world())[""] for more in ([other], [other, plugin])]

    assert found == [{}, {"neuron, plug-in lags": 0.3}]


def test_a_world_decides_by_its_larger_rate_and_planted_rows_of_one_neuron_do_not():
    calibration = make_calibration(0.2)
    nearest = calibration["world"].eq("random_walks") & calibration["scheme"].eq("flip_generations")
    calibration.loc[nearest, ["rejected", "valid"]] = [0.3, False]
    planted = calibration[calibration["test"] == "neuron"].assign(effect=0.5, valid=False, rejected=0.9)

    found = not_valid_here(pd.concat([planted, calibration]), make_world("random_walks"))

    assert found["flip_generations"] == {"count of bias": 0.3} and found[""] == {}
    own = not_valid_here(calibration, make_world("shared_50"))
    assert own["flip_generations"] == {"count of bias": 0.2}


def test_the_page_and_the_marks_agree_where_the_nearest_world_is_unknown():
    unknown = make_world().assign(nearest=None, fits=None, distance=None)
    sentence = validity_in_words(make_calibration(0.2), unknown)

    assert not_valid_here(make_calibration(0.2), unknown)["flip_generations"] == {"count of bias": 0.2}
    assert "Too few neurons" in sentence and "with its own neurons: count of bias (20%)" in sentence
    nothing = make_calibration(0.2)
    nothing = nothing[nothing["world"] != "own_neurons"]
    assert "not known whether the tests are valid" in validity_in_words(nothing, unknown)
    assert not any(not_valid_here(nothing, unknown).values())


def test_claims_about_many_neurons_are_named_on_the_page_and_above_the_figure_that_makes_them():
    many = {"any neuron, benjamini_hochberg": 0.43, "neuron, plug-in lags": 0.2}
    calibration = make_calibration(0.05)
    rows = [calibration[calibration["test"] == "neuron"].assign(test=name, rejected=rate, valid=False, lags="1")
            for name, rate in many.items()]  # fmt: skip

    figure = mark_single_tests(Figure(), {"": many}, ["any neuron, benjamini_hochberg"])

    assert figure.get_suptitle() == "Not valid here without permutations: any neuron, benjamini_hochberg (43%)."
    assert mark_single_tests(Figure(), {"": many}).get_suptitle() == ""
    page = validity_in_words(pd.concat([calibration, *rows]), make_world())
    assert page.endswith(
        "Not valid here without permutations: any neuron, benjamini_hochberg (43%), neuron, plug-in lags (20%)."
    )


def test_figures_of_single_tests_say_that_they_are_not_valid():
    figures = [mark_single_tests(Figure(), {"": tests}) for tests in ({}, {"neuron": 0.3})]

    assert [figure.get_suptitle() for figure in figures] == [
        "",
        "Not valid here: in simulated studies like this run, the test of one neuron finds 30% of the neurons that are "
        "not associated.",
    ]


def test_the_sentence_names_the_world_and_the_tests():
    good, bad = (validity_in_words(make_calibration(rate), make_world("shared_50")) for rate in (0.05, 0.2))

    assert "most like 'shared 50'" in good and "No test by the permutations that decide is clearly wrong" in good
    assert "Not valid here" in bad and "count of bias (20%)" in bad


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_panel_of_a_test_that_is_not_valid_says_so(rate):
    generator = np.random.default_rng(0)
    null = pd.DataFrame({name: generator.integers(0, 9, 20) for name in ("bias", "quality", "both")})
    null = null.assign(scheme="flip_generations", measure="weight", permutation=range(20))
    row = {"scheme": "flip_generations", "measure": "weight", "layer": np.nan}
    overlap = pd.DataFrame([row | dict.fromkeys(("p_bias", "p_quality", "p_both"), 0.5)])

    figure = counts(null, overlap, not_valid_here(make_calibration(rate), make_world()))

    notes = [" ".join(text.get_text() for text in axes.texts) for axes in figure.axes]
    assert ["not valid here" in note for note in notes] == [rate > 0.08, False, False]
    assert "signs of generations flipped" in str([text.get_text() for text in figure.legends[0].get_texts()])


def test_a_world_that_does_not_fit_marks_nothing():
    elsewhere = make_calibration(0.05)
    elsewhere.loc[elsewhere["world"] == "random_walks", ["rejected", "valid"]] = [0.3, False]
    unlike = make_world("random_walks").assign(fits=False)

    assert not any(not_valid_here(elsewhere, unlike).values())
    assert "in simulated studies with its own neurons" in validity_in_words(elsewhere, unlike)
