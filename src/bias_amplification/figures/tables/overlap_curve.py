"""The table of the estimated overlap of the neurons of bias and of text quality."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.figures.neuron_validity import (
    ALL_VALID,
    Invalid,
    of_first_scheme,
    overlap_claims,
    rates_in_words,
    read_invalid,
)
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading


def overlap_curve_table(curve: pd.DataFrame, invalid: Invalid = ALL_VALID) -> pd.DataFrame:
    """Return the estimated overlap for readers, in per cent: one row per measure and size of the sets.

    Parameters
    ----------
    curve
        As in `artifacts.schemas.NEURON_OVERLAP_CURVE`.
    invalid
        From `neuron_validity.not_valid_here`. The claims about the overlap among these are named.

    Returns
    -------
    pd.DataFrame
        In brackets: 95% ranges under permutation, and the estimate's 95% interval in a column of its own, because it is
        known without an estimate too.
    """
    wrong = rates_in_words(overlap_claims(of_first_scheme(invalid)))
    rows = []
    for row in curve.to_dict("records"):

        def share(name: str, row: dict = row) -> str:
            values = (row[name + end] for end in ("", "_low", "_high"))
            return with_interval(*(100 * float("nan" if value is None else value) for value in values), digits=0)

        known = pd.notna(row["estimate_low"])
        rows.append(
            {
                "measure": row["measure"],
                "neurons in a set": row["size"],
                "estimate (%)": _per_cent(row["estimate"]),
                "95% interval (%)": f"{_per_cent(row['estimate_low'])} to {_per_cent(row['estimate_high'])}"
                if known
                else "",
                "unrelated sets (%)": _per_cent(row["chance"]),
                "unrelated within layers (%)": _per_cent(row["chance_by_layer"]),
                "found in all rounds (%)": share("share"),
                "between halves (%)": share("halves"),
                "bias with itself (%)": share("ceiling_bias"),
                "p, bias": row["p_ceiling_bias"],
                "text quality with itself (%)": share("ceiling_quality"),
                "p, text quality": row["p_ceiling_quality"],
                "halves of the same neurons (%)": _per_cent(row["halves_common"]),
                "halves of different neurons (%)": _per_cent(row["halves_distinct"]),
                "no estimate because": row["reason"],
                "not valid here": wrong,
            }
        )
    return pd.DataFrame(rows)


def _per_cent(share: float | None) -> str:
    return "" if pd.isna(share) else f"{100 * share:.0f}"


def write_overlap_curve_table(curve_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/overlap_curve.parquet` and write `overlap_curve_table` to each of `out` (.csv, .html)."""
    curve = read_table(curve_file, NEURON_OVERLAP_CURVE).to_pandas()
    table = overlap_curve_table(curve, read_invalid(calibration_file, world_file))
    write_table_for_reading(table, out, "Estimated overlap of the neurons of bias and of text quality")
