import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.distributions import (
    label_distribution,
    quality_distribution,
    write_label_distribution,
    write_quality_distribution,
)
from bias_amplification.study.sections import Corpus, Figures, Quality


@pytest.mark.parametrize(("measure", "axis"), [("share", "Articles (%)"), ("mean_probability", "Mean probability (%)")])
def test_bars_are_the_base_models_values_with_their_intervals(metrics, labels, measure, axis):
    axes = label_distribution(metrics, labels, "balanced", measure).axes[0]

    base = metrics[(metrics["round"] == "base") & (metrics["seed_set"] == "balanced")].iloc[0]
    assert [bar.get_height() for bar in axes.patches] == [base[f"{measure}_{label}"] for label in labels]
    segments = axes.collections[0].get_segments()
    for segment, label in zip(segments, labels, strict=True):
        ends = sorted(segment[:, 1])
        np.testing.assert_allclose(ends, [base[f"{measure}_{label}_low"], base[f"{measure}_{label}_high"]], atol=1e-12)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(labels)
    assert f"{100 * base[f'{measure}_red']:.1f}%" in [text.get_text() for text in axes.texts]
    assert "(300 articles)" in axes.get_xlabel() and axes.get_ylabel() == axis


def test_several_draws_of_the_seed_set_are_drawn_as_their_mean(metrics, labels):
    second = metrics.assign(replicate=2, share_red=metrics["share_red"] + 0.02)

    axes = label_distribution(pd.concat([metrics, second]), labels, "balanced", "share").axes[0]

    # 5 and 7%; Student's quantile for one degree of freedom is 12.706: 12.706 * sqrt(2) / sqrt(2) points.
    assert axes.patches[0].get_height() == pytest.approx(0.06)
    assert axes.collections[0].get_segments()[0][:, 1].max() == pytest.approx(0.06 + 0.12706, abs=1e-5)
    assert "(300 articles in each of 2 draws)" in axes.get_xlabel()


def test_error_names_the_seed_set_without_base_model(metrics, labels):
    with pytest.raises(StudyError, match="yellow"):
        label_distribution(metrics, labels, "yellow", "share")


def test_each_histogram_counts_the_articles_of_its_generation():
    qualities = [np.array([0.05, 0.05, 2.95, np.nan]), np.array([1.55, 1.55])]

    panels = quality_distribution(qualities).axes

    expected = np.zeros((2, 30))
    expected[0, 0], expected[0, 29], expected[1, 15] = 2 / 3, 1 / 3, 1
    for axes, shares in zip(panels, expected, strict=True):
        outline = axes.collections[0].get_paths()[0]
        for bin_, share in enumerate(shares):
            middle = 0.1 * bin_ + 0.05
            assert not outline.contains_point((middle, share + 1e-3))
            assert share == 0 or outline.contains_point((middle, share - 1e-3))
    assert [{text.get_text() for text in axes.texts} for axes in panels] == [{"0", "1.02", "mean"}, {"1", "1.55"}]
    assert [axes.get_lines()[0].get_xdata()[0] for axes in panels] == pytest.approx([3.05 / 3, 1.55])
    assert panels[0].get_ylim() == panels[1].get_ylim()
    assert panels[-1].get_xlabel()


def test_generation_without_any_sentence_is_an_empty_panel():
    panels = quality_distribution([np.array([2.0]), np.array([np.nan])]).axes

    assert len(panels) == 2 and not panels[1].get_lines()
    assert [text.get_text() for text in panels[1].texts] == ["1"]


def test_quality_score_decides_which_index_is_drawn(tmp_path, round_files):
    files = [file for file in round_files.generations if file.stem == "quality"]
    for score in ("class", "weighted"):
        write_quality_distribution(files, [tmp_path / f"{score}.svg"], quality=Quality(score=score))

    assert (tmp_path / "class.svg").read_bytes() != (tmp_path / "weighted.svg").read_bytes()


def test_measure_of_bias_decides_what_figure_2_shows(tmp_path, metrics_file, labels):
    for bias in ("share", "mean_probability"):
        write_label_distribution(
            metrics_file,
            [tmp_path / f"{bias}.svg"],
            corpus=Corpus(labels=[*labels]),
            seed_set="balanced",
            figures=Figures(bias=bias),
        )

    assert (tmp_path / "share.svg").read_bytes() != (tmp_path / "mean_probability.svg").read_bytes()


def test_names_of_many_labels_do_not_overlap():
    labels = [f"international_affairs_{number:02}" for number in range(12)]
    row = {
        "round": "base",
        "replicate": 1,
        "generation": None,
        "seed_set": "balanced",
        "articles": 300,
        "labelled": 280,
    }
    for label in labels:
        row |= {f"share_{label}": 1 / 12, f"share_{label}_low": 0.05, f"share_{label}_high": 0.1}

    figure = label_distribution(pd.DataFrame([row]), labels, "balanced", "share")

    FigureCanvasAgg(figure).draw()
    texts = figure.axes[0].get_xticklabels()
    assert [text.get_text() for text in texts] == labels
    # The names are slanted, so that the distance of two parallel ones is more than the height of a letter.
    ends = [text.get_transform().transform(text.get_position()) for text in texts]
    gaps = [
        (after[0] - before[0]) * np.sin(np.radians(text.get_rotation()))
        for before, after, text in zip(ends, ends[1:], texts, strict=False)
    ]
    assert min(gaps) > 1.1 * texts[0].get_fontsize() / 72 * figure.dpi
    corners = [corner for text in texts for corner in text.get_window_extent().corners()]
    assert all(figure.bbox.fully_contains(*corner) for corner in corners)
    assert figure.get_figwidth() <= 7.2


@pytest.mark.parametrize(("labelled", "number"), [(120, "120 articles with a label, of 300"), (0, "0 articles with a")])
def test_the_figure_of_the_base_model_says_how_many_texts_have_a_label(metrics, labels, labelled, number):
    base = metrics["round"] == "base"
    metrics.loc[base, "labelled"] = labelled
    if not labelled:
        metrics.loc[base, [c for c in metrics.columns if c.startswith("share_")]] = np.nan

    figure = label_distribution(metrics, labels, "balanced", "share")

    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    assert number in axes.get_xlabel()
    assert not any("nan" in text.get_text() for text in axes.texts)
