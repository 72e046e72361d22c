import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.style import save_figure
from bias_amplification.figures.trajectories import trajectories, write_trajectories
from bias_amplification.study.sections import Corpus

BALANCED = ["balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation"]


def lines_by_name(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_lines_are_columns_of_the_table(metrics):
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


def test_axes_and_legend_name_what_is_drawn(metrics):
    figure = trajectories(metrics, ["share_blue", "text_quality_index"], BALANCED)

    assert [axes.get_ylabel() for axes in figure.axes] == ["Articles labelled blue (%)", "Text quality index (0 to 3)"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["Generation", "Generation"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a)", "(b)"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["synthetic", "overfitting", "preservation", "accumulation", "base model"]
    assert figure.axes[0].yaxis.get_major_formatter()(0.5) == "50"


def test_legend_is_below_the_panels_and_nothing_is_clipped(metrics):
    figure = trajectories(metrics, ["share_blue", "text_quality_index"], list(metrics["round"].unique()[1:]))
    figure.draw_without_rendering()

    legend = figure.legends[0].get_window_extent()
    page = figure.bbox
    assert legend.x0 >= page.x0 and legend.x1 <= page.x1 and legend.y0 >= page.y0
    assert all(not legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert not figure.axes[0].get_tightbbox().overlaps(figure.axes[1].get_tightbbox())


def test_round_without_values_is_left_out_and_missing_generations_have_no_point(metrics):
    synthetic, overfitting = metrics["round"] == "balanced_synthetic", metrics["round"] == "balanced_overfitting"
    metrics.loc[overfitting, "perplexity_base"] = np.nan
    metrics.loc[synthetic & (metrics["generation"] == 4), "perplexity_base"] = np.nan

    figure = trajectories(metrics, ["perplexity_base"], BALANCED[:2])

    lines = lines_by_name(figure.axes[0])
    assert list(lines) == ["synthetic", "base model"]
    assert list(lines["synthetic"].get_xdata()) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert figure.axes[0].get_yscale() == "log"


def test_perplexity_has_a_logarithmic_axis_with_readable_ticks(metrics):
    axes = trajectories(metrics, ["perplexity_base"], BALANCED).axes[0]

    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert axes.get_yscale() == "log" and len(ticks) >= 4
    assert axes.yaxis.get_major_formatter()(20.0) == "20"


@pytest.mark.parametrize(
    ("columns", "rounds", "message"),
    [(["share_red"], ["balanced_syntetic"], "balanced_syntetic"), (["share_purple"], BALANCED, "share_purple")],
)
def test_error_names_the_missing_round_or_column(metrics, columns, rounds, message):
    with pytest.raises(StudyError, match=message):
        trajectories(metrics, columns, rounds)


def test_file_shows_the_table_that_was_read(tmp_path, metrics, metrics_file, labels):
    outputs = [tmp_path / "figure_6.svg", tmp_path / "figure_6.png"]

    write_trajectories(metrics_file, outputs, corpus=Corpus(labels=[*labels]), columns=["share_green"], rounds=BALANCED)

    save_figure(trajectories(metrics, ["share_green"], BALANCED), [tmp_path / "expected.svg"])
    assert outputs[0].read_bytes() == (tmp_path / "expected.svg").read_bytes()
    assert outputs[1].stat().st_size > 10_000


def test_published_lines_have_the_colours_of_the_studys_rounds(metrics):
    published = metrics.assign(round="their_" + metrics["round"])
    published["share_blue"] += 0.1
    own = metrics[(metrics["generation"] <= 4) | metrics["generation"].isna()]

    figure = trajectories(
        own, ["share_blue"], BALANCED[:2], published=published,
        published_rounds={"balanced_synthetic": "their_balanced_synthetic", "green_synthetic": "their_green_synthetic"},
    )  # fmt: skip

    drawn = [line for line in figure.axes[0].get_lines() if line.get_gid() == "published" and len(line.get_xdata())]
    assert len(drawn) == 1
    assert list(drawn[0].get_xdata()) == [0, 1, 2, 3, 4]  # up to the run's last generation
    expected = (
        metrics.loc[(metrics["round"] == "balanced_synthetic") & (metrics["generation"] <= 4), "share_blue"] + 0.1
    )
    np.testing.assert_allclose(drawn[0].get_ydata(), expected)
    synthetic = lines_by_name(figure.axes[0])["synthetic"]
    assert drawn[0].get_color() == synthetic.get_color() and drawn[0].get_alpha() < 1
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["synthetic", "overfitting", "base model", "published"]


def test_no_published_line_without_a_published_round(metrics):
    figure = trajectories(metrics, ["share_blue"], BALANCED[:1], published=metrics, published_rounds={})

    assert [line for line in figure.axes[0].get_lines() if line.get_gid() == "published"] == []
