"""What the catalogue of figures takes from the config."""

import pytest

from bias_amplification.figures.catalogue import catalogue
from bias_amplification.study import Plan, read_study


def entries(config):
    return catalogue(Plan(read_study(config)))


def test_the_headline_measure_is_what_figures_of_bias_show(shipped):
    share, mean = (entries(shipped(figures={"bias": measure})) for measure in ("share", "mean_probability"))

    changed = {name for name in share if share[name] != mean[name]}
    assert changed == {"figure_2", "figure_3", "figure_5", "figure_6", "figure_7"}
    assert mean["figure_3"].arguments["columns"] == ["mean_probability_right", "text_quality_index"]
    assert share["figure_3"].arguments["columns"] == ["share_right", "text_quality_index"]
    assert mean["figure_2"].arguments["measure"] == "mean_probability"
    assert mean["figure_6"].caption.startswith("Mean probability of center")


def test_the_quality_score_is_that_of_figures_and_regressions(shipped):
    own, weighted = (entries(shipped(quality={"score": score})) for score in ("class", "weighted"))

    assert {name for name in own if own[name] != weighted[name]} == {"figure_3", "figure_5", "figure_8"}
    assert weighted["figure_3"].arguments["columns"][-1] == "text_quality_index_weighted"
    assert weighted["figure_8"].arguments["column"] == "quality_weighted"


def test_published_lines_are_drawn_where_a_published_round_is_and_by_a_switch(shipped):
    drawn, without = (entries(shipped(figures={"published": wanted})) for wanted in (True, False))

    figures = {"figure_3", "figure_5", "figure_6", "figure_7", "figure_9"}
    assert {name for name, entry in drawn.items() if entry.shipped} == figures
    assert {name for name, entry in without.items() if entry.shipped} == set()
    assert drawn["figure_5"].arguments["published_rounds"] == {
        "center_synthetic": "center_synthetic", "center_preservation": "center_preservation",
    }  # fmt: skip
    assert "in direction alone (the corpus is press" in drawn["figure_3"].caption
    sources = drawn["figure_3"].sources("out")
    assert sources["metrics_file"] == "out/metrics.parquet"
    assert sources["published_file"].endswith("resources/published/trajectories.csv")


def test_a_study_of_other_labels_has_no_published_lines(config):
    found = entries(config)

    assert {name for name, entry in found.items() if entry.shipped} == set()
    assert {"comparison", "comparison_summary"} <= set(found)


@pytest.mark.parametrize("names", [("paper",), ("authors",)])
def test_in_the_papers_own_study_levels_are_compared(shipped, names):
    found = entries(shipped(*names))

    assert "direction alone" not in found["figure_6"].caption
    assert ("direction alone" in found["figure_3"].caption) == (names == ("paper",))
