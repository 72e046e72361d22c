"""Sets, corrections and overlap of neurons from p-values that were computed elsewhere.

The command `bias-amplification p-values` prints or writes the result.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.sets import count_sets, independent_overlap, verdict

COLUMNS = ("layer", "neuron", "p")

#: Draws that represent the exact distribution of the overlap.
_DRAWS = 20_000


def compare_p_values(bias: Path | str, quality: Path | str, alpha: float = 0.05) -> pd.DataFrame:
    """Count the neurons that change with bias, with quality and with both, over all layers and in each.

    Parameters
    ----------
    bias, quality
        CSVs for `read_p_values`, of the same neurons.
    alpha
        Level of the tests, and the false discovery rate.

    Returns
    -------
    pd.DataFrame
        One row for all layers (layer "all") and one for each layer. Layers that are numbers are sorted; others keep the
        first file's order. Columns: counts by every criterion; the expected overlap of independent sets, the
        probability of as many or more, the odds ratio with its exact interval; and the overlap of sets that are
        independent within each layer, its 95% range, and the verdict on it. p-values do not show how neurons depend on
        each other, so chance means independence here. A permutation test needs the neurons' values.

    Raises
    ------
    StudyError
        If a file is wrong, or the files have different neurons.
    """
    first, second = read_p_values(bias), read_p_values(quality)
    if set(first.index) != set(second.index):
        layer, neuron = min(set(first.index) ^ set(second.index), key=str)
        raise StudyError(
            f"{bias} and {quality} differ in neuron {neuron} of layer {layer}: give both files the same neurons."
        )
    both = first.add_suffix("_bias").join(second.add_suffix("_quality"))
    numbered = pd.api.types.is_numeric_dtype(both.index.get_level_values("layer"))
    groups = [("all", both), *both.groupby(level="layer", sort=numbered)]
    return pd.DataFrame([{"layer": name} | _count(table, alpha) for name, table in groups])


def read_p_values(path: Path | str) -> pd.DataFrame:
    """Read a CSV with the columns layer, neuron and p; other columns are ignored.

    Returns
    -------
    pd.DataFrame
        Index layer and neuron, column p, NaN if empty; in the file's order.

    Raises
    ------
    StudyError
        If the file is missing or lacks a column, or if a row lacks its layer or neuron, repeats a neuron, or has a p
        that is not a number from 0 to 1.
    """
    try:
        table = pd.read_csv(path, dtype={"p": str}, low_memory=False)
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as a CSV ({error}): give a CSV with {', '.join(COLUMNS)}.") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise StudyError(
            f"{path} has no column {missing[0]} (it has {', '.join(map(str, table.columns))}): rename or add it."
        )
    p_values = pd.to_numeric(table["p"], errors="coerce")
    wrong = (p_values.isna() & table["p"].notna()) | ~p_values.fillna(0).between(0, 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise StudyError(
            f"{path}: row {row + 2} has the p-value {table['p'].iloc[row]}: give a number from 0 to 1, or leave it "
            "empty."
        )
    for name in COLUMNS[:2]:
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0])
            raise StudyError(f"{path}: row {row + 2} has no {name}: add it or remove the row.")
    repeated = table.duplicated(["layer", "neuron"])
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        named = f"neuron {table['neuron'].iloc[row]} of layer {table['layer'].iloc[row]}"
        raise StudyError(f"{path}: row {row + 2} repeats {named}: remove one of the two rows.")
    return table.assign(p=p_values).set_index(["layer", "neuron"])[["p"]]


def _count(table: pd.DataFrame, alpha: float) -> dict[str, object]:
    counts = count_sets(table["p_bias"].to_numpy(), table["p_quality"].to_numpy(), alpha)
    tested = table.dropna()
    below = (tested < alpha).assign(tested=1).groupby(level="layer", sort=False).sum()
    chances = independent_overlap(*(below[name].to_numpy() for name in ("tested", "p_bias", "p_quality")))
    # `verdict` takes draws: quantiles of the distribution at evenly spaced probabilities.
    draws = np.searchsorted(np.cumsum(chances)[:-1], (np.arange(_DRAWS) + 0.5) / _DRAWS)
    words, _ = verdict(int(counts["both"] or 0), draws[None], chances)
    low, high = np.quantile(draws, [0.025, 0.975])
    expected = float(chances @ np.arange(len(chances))) if len(tested) else None
    return counts | {"expected_by_layer": expected, "both_low": low, "both_high": high, "verdict": words}
