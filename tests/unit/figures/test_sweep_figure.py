"""The figure of rounds that differ in one number of their strategy."""

import pandas as pd
import pyarrow as pa
import pytest

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures.sweeps import sweep, write_sweep
from bias_amplification.study.sections import Corpus

LABELS = ["red", "blue"]
VALUES = {"none": 0.0, "half": 0.5, "all": 1.0}


def table(replicates: int) -> pd.DataFrame:
    """Return metrics in which the share of red at the last generation falls with the number."""
    rows = []
    for name, value in VALUES.items():
        for replicate in range(1, replicates + 1):
            for generation in (0, 1, 2):
                share = 0.4 + (0.4 - 0.3 * value) * (generation == 2) + 0.01 * (replicate - 1.5)
                row = dict.fromkeys(metrics_schema(LABELS).names) | {"round": name, "generation": generation}
                row |= {
                    "replicate": replicate,
                    "seed_set": "s",
                    "strategy": "preservation",
                    "articles": 50,
                    "labelled": 50,
                }
                for column in ("share_red", "text_quality_index"):
                    row |= {column: share, f"{column}_low": share - 0.1, f"{column}_high": share + 0.1}
                rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("replicates", [1, 3])
def test_points_are_the_means_of_the_first_and_the_last_generation(replicates: int) -> None:
    figure = sweep(table(replicates), "preserved_share", VALUES, ["share_red", "text_quality_index"])

    shift = 0.01 * ((replicates + 1) / 2 - 1.5)
    for axes in figure.axes:
        first, last = (container.lines[0] for container in axes.containers)
        assert list(first.get_xdata()) == [0, 0.5, 1]
        assert list(first.get_ydata()) == pytest.approx([0.4 + shift] * 3)
        assert list(last.get_ydata()) == pytest.approx([0.8 + shift, 0.65 + shift, 0.5 + shift])
        # Single replicates are drawn if there are several.
        points = [line for line in axes.lines if line.get_marker() == "."]
        assert [len(line.get_xdata()) for line in points] == ([9] if replicates == 3 else [])
    assert figure.axes[0].get_xlabel() == "Real articles, as a share of the seed set"


def test_the_figure_is_written(tmp_path) -> None:
    schema = metrics_schema(LABELS)
    filled = table(2)
    for field in schema:
        if not field.nullable and filled[field.name].isna().all():
            filled[field.name] = 0.5
    write_table(pa.Table.from_pandas(filled, schema, preserve_index=False), tmp_path / "metrics.parquet", schema)
    out = [tmp_path / f"sweep.{ending}" for ending in ("png", "svg")]

    write_sweep(
        tmp_path / "metrics.parquet",
        out,
        corpus=Corpus(labels=[*LABELS]),
        key="budget",
        values=VALUES,
        columns=["share_red"],
    )

    assert all(path.stat().st_size > 5000 for path in out)
