"""Sets, corrections and overlap of p-values that someone else computed.

From a shell, in the checkout: ``PYTHONPATH=src python -m bias_amplification.neurons.given bias.csv quality.csv``.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.sets import count_sets, independent_overlap, verdict

COLUMNS = ("layer", "neuron", "p")


def read_p_values(path: Path | str) -> pd.DataFrame:
    """Read a CSV with the columns layer, neuron and p; others are left alone.

    Returns
    -------
    pd.DataFrame
        Index layer and neuron, column p, NaN where the file has none; in the file's order.

    Raises
    ------
    StudyError
        If the file is missing, has not the columns, has a row without layer or neuron, names a neuron twice, or
        holds a p that is no number from 0 to 1.
    """
    try:
        table = pd.read_csv(path, dtype={"p": str}, low_memory=False)
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as a CSV ({error}): name a CSV with {', '.join(COLUMNS)}.") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise StudyError(
            f"{path} has no column {missing[0]} (it has {', '.join(map(str, table.columns))}): "
            "rename the one that it is."
        )
    p_values = pd.to_numeric(table["p"], errors="coerce")
    wrong = (p_values.isna() & table["p"].notna()) | ~p_values.fillna(0).between(0, 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise StudyError(f"{path}: row {row + 2} has the p-value {table['p'].iloc[row]}: mend it or leave it empty.")
    for name in COLUMNS[:2]:
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0])
            raise StudyError(f"{path}: row {row + 2} has no {name}: fill it in or leave the row out.")
    twice = table.duplicated(["layer", "neuron"])
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        named = f"neuron {table['neuron'].iloc[row]} of layer {table['layer'].iloc[row]}"
        raise StudyError(f"{path}: row {row + 2} has {named} for the second time: leave one out.")
    return table.assign(p=p_values).set_index(["layer", "neuron"])[["p"]]


def compare_p_values(bias: Path | str, quality: Path | str, alpha: float = 0.05) -> pd.DataFrame:
    """Count the neurons that go with bias, with quality and with both, over all layers and in each.

    Parameters
    ----------
    bias, quality
        CSVs as `read_p_values` reads them, of the same neurons.
    alpha
        Level of the tests, and the false discovery rate.

    Returns
    -------
    pd.DataFrame
        One row for all layers (layer "all") and one a layer, numbered layers ascending, others in the first file's
        order: counts by every criterion, the overlap that independent sets would have, the probability of as many or
        more, the odds ratio with its exact interval; the overlap of sets that are independent within each layer, its
        95% range, and the verdict on these. These p-values say nothing of how neurons depend on each other, so chance
        means independence here; a permutation test needs the neurons' values.

    Raises
    ------
    StudyError
        If a file is not as it should be, or they have other neurons.
    """
    first, second = read_p_values(bias), read_p_values(quality)
    if set(first.index) != set(second.index):
        layer, neuron = min(set(first.index) ^ set(second.index), key=str)
        raise StudyError(
            f"{bias} and {quality} differ in neuron {neuron} of layer {layer}: give both the same neurons."
        )
    both = first.add_suffix("_bias").join(second.add_suffix("_quality"))
    numbered = pd.api.types.is_numeric_dtype(both.index.get_level_values("layer"))
    groups = [("all", both), *both.groupby(level="layer", sort=numbered)]
    return pd.DataFrame([{"layer": name} | _count(table, alpha) for name, table in groups])


def _count(table: pd.DataFrame, alpha: float) -> dict[str, object]:
    counts = count_sets(table["p_bias"].to_numpy(), table["p_quality"].to_numpy(), alpha)
    tested = table.dropna()
    below = (tested < alpha).assign(tested=1).groupby(level="layer", sort=False).sum()
    chances = independent_overlap(*(below[name].to_numpy() for name in ("tested", "p_bias", "p_quality")))
    # The distribution itself, as draws at evenly spaced probabilities.
    draws = np.searchsorted(np.cumsum(chances)[:-1], (np.arange(20_000) + 0.5) / 20_000)
    words, _ = verdict(int(counts["both"] or 0), draws[None], chances)
    low, high = np.quantile(draws, [0.025, 0.975])
    expected = float(chances @ np.arange(len(chances))) if len(tested) else None
    return counts | {"expected_by_layer": expected, "both_low": low, "both_high": high, "verdict": words}


def main() -> None:
    """Compare two files named on the command line."""
    parser = argparse.ArgumentParser(description="Sets and overlap of neurons from CSVs with layer, neuron, p.")
    parser.add_argument("bias", type=Path)
    parser.add_argument("quality", type=Path)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--out", type=Path, help="a CSV to write; by default the counts are printed")
    arguments = parser.parse_args()
    try:
        table = compare_p_values(arguments.bias, arguments.quality, arguments.alpha)
    except StudyError as fault:
        parser.exit(1, f"{fault}\n")
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    else:
        print(table.iloc[0].to_string())


if __name__ == "__main__":
    main()
