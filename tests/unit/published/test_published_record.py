from pathlib import Path

import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures.distributions import label_distribution
from bias_amplification.figures.published import published_figures, write_published_figures
from bias_amplification.figures.trajectories import trajectories
from bias_amplification.published.record import published_macro_f1, published_metrics

FILE = Path(__file__).parents[3] / "resources" / "published" / "trajectories.csv"
LABELS = ["left", "center", "right"]
BALANCED = ["balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation"]


@pytest.fixture
def published():
    return published_metrics(FILE, LABELS)


def test_published_results_have_the_columns_of_the_metrics_table(published):
    assert list(published.columns) == metrics_schema(LABELS).names
    counts = published["round"].value_counts()
    assert counts.pop("base") == 1
    assert len(counts) == 6 and set(counts) == {11}


def test_published_results_contain_the_numbers_of_the_papers_text(published):
    base = published[published["round"] == "base"].iloc[0]
    synthetic = published[published["round"] == "balanced_synthetic"].set_index("generation")

    # The paper's text: 47.9% center and 46.8% right before fine-tuning, 67.6% right at generation 6.
    assert base["share_center"] == pytest.approx(0.479, abs=5e-4)
    assert base["share_right"] == pytest.approx(0.468, abs=5e-4)
    assert synthetic.loc[6, "share_right"] == pytest.approx(0.676, abs=1e-3)
    assert synthetic["share_right"].idxmax() == 6
    # The sampling error of one share at this number of articles is about 2.5 percentage points.
    half = (synthetic["share_right_high"] - synthetic["share_right_low"]) / 2
    np.testing.assert_allclose(half, 0.025, atol=0.002)


def test_figures_can_be_drawn_from_published_results(published):
    figure_3 = trajectories(published, ["share_right", "text_quality_index"], BALANCED)
    figure_9 = trajectories(published, ["perplexity_base"], BALANCED)
    figure_2 = label_distribution(published, LABELS, "balanced", "share")

    assert [len(axes.get_lines()) for axes in figure_3.axes] == [5, 4]  # the base model's quality is not published
    assert [len(axes.get_lines()) for axes in figure_9.axes] == [1]  # perplexity is published for one round
    assert [round(bar.get_height(), 3) for bar in figure_2.axes[0].patches] == [0.053, 0.479, 0.468]


def test_error_names_the_label_without_published_results():
    with pytest.raises(StudyError, match="liberal"):
        published_metrics(FILE, ["liberal", "right"])


def test_mean_probabilities_have_the_largest_possible_interval(published):
    row = published[(published["round"] == "balanced_synthetic") & (published["generation"] == 0)].iloc[0]

    half = 1.96 * np.sqrt(0.53662 * (1 - 0.53662) / 1518)
    assert row["mean_probability_right_high"] - row["mean_probability_right"] == pytest.approx(half)
    assert published[[f"mean_probability_{label}_low" for label in LABELS]].min().min() >= 0


def test_published_macro_f1_is_that_of_table_1():
    assert published_macro_f1(FILE.with_name("statements.csv")) == {
        "distilbert-base-uncased": 0.8308, "bert-base-uncased": 0.8559, "albert-base-v2": 0.8649,
        "roberta-base": 0.9196,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "label"), [("share", "Articles labelled right (%)"), ("mean_probability", "Mean probability of right")]
)
def test_papers_figures_show_the_chosen_measure(measure, label):
    figures = published_figures(measure)

    assert list(figures) == [2, 3, 5, 6, 7, 9]
    assert figures[3].axes[0].get_ylabel() == label
    assert figures[9].axes[0].get_ylabel() == "Perplexity (base model)"


def test_papers_figures_are_written(tmp_path, published):
    figure = label_distribution(published, LABELS, "balanced", "share")

    files = write_published_figures({2: figure}, tmp_path)

    assert [file.name for file in files] == [f"published_figure_2.{ending}" for ending in ("png", "svg", "pdf")]
    assert all(file.stat().st_size > 5000 for file in files)
