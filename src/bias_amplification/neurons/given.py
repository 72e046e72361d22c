"""Sets, corrections and overlap of neurons from p-values that were computed elsewhere.

The command `bias-amplification p-values` prints or writes the result.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.p_value_files import read_p_values
from bias_amplification.neurons.sets import count_sets, independent_overlap, significant, verdict

#: Draws that represent the exact distribution of the overlap.
_DRAWS = 20_000


def compare_p_values(bias: Path | str, quality: Path | str, alpha: float = 0.05) -> pd.DataFrame:
    """Count the neurons that change with bias, with quality and with both, over all layers and in each.

    Parameters
    ----------
    bias, quality
        CSVs for `read_p_values`, of the same neurons.
    alpha
        Level of the tests, and the false discovery rate, between 0 and 1. A p-value of exactly alpha is significant.

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
        If alpha is not between 0 and 1, a file is wrong, or the files have different neurons.
    """
    if not 0 < alpha < 1:
        raise StudyError(f"alpha is {alpha:g}, which is no level of a test: give a number between 0 and 1.")
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


def _count(table: pd.DataFrame, alpha: float) -> dict[str, object]:
    counts = count_sets(table["p_bias"].to_numpy(), table["p_quality"].to_numpy(), alpha)
    tested = table.dropna()
    below = tested.apply(significant, alpha=alpha).assign(tested=1).groupby(level="layer", sort=False).sum()
    chances = independent_overlap(*(below[name].to_numpy() for name in ("tested", "p_bias", "p_quality")))
    # `verdict` takes draws: quantiles of the distribution at evenly spaced probabilities.
    draws = np.searchsorted(np.cumsum(chances)[:-1], (np.arange(_DRAWS) + 0.5) / _DRAWS)
    words, _ = verdict(int(counts["both"] or 0), draws[None], chances)
    low, high = np.quantile(draws, [0.025, 0.975])
    expected = float(chances @ np.arange(len(chances))) if len(tested) else None
    return counts | {"expected_by_layer": expected, "both_low": low, "both_high": high, "verdict": words}
