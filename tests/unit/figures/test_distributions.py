import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.distributions import (
    label_distribution,
    quality_distribution,
    write_label_distribution,
    write_quality_distribution,
)


def test_bars_are_the_base_models_shares_with_their_intervals(metrics, labels):
    axes = label_distribution(metrics, labels, "balanced").axes[0]

    base = metrics[(metrics["round"] == "base") & (metrics["seed_set"] == "balanced")].iloc[0]
    assert [bar.get_height() for bar in axes.patches] == [base[f"share_{label}"] for label in labels]
    segments = axes.collections[0].get_segments()
    for segment, label in zip(segments, labels, strict=True):
        ends = sorted(segment[:, 1])
        np.testing.assert_allclose(ends, [base[f"share_{label}_low"], base[f"share_{label}_high"]], atol=1e-12)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(labels)
    assert "5.0%" in [text.get_text() for text in axes.texts]
    assert axes.get_xlabel() == "Most likely label (300 articles)" and axes.get_ylabel() == "Articles (%)"


def test_a_seed_set_without_base_model_is_named(metrics, labels):
    with pytest.raises(StudyError, match="yellow"):
        label_distribution(metrics, labels, "yellow")


def test_each_histogram_counts_its_generations_articles():
    qualities = [np.array([0.05, 0.05, 2.95, np.nan]), np.array([1.55, 1.55])]

    axes = quality_distribution(qualities, [0, 1]).axes[0]

    steps = [patch.get_data() for patch in axes.patches]
    heights = [(data.values - data.baseline) for data in steps]
    scale = 0.92  # the fullest bin holds all articles of generation 1
    expected = np.zeros((2, 30))
    expected[0, 0], expected[0, 29], expected[1, 15] = 2 / 3, 1 / 3, 1
    np.testing.assert_allclose(heights, scale * expected, atol=1e-12)
    assert [data.baseline for data in steps] == [0, -1]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:2] == ["1.02", "1.55"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "1"]
    assert axes.get_xlabel() and axes.get_ylabel() == "Generation"


def test_a_generation_without_any_sentence_is_an_empty_line():
    axes = quality_distribution([np.array([2.0]), np.array([np.nan])], [0, 1]).axes[0]

    assert len(axes.patches) == 2
    assert "nan" not in " ".join(text.get_text() for text in axes.texts)


def test_file_functions_write_what_they_read(tmp_path, metrics_file, labels, round_files):
    write_label_distribution(metrics_file, [tmp_path / "figure_2.png"], labels=labels, seed_set="balanced")
    for column in ("quality", "quality_weighted"):
        write_quality_distribution(round_files["quality"], [tmp_path / f"{column}.svg"], column=column)

    assert (tmp_path / "figure_2.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "quality.svg").read_bytes() != (tmp_path / "quality_weighted.svg").read_bytes()
