import csv

import numpy as np
import pandas as pd
import pytest

from bias_amplification.figures.ground_truth import (
    ground_truth,
    ground_truth_table,
    write_ground_truth,
    write_ground_truth_table,
)
from bias_amplification.figures.robustness import WAYS

TRACKED = {"balanced_synthetic": "blue", "green_preservation": "red"}


@pytest.fixture
def metrics(metrics):
    """Return a metrics table with shares by words, in which all numbers differ."""
    generation = metrics["generation"].fillna(0).astype(float)
    for place, label in enumerate(("red", "green", "blue")):
        put(metrics, f"share_lexicon_{label}", 0.1 * (place + 1) + 0.01 * generation, 0.02)
    put(metrics, "agreement_lexicon", 0.9 - 0.03 * generation, 0.05)
    return metrics.assign(articles_lexicon=200)


def put(metrics, name, values, half):
    metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"] = values, values - half, values + half


#: Texts of the legend, by measure.
LINES = {way: WAYS[way] for way in ("share_lexicon", "share", "share_adjusted")} | {"error": "classifier's error rate"}


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_panels_show_the_shares_of_the_tracked_label_and_the_error_rate(metrics):
    figure = ground_truth(metrics, TRACKED)

    assert len(figure.axes) == 2
    for axes, (name, label) in zip(figure.axes, TRACKED.items(), strict=True):
        rows = metrics[metrics["round"] == name]
        found = lines(axes)
        assert list(found) == list(LINES.values())
        for measure in ("share_lexicon", "share", "share_adjusted"):
            np.testing.assert_array_equal(found[LINES[measure]], rows[f"{measure}_{label}"])
        # 0.1 at generation 0, and 0.03 more in each generation.
        np.testing.assert_allclose(found[LINES["error"]], 0.1 + 0.03 * np.arange(11), atol=1e-12)
        assert axes.get_title(loc="left").endswith(name.replace("_", " "))
        shares, errors = (band.get_paths()[0].vertices for band in axes.collections)
        last = rows.iloc[-1]
        ends = [last[f"share_lexicon_{label}_low"], last[f"share_lexicon_{label}_high"]]
        np.testing.assert_allclose(np.unique(shares[shares[:, 0] == 10, 1].round(9)), np.round(ends, 9))
        np.testing.assert_allclose(np.unique(errors[errors[:, 0] == 10, 1].round(9)), [0.35, 0.45])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(LINES.values())


def test_replicates_are_thin_lines_of_the_share_by_words_and_of_the_error_rate(metrics):
    second = metrics.assign(replicate=2, agreement_lexicon=metrics["agreement_lexicon"] - 0.1)

    axes = ground_truth(pd.concat([metrics, second]), {"balanced_synthetic": "blue"}).axes[0]

    thin = [line for line in axes.get_lines() if line.get_gid() == "replicate"]
    words = metrics.loc[metrics["round"] == "balanced_synthetic", "share_lexicon_blue"].to_numpy()
    errors = 0.1 + 0.03 * np.arange(11)
    for line, expected in zip(thin, (words, words, errors, errors + 0.1), strict=True):
        np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-12)
    np.testing.assert_allclose(lines(axes)[LINES["error"]], errors + 0.05, atol=1e-12)


def test_generation_without_labels_by_words_has_no_point(metrics):
    last = metrics["generation"] > 6
    names = [name for name in metrics if name.startswith(("share_lexicon", "agreement_lexicon"))]
    metrics.loc[last, names] = np.nan

    found = lines(ground_truth(metrics, {"balanced_synthetic": "blue"}).axes[0])

    assert len(found[LINES["share_lexicon"]]) == len(found[LINES["error"]]) == 7
    assert len(found[LINES["share"]]) == 11


def test_table_has_the_mean_distance_from_the_share_by_words(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    metrics.loc[of_round, "share_lexicon_blue"] = 0.5
    for generation, plain, adjusted in ((0, 0.6, 0.45), (1, 0.3, 0.65), (2, 0.5, 0.5)):
        here = of_round & (metrics["generation"] == generation)
        metrics.loc[here, ["share_blue", "share_adjusted_blue"]] = [plain, adjusted]
    # Half of the 300 articles of generation 2 have a label by their words, fewer later.
    metrics.loc[of_round & (metrics["generation"] == 2), "articles_lexicon"] = 150
    metrics.loc[of_round & (metrics["generation"] > 2), "articles_lexicon"] = 149

    row = ground_truth_table(metrics, {"balanced_synthetic": "blue"}).iloc[0]

    assert (row["round"], row["label"], row["compared"]) == ("balanced_synthetic", "blue", "3 of 11")
    # (10 + 20 + 0) / 3 and (5 + 15 + 0) / 3 points.
    assert row["as classified (points)"] == 10.0
    assert row["corrected (points)"] == 6.7
    assert row["nearer"] == "corrected"
    assert row["error rate (%)"] == 13.0
    assert row["first (%)"] == "10.0 [5.0, 15.0]"
    assert row["last (%)"] == "16.0 [11.0, 21.0]"


def test_nearer_is_the_smaller_distance(metrics):
    of_round = metrics["round"] == "balanced_synthetic"
    metrics.loc[of_round, "share_lexicon_blue"] = metrics.loc[of_round, "share_blue"]
    assert ground_truth_table(metrics, {"balanced_synthetic": "blue"})["nearer"].tolist() == ["as classified"]
    metrics.loc[of_round, "share_adjusted_blue"] = metrics.loc[of_round, "share_blue"]
    assert ground_truth_table(metrics, {"balanced_synthetic": "blue"})["nearer"].tolist() == ["neither"]


def test_round_without_labels_by_words_has_no_numbers(metrics):
    metrics["articles_lexicon"] = 0
    row = ground_truth_table(metrics, {"balanced_synthetic": "blue"}).iloc[0]
    assert (row["compared"], row["nearer"], row["first (%)"]) == ("0 of 11", "neither", "")
    assert np.isnan(row["as classified (points)"])


def test_figure_and_table_are_written(tmp_path, metrics_file, labels):
    write_ground_truth(metrics_file, [tmp_path / "a.png"], labels=labels, tracked=TRACKED)
    write_ground_truth_table(metrics_file, [tmp_path / "a.csv"], labels=labels, tracked=TRACKED)
    assert (tmp_path / "a.png").stat().st_size > 10_000
    with (tmp_path / "a.csv").open() as file:
        assert [row["round"] for row in csv.DictReader(file)] == list(TRACKED)
