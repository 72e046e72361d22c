"""A study that is shown from the numbers of its articles."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from bias_amplification.artifacts import StudyError
from bias_amplification.figures.shown_study import draw_figures, read_shown_study, write_shown_study

ROOT = Path(__file__).resolve().parents[3]
STUDIES = sorted(path.parent for path in (ROOT / "resources/studies").glob("*/articles.parquet"))


@pytest.fixture(scope="module")
def study():
    return read_shown_study(ROOT / "resources/studies/smollm2")


def test_shown_studies_have_no_texts():
    assert STUDIES
    for folder in STUDIES:
        articles = pq.read_table(folder / "articles.parquet").to_pandas()
        assert (folder / "README.md").exists()
        # Names and labels alone: no word of an article.
        longest = articles.select_dtypes(["object", "str"]).apply(lambda column: column.str.len().max())
        assert longest.max() < 30 and not articles.select_dtypes(["object", "str"]).stack().str.contains(" ").any()


def test_the_metrics_are_those_of_the_articles(study):
    articles = pd.read_parquet(ROOT / "resources/studies/smollm2/articles.parquet")
    own = articles[articles["round"].eq("center_synthetic") & articles["generation"].eq(7)]
    row = study.metrics.query("round == 'center_synthetic' and generation == 7").iloc[0]

    interval = stats.binomtest(int(own["predicted"].eq("center").sum()), len(own)).proportion_ci(method="wilson")
    assert row["share_center"] == pytest.approx(own["predicted"].eq("center").mean(), abs=1e-12)
    assert (row["share_center_low"], row["share_center_high"]) == pytest.approx(tuple(interval), abs=1e-6)
    quality = own["quality"].astype(float)
    ends = stats.t.interval(0.95, len(own) - 1, quality.mean(), stats.sem(quality))
    assert (row["text_quality_index_low"], row["text_quality_index_high"]) == pytest.approx(ends, abs=1e-6)
    assert row["articles"] == 360 and len(study.metrics) == 46
    # Of one seed set, every round's generation 0 is the same.
    first = study.metrics[study.metrics["generation"].eq(0) & study.metrics["seed_set"].eq("balanced")]
    assert first["perplexity_base"].nunique() == 1 and len(first) == 2


def test_changes_are_paired_by_article(study):
    articles = pd.read_parquet(ROOT / "resources/studies/smollm2/articles.parquet")
    of_round = articles[articles["round"].eq("balanced_synthetic")]
    wide = of_round.pivot(index="article_id", columns="generation", values="perplexity_base").astype(float)
    difference = wide[10] - wide[0]
    row = study.changes.query("round == 'balanced_synthetic' and generation == 10 and replicate.isna()").iloc[0]

    assert row["perplexity_base"] == pytest.approx(difference.mean(), abs=1e-9)
    ends = stats.t.interval(0.95, len(difference) - 1, difference.mean(), stats.sem(difference))
    assert (row["perplexity_base_low"], row["perplexity_base_high"]) == pytest.approx(ends, abs=1e-6)


def test_the_manual_tells_the_numbers_of_the_tables(study):
    page = (ROOT / "docs/real-model.md").read_text(encoding="utf-8")

    def share(name, generation, label):
        row = study.metrics.query("round == @name and generation == @generation").iloc[0]
        return f"{100 * row[f'share_{label}']:.1f}%"

    def change(name, label):
        row = study.changes.query("round == @name and generation == 10 and replicate.isna()").iloc[0]
        return [100 * row[f"share_{label}{end}"] for end in ("", "_low", "_high")]

    right, preserved, center = (
        change("balanced_synthetic", "right"), change("balanced_preservation", "right"),
        change("center_synthetic", "center"),
    )  # fmt: skip
    told = [
        "from {} to {}, by\n{:.1f} points (95% interval {:.1f} to {:.1f},".format(
            share("balanced_synthetic", 0, "right"), share("balanced_synthetic", 10, "right"), *right
        ),
        "from {} to {}, by {:.1f} points ({:.1f} to {:.1f})".format(
            share("balanced_preservation", 0, "right"), share("balanced_preservation", 10, "right"),
            -preserved[0], -preserved[2], -preserved[1],
        ),
        "from {} to {} without mitigation (change {:.1f} points, {:.1f} to {:.1f})".format(
            share("center_synthetic", 0, "center"), share("center_synthetic", 10, "center"), *center
        ),
    ]  # fmt: skip
    flat = " ".join(page.split())
    for sentence in told:
        assert " ".join(sentence.split()) in flat
    moved = study.transitions.query("round == 'balanced_synthetic' and predicted == 'right'")
    shares = moved.set_index(["label", "generation"])["share"]
    for label in ("left", "center", "right"):
        for generation in (0, 10):
            assert f"{100 * shares[label, generation]:.1f}%" in page
    repeated = study.metrics.set_index(["round", "generation"])["repeated_4"]
    assert f".18 at generation 0 to .{100 * repeated['balanced_synthetic', 10]:.0f} at generation 10" in flat
    agreement = study.metrics["agreement"]
    assert f"{100 * agreement.min():.0f} to {100 * agreement.max():.0f}% of the articles" in flat


def test_the_figures_are_those_of_the_manual(study, tmp_path):
    figures = draw_figures(study)

    page = (ROOT / "docs/real-model.md").read_text(encoding="utf-8")
    shown = {name.split(".")[0] for name in page.split("images/real_model/")[1:]}
    assert shown - {"robustness"} <= set(figures) and {f"{name}.png" for name in figures} <= {
        path.name for path in (ROOT / "docs/images/real_model").iterdir()
    }
    line = figures["share_right"].axes[0].lines[0].get_ydata()
    assert [f"{100 * value:.1f}" for value in (line[0], line[-1])] == ["68.3", "87.8"]


def test_the_table_of_the_manual_is_what_the_command_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("bias_amplification.figures.shown_study.draw_figures", lambda study: {})
    write_shown_study(ROOT / "resources/studies/smollm2", tmp_path / "figures")

    made = (tmp_path / "figures/robustness.csv").read_text(encoding="utf-8")
    assert made == (ROOT / "docs/images/real_model/robustness.csv").read_text(encoding="utf-8")


def test_a_version_without_all_articles_is_refused(tmp_path):
    shutil.copytree(ROOT / "resources/studies/smollm2", tmp_path / "study")
    file = tmp_path / "study/articles.parquet"
    pd.read_parquet(file).drop(index=500).to_parquet(file)

    with pytest.raises(StudyError, match="has not every article of the seed set"):
        read_shown_study(tmp_path / "study")
