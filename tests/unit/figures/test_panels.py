"""The figure of diversity: its lines and bands are columns of the metrics table."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bias_amplification.artifacts import schemas, write_table
from bias_amplification.figures.panels import (
    DEGENERATION,
    DIVERSITY,
    panels_over_generations,
    write_panels,
)
from bias_amplification.figures.style import save_figure
from bias_amplification.study.sections import Corpus

ROUNDS = ["balanced_synthetic", "balanced_preservation"]
#: A value above 1 and its step for each generation: measures without an upper limit keep their bands.
START = {"entropy_2": 9.0, "entropy_3": 11.0, "compression_ratio": 3.0, "words": 150.0}
NEW = [column for column in DIVERSITY if column != "text_quality_index"]


@pytest.fixture
def measured(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics with columns of diversity, in which all numbers differ."""
    rank = np.arange(len(metrics)) / 1000
    for place, column in enumerate(NEW):
        metrics[column] = START.get(column, 0.5) + rank + place / 100
        metrics[f"{column}_low"], metrics[f"{column}_high"] = metrics[column] - 0.2, metrics[column] + 0.3
    return metrics


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left").split(") ", 1)[-1] for axes in figure.axes if axes.axison]


def test_each_measure_has_a_panel_beside_the_quality_index(measured):
    assert titles(panels_over_generations(measured, ROUNDS, DIVERSITY)) == list(DIVERSITY.values())


def test_lines_and_bands_are_columns_of_the_table(measured):
    figure = panels_over_generations(measured, ROUNDS, DIVERSITY)

    for axes, column in zip([axes for axes in figure.axes if axes.axison], DIVERSITY, strict=True):
        lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
        assert list(lines) == ["synthetic", "preservation", "base model"]
        for name, band in zip(ROUNDS, axes.collections, strict=True):
            rows = measured[measured["round"] == name]
            np.testing.assert_allclose(lines[name.removeprefix("balanced_")].get_ydata(), rows[column], rtol=1e-12)
            corners = band.get_paths()[0].vertices
            limit = np.inf if column in START else 3.0 if column == "text_quality_index" else 1.0
            for generation, low, high in zip(range(11), rows[f"{column}_low"], rows[f"{column}_high"], strict=True):
                expected = [(generation, low), (generation, min(high, limit))]
                for corner in expected:
                    assert np.isclose(corners, corner, rtol=1e-12).all(axis=1).any(), column
        base = measured[(measured["round"] == "base") & (measured["seed_set"] == "balanced")]
        # The base model's value for the other seed set is not drawn.
        dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert [set(line.get_ydata()) for line in dotted] == [set(base[column])]


def test_measure_without_values_other_than_zero_has_no_panel(measured):
    measured["distinct_3"], measured["self_bleu"], measured["repeated_4"] = np.nan, np.nan, 0.0

    figure = panels_over_generations(measured, ROUNDS, DIVERSITY)

    assert titles(figure) == [
        title for column, title in DIVERSITY.items() if column not in ("distinct_3", "self_bleu", "repeated_4")
    ]
    assert sum(not axes.axison for axes in figure.axes) == -len(titles(figure)) % 3


def test_replicates_are_thin_lines(measured):
    second = measured.assign(replicate=2, words=measured["words"] + 10)

    figure = panels_over_generations(pd.concat([measured, second], ignore_index=True), ROUNDS, DIVERSITY)

    axes = figure.axes[list(DIVERSITY).index("words")]
    thin = [line for line in axes.get_lines() if line.get_gid() == "replicate"]
    assert len(thin) == 4
    own = measured[measured["round"] == ROUNDS[0]]["words"].to_numpy()
    np.testing.assert_allclose(thin[1].get_ydata() - thin[0].get_ydata(), 10)
    line = next(line for line in axes.get_lines() if line.get_label() == "synthetic")
    np.testing.assert_allclose(line.get_ydata(), own + 5)


def test_nothing_is_clipped(measured):
    figure = panels_over_generations(measured, ROUNDS, DIVERSITY)
    figure.draw_without_rendering()

    legend, page = figure.legends[0].get_window_extent(), figure.bbox
    assert legend.x0 >= page.x0 and legend.x1 <= page.x1 and legend.y0 >= page.y0
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert all(not legend.overlaps(box) for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_file_shows_the_table_that_was_read(measured, tmp_path, labels):
    measured[NEW[2:]] = np.nan  # two panels are drawn sooner than eleven
    schema = schemas.metrics(labels)
    write_table(pa.Table.from_pandas(measured, schema, preserve_index=False), tmp_path / "metrics.parquet", schema)

    corpus = Corpus(labels=[*labels])
    write_panels(
        tmp_path / "metrics.parquet", [tmp_path / "found.svg"], corpus=corpus, rounds=ROUNDS, figure="diversity"
    )

    save_figure(panels_over_generations(measured, ROUNDS, DIVERSITY), [tmp_path / "expected.svg"])
    assert (tmp_path / "found.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_degenerate_texts_have_panels_in_per_cent(measured, tmp_path, labels):
    for place, column in enumerate(DEGENERATION):
        measured[column] = 0.0 if column == "short" else 0.1 * (place + 1)
        measured[f"{column}_low"], measured[f"{column}_high"] = measured[column] - 0.05, measured[column] + 0.05
    figure = panels_over_generations(measured, ROUNDS, DEGENERATION)
    schema = schemas.metrics(labels)
    write_table(pa.Table.from_pandas(measured, schema, preserve_index=False), tmp_path / "metrics.parquet", schema)

    corpus = Corpus(labels=[*labels])
    write_panels(
        tmp_path / "metrics.parquet", [tmp_path / "found.svg"], corpus=corpus, rounds=ROUNDS, figure="degeneration"
    )

    assert titles(figure) == ["Empty (%)", "Repetitive (%)", "Copied (%)", "Any of these (%)", "Readable (%)"]
    assert figure.axes[1].yaxis.get_major_formatter()(0.3, 0) == "30"
    save_figure(panels_over_generations(measured, ROUNDS, DEGENERATION), [tmp_path / "expected.svg"])
    assert (tmp_path / "found.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_that_no_text_is_readable_is_drawn(measured):
    measured[list(DEGENERATION)] = 0.0

    assert titles(panels_over_generations(measured, ROUNDS, DEGENERATION)) == ["Readable (%)"]
