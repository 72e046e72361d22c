"""The tables of interventions: which set of neurons acts on which outcome, beside control sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import INTERVENTION_EFFECTS
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.interventions.words import OUTCOMES, told_effects
from bias_amplification.measures.intervals import ALPHA


def interventions_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Return effects for readers: bias in per cent and percentage points, text quality in its own unit.

    Parameters
    ----------
    effects
        Rows of `artifacts.schemas.INTERVENTION_EFFECTS`.
    """
    return pd.DataFrame([_line(row) for row in effects.to_dict("records")], columns=list(_line({})))


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the table; of an empty row, the headings."""
    bias = row.get("outcome") == "bias"
    factor, digits = (100, 1) if bias else (1, 2)

    def number(name: str) -> float:
        value = row.get(name)
        return float("nan") if value is None else factor * value

    half = (number("specific_high") - number("specific_low")) / 2
    mean, p = number("controls_mean"), row.get("p_family")
    told = "" if pd.isna(p) else "yes" if p <= ALPHA else "no"
    return {
        "version": _version(row),
        "set": row.get("set"),
        "neurons": row.get("size"),
        "action": row.get("action"),
        "amount": row.get("amount"),
        "effect on": OUTCOMES.get(row.get("outcome", ""), ""),
        "own outcome": "yes" if row.get("expected") in ("both", row.get("outcome", "")) else "",
        "before": with_interval(number("before"), float("nan"), float("nan"), digits),
        "effect": with_interval(number("effect"), number("effect_low"), number("effect_high"), digits),
        "controls": with_interval(mean, mean - half, mean + half, digits),
        "difference": with_interval(number("specific"), number("specific_low"), number("specific_high"), digits),
        "p": row.get("p_value"),
        "p, adjusted": p,
        "told from controls": told,
        "told in 80% of studies": with_interval(number("seen"), float("nan"), float("nan"), digits),
        "imbalance": row.get("imbalance"),
        "number of controls": row.get("controls"),
        "articles": row.get("articles"),
        "chosen on": row.get("chosen_on"),
    }


def _version(row: dict[str, Any]) -> str:
    if not isinstance(row.get("round"), str):
        return f"all {row['versions']}" if row else ""
    replicate = f", replicate {row['replicate']:.0f}" if row["replicate"] > 1 else ""
    return f"{row['round']}{replicate}, generation {row['generation']:.0f}"


def write_interventions_table(effects_file: Path, out: Sequence[Path], *, told: bool, unit: str) -> None:
    """Read `interventions/effects.parquet` and write `interventions_table` to each of `out` (.csv, .html).

    Parameters
    ----------
    effects_file
        Schema `INTERVENTION_EFFECTS`.
    out
        The files to make.
    told
        Whether only the effects that conclusions are about are written.
    unit
        The study's word for an article.
    """
    effects = read_table(effects_file, INTERVENTION_EFFECTS).to_pandas()
    rows = told_effects(effects) if told else effects
    title = "Which neurons act on what" if told else "All effects of changed neurons"
    write_table_for_reading(interventions_table(rows), out, title, unit)
