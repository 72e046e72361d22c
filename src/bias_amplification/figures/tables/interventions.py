"""The tables of interventions: which set of neurons acts on which outcome, beside control sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import (
    INTERVENTION_CALIBRATION,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
)
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.interventions.calibrate import LEVELS
from bias_amplification.interventions.words import OUTCOMES, told_effects, version_in_words
from bias_amplification.measures.intervals import ALPHA

#: What neurons do in the simulated studies.
_WORLDS = {
    "independent": "independent effects",
    "half_explained": "half of an effect is explained by size and change",
    "mostly_explained": "90% of an effect is explained by size and change",
    "few_act": "one neuron in ten has an effect",
}


def interventions_table(effects: pd.DataFrame, missing: pd.DataFrame) -> pd.DataFrame:
    """Return effects for readers: bias in per cent and percentage points, text quality in its own unit.

    Parameters
    ----------
    effects
        Rows of `artifacts.schemas.INTERVENTION_EFFECTS`.
    missing
        Rows of `artifacts.schemas.INTERVENTION_MISSING`, which follow.
    """
    lines = [_line(row) for row in effects.to_dict("records")]
    lines += [
        {
            "version": version_in_words(row),
            "set": row["set"],
            "neurons": None if pd.isna(row["size"]) else round(row["size"]),
            "left out because": row["reason"],
        }
        for row in missing.to_dict("records")
    ]
    columns = [name for name in [*_line({}), "left out because"] if name != "left out because" or len(missing)]
    return pd.DataFrame(lines, columns=columns).astype(object)


def calibration_table(calibration: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each world of simulated studies, rates in per cent.

    Parameters
    ----------
    calibration
        As in `artifacts.schemas.INTERVENTION_CALIBRATION`.
    """
    return pd.DataFrame(
        [_calibration_line(world, rows) for world, rows in calibration.groupby("world", sort=False)],
        columns=list(_calibration_line("independent", calibration.iloc[:0])),
    )


def _calibration_line(world: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Return a line of the table of simulated studies; of no rows, the headings."""
    found = {(row["claim"], row["level"]): row for row in rows.to_dict("records")}

    def rate(claim: str, level: float) -> str:
        row = found.get((claim, level))
        return "" if row is None else f"{100 * row['rejected']:.1f}" + " (not valid)" * (not row["valid"])

    return {
        "what neurons do": _WORLDS[world],
        **{f"p ≤ {100 * level:.0f}%": rate("comparison", level) for level in LEVELS},
        "interval misses 0": rate("interval", ALPHA),
        "one comparison told, adjusted": rate("family", ALPHA),
        "comparisons": rows["comparisons"].max(),
        "studies": rows["studies"].max(),
    }


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
    told = "not valid here" if row.get("valid") is False else told
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
        "detectable difference": with_interval(number("detectable"), float("nan"), float("nan"), digits),
        "neurons unlike controls (SD)": row.get("standardised_difference"),
        "number of controls": row.get("controls"),
        "articles": row.get("articles"),
        "chosen on": row.get("chosen_on"),
    }


def _version(row: dict[str, Any]) -> str:
    if not isinstance(row.get("round"), str):
        return (f"{row['versions']} together" if row["versions"] > 1 else "one of several") if row else ""
    return version_in_words(row)


def write_interventions_table(
    effects_file: Path, missing_file: Path, out: Sequence[Path], *, told: bool, unit: str
) -> None:
    """Read `interventions/effects.parquet` and write `interventions_table` to each of `out` (.csv, .html).

    Parameters
    ----------
    effects_file
        Schema `INTERVENTION_EFFECTS`.
    missing_file
        Schema `INTERVENTION_MISSING`.
    out
        The files to make.
    told
        Whether only the effects that conclusions are about are written.
    unit
        The study's word for an article.
    """
    effects = read_table(effects_file, INTERVENTION_EFFECTS).to_pandas()
    missing = read_table(missing_file, INTERVENTION_MISSING).to_pandas()
    rows = told_effects(effects) if told else effects
    title = "Which neurons act on what" if told else "All effects of changed neurons"
    write_table_for_reading(interventions_table(rows, missing), out, title, unit)


def write_calibration_table(calibration_file: Path, out: Sequence[Path]) -> None:
    """Read `interventions/calibration.parquet` and write `calibration_table` to each of `out` (.csv, .html)."""
    calibration = read_table(calibration_file, INTERVENTION_CALIBRATION).to_pandas()
    write_table_for_reading(calibration_table(calibration), out, "How often comparisons of changed neurons are wrong")
