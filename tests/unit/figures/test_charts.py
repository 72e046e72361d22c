"""Charts of trajectories: their points, their looks and their words."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import vl_convert

from bias_amplification.figures import style
from bias_amplification.figures.charts import DASHES, PUBLISHED, SHAPES, Shown, TrajectoryChart, mark

BALANCED = ["balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation"]


def points(spec, kind="run"):
    """Return the points of a kind, of the layer that has points."""
    layer = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "point")
    rows = spec["datasets"][layer["data"]["name"]]
    return pd.DataFrame([row for row in rows if row["kind"] == kind])


def scale(spec, channel):
    """Return the scale of a channel, as a dictionary."""
    found = next(layer["encoding"][channel]["scale"] for layer in spec["layer"] if channel in layer["encoding"])
    return dict(zip(found["domain"], found["range"], strict=True))


def test_points_are_the_values_and_intervals_of_the_table(metrics):
    chart = TrajectoryChart(metrics, Shown(["share_blue", "text_quality_index"], BALANCED))

    for column in chart.columns:
        found = points(chart.spec(column)).set_index(["round", "generation"])
        assert len(found) == 44
        for name in BALANCED:
            rows = metrics[metrics["round"] == name].set_index("generation")
            np.testing.assert_array_equal(found.loc[name, "value"], rows[column])
            np.testing.assert_array_equal(found.loc[name, "low"], rows[f"{column}_low"])
            np.testing.assert_array_equal(found.loc[name, "high"], rows[f"{column}_high"])


def test_what_is_said_of_a_point_is_in_the_table_of_values(metrics):
    chart = TrajectoryChart(metrics, Shown(["share_blue"], BALANCED), unit="post")
    row = metrics[(metrics["round"] == BALANCED[2]) & (metrics["generation"] == 3)].iloc[0]
    numbers = [f"{100 * row['share_blue' + end]:.1f}" for end in ("", "_low", "_high")]
    measured = f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"

    found = points(chart.spec("share_blue")).set_index(["round", "generation"]).loc[(BALANCED[2], 3)]
    assert found["said"] == f"preservation, generation 3: {measured}"
    html = chart.html("figure_3", "<Shares>")
    assert f'<th scope="row">preservation</th><td class="number">3</td><td class="number">{measured}</td>' in html
    assert "Posts labelled blue (%)" in html and "&lt;Shares&gt;" in html and "<Shares>" not in html
    specs = json.loads(re.search(r'<script type="application/json" id="figure_3-charts">(.*)</script>', html)[1])
    assert specs == [chart.spec("share_blue")]


def test_rounds_look_as_in_the_figures_and_can_be_chosen(metrics):
    rounds = ["balanced_synthetic", "green_synthetic", "balanced_preservation"]
    chart = TrajectoryChart(metrics, Shown(["share_blue"], rounds))
    looks, spec = style.round_appearance(metrics, rounds), chart.spec("share_blue")

    assert scale(spec, "color") == {name: look["color"] for name, look in looks.items()}
    assert scale(spec, "shape") == {name: SHAPES[look["marker"]] for name, look in looks.items()}
    assert scale(spec, "strokeDash") == {name: DASHES[look["linestyle"]] for name, look in looks.items()}
    html = chart.html("figure", "t")
    assert re.findall(r'<input type="checkbox" value="([^"]+)" checked>', html) == rounds
    for look in looks.values():
        assert mark(look) in html
    assert {param["name"]: param.get("value") for param in spec["params"]}["shown"] == [*rounds, PUBLISHED]


def test_every_marker_of_the_figures_has_a_shape():
    assert {*style.MARKERS, *style.CONTROL_MARKERS} <= set(SHAPES) and set(style.LINES) == set(DASHES)


def test_published_points_end_with_the_run_and_are_named(metrics):
    published = metrics.assign(round="their_" + metrics["round"])
    published["share_blue"] += 0.1
    own = metrics[(metrics["generation"] <= 4) | metrics["generation"].isna()]
    counterparts = {"balanced_synthetic": "their_balanced_synthetic", "green_synthetic": "their_green_synthetic"}

    chart = TrajectoryChart(own, Shown(["share_blue"], BALANCED[:2], counterparts), published)

    found = points(chart.spec("share_blue"), "published")
    rows = metrics[metrics["round"] == "balanced_synthetic"].head(5)
    assert set(found["round"]) == {"balanced_synthetic"} and found["generation"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found["value"], rows["share_blue"] + 0.1)
    assert found["said"].iloc[0] == f"synthetic, published, generation 0: {100 * found['value'].iloc[0]:.1f}"
    assert f'value="{PUBLISHED}"' in chart.html("figure", "t")
    assert f'value="{PUBLISHED}"' not in TrajectoryChart(own, Shown(["share_blue"], BALANCED[:2])).html("figure", "t")


def test_replicates_are_thin_lines_behind_their_mean(metrics):
    second = metrics[metrics["round"] == BALANCED[0]].assign(replicate=2)
    second["share_blue"] += 0.02
    chart = TrajectoryChart(pd.concat([metrics, second]), Shown(["share_blue"], BALANCED[:2]))

    spec = chart.spec("share_blue")
    each, means = points(spec, "replicate"), points(spec).set_index(["round", "generation"])["value"]
    assert set(each["round"]) == {BALANCED[0]} and sorted(each["replicate"].unique()) == [1, 2]
    first = metrics[metrics["round"] == BALANCED[0]].set_index("generation")["share_blue"]
    np.testing.assert_allclose(means[BALANCED[0]], first + 0.01)


def test_missing_values_have_no_point_and_perplexity_is_logarithmic(metrics):
    missing = (metrics["round"] == BALANCED[0]) & (metrics["generation"] == 4)
    metrics.loc[missing, ["perplexity_base", "perplexity_base_low", "perplexity_base_high"]] = np.nan

    spec = TrajectoryChart(metrics, Shown(["perplexity_base"], BALANCED[:1])).spec("perplexity_base")

    assert points(spec)["generation"].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert {layer["encoding"]["y"]["scale"]["type"] for layer in spec["layer"]} == {"log"}


@pytest.mark.slow
def test_a_logarithmic_axis_has_a_line_for_each_label_only(metrics):
    metrics["perplexity_base"] = metrics["perplexity_base"] ** 3
    spec = TrajectoryChart(metrics, Shown(["perplexity_base"], BALANCED)).spec("perplexity_base")

    svg = vl_convert.vegalite_to_svg(spec | {"width": 300, "height": 300})

    # The grid of the y axis is the second one; labels that are not shown are empty.
    grid = re.findall(r'role-axis-grid".*?</g>', svg)[-1]
    labels = re.findall(r'role-axis-label".*?</g>', svg)[-1]
    lines = [opacity == "1" for opacity in re.findall(r'<line [^>]*opacity="([01])"', grid)]
    assert lines == [not empty for empty in re.findall(r"<text [^>]*?(/?)>", labels)]
    assert 2 <= sum(lines) <= 8 < len(lines)


@pytest.mark.slow
def test_the_chart_is_valid_for_vega_lite(metrics):
    chart = TrajectoryChart(metrics, Shown(["share_blue"], BALANCED, {name: name for name in BALANCED}), metrics)

    svg = vl_convert.vegalite_to_svg(chart.spec("share_blue"))

    # Points of the run and published ones, with all rounds shown.
    assert len(re.findall(r'aria-roledescription="point"', svg)) == 88
    for look in style.round_appearance(metrics, BALANCED).values():
        assert look["color"] in svg


@pytest.mark.parametrize("last", [2, 10, 40])
def test_the_axis_has_whole_generations_each_once(metrics, last):
    rows = metrics[metrics["round"].isin(BALANCED[:1])].sort_values("generation").iloc[[0, -1]]
    rows = rows.assign(generation=[0, last])
    spec = TrajectoryChart(rows, Shown(["share_blue"], BALANCED[:1])).spec("share_blue") | {"width": 450, "height": 260}
    labels = [int(found) for found in re.findall(r"<text[^>]*>(\d+)</text>", vl_convert.vegalite_to_svg(spec))]
    assert labels == sorted(set(labels)) and labels[0] == 0 and last - labels[-1] < 3 and len(labels) > 2
