import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.trajectories import trajectories, write_trajectories

BALANCED = ["balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation"]


def lines_by_name(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_each_line_is_its_rounds_column_of_the_table(metrics):
    figure = trajectories(metrics, ["share_blue", "text_quality_index"], BALANCED)

    assert len(figure.axes) == 2
    for axes, column in zip(figure.axes, ["share_blue", "text_quality_index"], strict=True):
        lines = lines_by_name(axes)
        assert list(lines) == ["synthetic", "overfitting", "preservation", "accumulation", "base model"]
        for name in BALANCED:
            rows = metrics[metrics["round"] == name]
            line = lines[name.removeprefix("balanced_")]
            np.testing.assert_array_equal(line.get_xdata(), np.arange(11))
            np.testing.assert_array_equal(line.get_ydata(), rows[column])


def test_bands_are_the_intervals_of_the_table(metrics):
    figure = trajectories(metrics, ["share_blue"], BALANCED)

    bands = figure.axes[0].collections
    assert len(bands) == 4
    for name, band in zip(BALANCED, bands, strict=True):
        rows = metrics[metrics["round"] == name]
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
        for generation, low, high in zip(range(11), rows["share_blue_low"], rows["share_blue_high"], strict=True):
            assert (generation, low) in corners and (generation, high) in corners


def test_the_dotted_line_is_the_base_model_of_the_same_seed_set(metrics):
    other = (metrics["round"] == "base") & (metrics["seed_set"] == "green")
    metrics.loc[other, "share_blue"] = 0.9

    balanced, green = (
        lines_by_name(trajectories(metrics, ["share_blue"], [name]).axes[0])["base model"]
        for name in ("balanced_synthetic", "green_synthetic")
    )

    assert set(balanced.get_ydata()) == {0.47}
    assert set(green.get_ydata()) == {0.9}
    assert balanced.get_linestyle() == ":"


def test_axes_and_legend_say_what_is_drawn(metrics):
    figure = trajectories(metrics, ["share_blue", "text_quality_index"], BALANCED)

    assert [axes.get_ylabel() for axes in figure.axes] == ["Articles labelled blue (%)", "Text quality index (0 to 3)"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["Generation", "Generation"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a)", "(b)"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["synthetic", "overfitting", "preservation", "accumulation", "base model"]
    assert figure.axes[0].yaxis.get_major_formatter()(0.5) == "50"


def test_nothing_is_clipped_and_the_legend_stands_off_the_data(metrics):
    figure = trajectories(metrics, ["share_blue", "text_quality_index"], list(metrics["round"].unique()[1:]))
    figure.draw_without_rendering()

    legend = figure.legends[0].get_window_extent()
    page = figure.bbox
    assert legend.x0 >= page.x0 and legend.x1 <= page.x1 and legend.y0 >= page.y0
    assert all(not legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert not figure.axes[0].get_tightbbox().overlaps(figure.axes[1].get_tightbbox())


def test_a_round_without_values_is_left_out_and_gaps_stay_gaps(metrics):
    synthetic, overfitting = metrics["round"] == "balanced_synthetic", metrics["round"] == "balanced_overfitting"
    metrics.loc[overfitting, "perplexity_base"] = np.nan
    metrics.loc[synthetic & (metrics["generation"] == 4), "perplexity_base"] = np.nan

    figure = trajectories(metrics, ["perplexity_base"], BALANCED[:2], logarithmic=True)

    lines = lines_by_name(figure.axes[0])
    assert list(lines) == ["synthetic", "base model"]
    assert list(lines["synthetic"].get_xdata()) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert figure.axes[0].get_yscale() == "log"


def test_panels_on_one_scale_have_the_same_limits(metrics):
    columns = ["perplexity_base", "perplexity_generating"]

    figure = trajectories(metrics, columns, BALANCED, logarithmic=True, same_scale=True)

    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    low, high = figure.axes[0].get_ylim()
    ticks = [tick for tick in figure.axes[1].get_yticks() if low <= tick <= high]
    assert len(ticks) >= 4


def test_names_given_are_the_legends(metrics):
    figure = trajectories(metrics, ["share_red"], ["balanced_synthetic"], names={"balanced_synthetic": "No care"})

    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["No care", "base model"]


@pytest.mark.parametrize(
    ("columns", "rounds", "message"),
    [(["share_red"], ["balanced_syntetic"], "balanced_syntetic"), (["share_purple"], BALANCED, "share_purple")],
)
def test_what_the_table_lacks_is_named(metrics, columns, rounds, message):
    with pytest.raises(StudyError, match=message):
        trajectories(metrics, columns, rounds)


def test_the_file_function_draws_the_table_in_the_file(tmp_path, metrics, metrics_file, labels):
    outputs = [tmp_path / "figure_6.svg", tmp_path / "figure_6.png"]

    write_trajectories(metrics_file, outputs, labels=labels, columns=["share_green"], rounds=BALANCED)

    from bias_amplification.figures.style import save_figure

    save_figure(trajectories(metrics, ["share_green"], BALANCED), tmp_path / "expected.svg")
    assert outputs[0].read_bytes() == (tmp_path / "expected.svg").read_bytes()
    assert outputs[1].stat().st_size > 10_000


def test_published_lines_are_the_published_numbers_in_the_colours_of_the_own_rounds(metrics):
    published = metrics.assign(round="their_" + metrics["round"])
    published["share_blue"] += 0.1
    own = metrics[(metrics["generation"] <= 4) | metrics["generation"].isna()]

    figure = trajectories(
        own, ["share_blue"], BALANCED[:2], published=published,
        published_rounds={"balanced_synthetic": "their_balanced_synthetic", "green_synthetic": "their_green_synthetic"},
    )  # fmt: skip

    drawn = [line for line in figure.axes[0].get_lines() if line.get_gid() == "published" and len(line.get_xdata())]
    assert len(drawn) == 1
    assert list(drawn[0].get_xdata()) == [0, 1, 2, 3, 4]  # no further than the run's own
    expected = (
        metrics.loc[(metrics["round"] == "balanced_synthetic") & (metrics["generation"] <= 4), "share_blue"] + 0.1
    )
    np.testing.assert_allclose(drawn[0].get_ydata(), expected)
    synthetic = lines_by_name(figure.axes[0])["synthetic"]
    assert drawn[0].get_color() == synthetic.get_color() and drawn[0].get_alpha() < 1
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["synthetic", "overfitting", "base model", "published"]


def test_without_a_published_counterpart_no_line_is_drawn(metrics):
    figure = trajectories(metrics, ["share_blue"], BALANCED[:1], published=metrics, published_rounds={})

    assert [line for line in figure.axes[0].get_lines() if line.get_gid() == "published"] == []
