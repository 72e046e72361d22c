"""Tables of the published numbers beside the run's own."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import COMPARISON
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.published.verdicts import KINDS, VERDICTS

_QUANTITIES = {
    "share": "share of articles labelled",
    "mean_probability": "mean probability of",
    "text_quality_index_weighted": "weighted text quality index of",
    "perplexity_base": "perplexity under the base model of",
    "macro_f1": "macro F1 of",
    "loss": "loss of",
    "article_probability": "one article's probability of",
    "bias": "neurons associated with bias by",
    "quality": "neurons associated with text quality by",
    "both": "neurons associated with both by",
}
_PER_CENT = ("share", "mean_probability", "article_probability")
_COUNTS = tuple(quantity for quantity, kind in KINDS.items() if kind == "neurons")


def comparison_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the published numbers beside the run's own, each with its interval in one cell.

    Parameters
    ----------
    comparison
        As in `artifacts.schemas.COMPARISON`. Shares and probabilities are shown in per cent.
    """
    rows = []
    for row in comparison.to_dict("records"):
        kind = row["quantity"]
        factor, digits = (100, 1) if kind in _PER_CENT else (1, 0 if kind in _COUNTS else 3)
        unit = " (%)" if kind in _PER_CENT else ""
        cells = {}
        for name in ("published", "own", "difference", "published_change", "own_change"):
            ends = (factor * row[name + end] for end in ("", "_low", "_high"))
            cells[name] = with_interval(*ends, digits=digits)
        rows.append(
            {
                "published in": row["place"],
                "round": row["round"] or row["published_round"],
                "generation": row["generation"],
                "number": f"{_QUANTITIES[kind]} {row['subject']}{unit}",
                "published": cells["published"],
                "own": cells["own"],
                "own minus published": cells["difference"],
                "published change from generation 0": cells["published_change"],
                "own change from generation 0": cells["own_change"],
                "verdict": row["verdict"],
                "note": row["note"],
            }
        )
    return pd.DataFrame(rows)


def comparison_summary(comparison: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts on each kind of published number in each round."""
    kinds = KINDS | {"share": "share", "mean_probability": "mean probability", "article_probability": "one article"}
    kinds |= {"text_quality_index_weighted": "text quality"}
    described = {
        "published in": comparison["place"].where(comparison["place"] == "per-generation results", "text and tables"),
        "round": comparison["round"].fillna(comparison["published_round"]).fillna(""),
        "number": comparison["quantity"].map(kinds),
    }
    groups = pd.DataFrame(described).assign(verdict=comparison["verdict"])
    table = groups.groupby([*described, "verdict"], sort=False).size().unstack("verdict", fill_value=0)
    table = table.reindex(columns=list(VERDICTS), fill_value=0)
    table.insert(0, "numbers", table.sum(axis="columns"))
    table.columns.name = None
    return table.reset_index()


def write_comparison_table(comparison_file: Path, out: Sequence[Path]) -> None:
    """Read `comparison.parquet` and write `comparison_table` to each of `out` (.csv, .html)."""
    table = comparison_table(read_table(comparison_file, COMPARISON).to_pandas())
    write_table_for_reading(table, out, "Published numbers beside the run's own")


def write_comparison_summary(comparison_file: Path, out: Sequence[Path]) -> None:
    """Read `comparison.parquet` and write `comparison_summary` to each of `out` (.csv, .html)."""
    table = comparison_summary(read_table(comparison_file, COMPARISON).to_pandas())
    write_table_for_reading(table, out, "Verdicts on the published numbers")
