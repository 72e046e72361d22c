"""Tables of the analysis of neurons: counts, permutation tests, calibration and sensitivity."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import (
    NEURON_CALIBRATION,
    NEURON_OVERLAP,
    NEURON_SENSITIVITY,
    NEURON_SETS,
)
from bias_amplification.figures.neuron_validity import (
    ALL_VALID,
    ONE_NEURON,
    ONE_NEURON_PLUGIN,
    TESTS_OF,
    Invalid,
    of_first_scheme,
    rates_in_words,
    read_invalid,
)
from bias_amplification.figures.tables.writing import with_interval, with_share, write_table_for_reading
from bias_amplification.neurons.calibrate import ANY_NEURON, INDEPENDENT_OVERLAP
from bias_amplification.neurons.sets import CORRECTIONS

#: The claims of each way of counting, by the ending of its columns.
CLAIMS_OF_COUNTS = {
    "": (ONE_NEURON, INDEPENDENT_OVERLAP),
    **{f"_{ending}": (ANY_NEURON[correction],) for correction, ending in CORRECTIONS.items()},
    "_plugin": (ONE_NEURON_PLUGIN,),
}


def _of(rates: Mapping[str, float], claims: Collection[str]) -> dict[str, float]:
    """Return the rates of some claims."""
    return {claim: rate for claim, rate in rates.items() if claim in claims}


def neuron_table(sets: pd.DataFrame, invalid: Invalid = ALL_VALID) -> pd.DataFrame:
    """Return the counts of neurons of section 4.4 for readers: one row per measure and way of counting.

    Parameters
    ----------
    sets
        As in `artifacts.schemas.NEURON_SETS`.
    invalid
        From `neuron_validity.not_valid_here`.

    Returns
    -------
    pd.DataFrame
        For each measure the counts at the significance level, after each correction, and with the lags of the plug-in
        rule; in brackets their share of the tested neurons. Only the first row of a measure has further values: the
        overlap expected by chance, its probability and odds ratio, and for each outcome Storey's estimate of the share
        of neurons that are not associated with it.
    """
    rows = []
    for row in sets.to_dict("records"):
        ways = {"": f"p ≤ {row['alpha']:g}", "_bh": f"false discovery rate {row['alpha']:g}"}
        ways["_by"] = f"the same under any dependence, {row['alpha']:g}"
        ways["_bonferroni"] = f"family-wise error {row['alpha']:g}"
        ways["_plugin"] = f"p ≤ {row['alpha']:g}, {row['lags_plugin']} lags"
        for ending, way in ways.items():
            found = {name: with_share(row[name + ending], row[f"tested_{name}"]) for name in ("bias", "quality")}
            overlap = {
                "both expected by chance": row["expected_both"],
                "P of this overlap or more": row["p_overlap"],
                "odds ratio of overlap": row["odds_ratio"],
                "share of true nulls, bias": row["true_nulls_bias"],
                "share of true nulls, quality": row["true_nulls_quality"],
            }
            rows.append(
                {"measure": row["measure"], "counted": way, "neurons": row["neurons"], **found}
                | {"both": with_share(row["both" + ending], row["tested"])}
                | (overlap if not ending else dict.fromkeys(overlap, math.nan))
                | {"not valid here": rates_in_words(_of(invalid.get("", {}), CLAIMS_OF_COUNTS[ending]))}
            )
    return pd.DataFrame(rows)


def overlap_table(overlap: pd.DataFrame, invalid: Invalid = ALL_VALID) -> pd.DataFrame:
    """Return the sets of neurons beside their ranges under permutation, one row per measure and scheme, all layers.

    Parameters
    ----------
    overlap
        As in `artifacts.schemas.NEURON_OVERLAP`.
    invalid
        From `neuron_validity.not_valid_here`.

    Returns
    -------
    pd.DataFrame
        Each observed count with its 95% range under permutation in brackets and its p-value, and the verdict.
    """
    rows, shown = [], {test for tests in TESTS_OF.values() for test in tests}
    shown |= {"family-wise, bias", "family-wise, quality"}
    for row in overlap[overlap["layer"].isna()].to_dict("records"):
        line = {
            "measure": row["measure"],
            "permutations": f"{row['scheme'].replace('_', ' ')}, {row['permutations']:,}"
            + (" (all)" if row["complete"] else ""),
        }
        for name, words in (("bias", "bias"), ("quality", "quality"), ("both", "both"), ("matched", "overlap")):
            line[words] = with_interval(*(row[name + end] for end in ("", "_low", "_high")), digits=0)
            line[f"p, {words}"] = row[f"p_{name}"]
        line["p, overlap or fewer"] = row["p_matched_fewer"]
        for name, words, digits in (
            ("rank_agreement", "rank correlation", 3),
            ("same_sign", "slopes of the same sign", 3),
        ):
            line[words] = with_interval(*(row[name + end] for end in ("", "_low", "_high")), digits=digits)
            line[f"p, {words}"] = row[f"p_{name}"]
        line |= {f"{name}, family-wise": row[f"{name}_familywise"] for name in ("bias", "quality")}
        wrong = rates_in_words(_of(invalid.get(row["scheme"], {}), shown))
        rows.append(line | {"overlap is": row["verdict"], "smallest p": row["smallest_p"], "not valid here": wrong})
    return pd.DataFrame(rows)


def calibration_table(calibration: pd.DataFrame) -> pd.DataFrame:
    """Return how often each test rejects in simulated studies, in per cent.

    Parameters
    ----------
    calibration
        As in `artifacts.schemas.NEURON_CALIBRATION`.
    """
    table = calibration.copy()
    test = table["test"].replace({"neuron": "one neuron"}).str.replace("_", " ")
    per_cent = {name: 100 * table[name].astype(float) for name in ("rejected", "standard_error", "power")}
    found = zip(per_cent["rejected"], per_cent["standard_error"], strict=True)
    ranges = zip(table["rejected_low"], table["rejected_high"], strict=True)
    valid = table["valid"].map({True: "yes", False: "no"})
    shown = {
        "world": table["world"].str.replace("_", " "),
        "test": test,
        "permutations": table["scheme"].fillna("").str.replace("_", " "),
        "difference": table["difference"],
        "lags": table["lags"].str.replace("_", " "),
        "reference": table["reference"],
        "small-sample correction": table["small_sample"].map({True: "yes", False: "no"}),
        "fixed effects": table["fixed_effects"],
        "planted correlation": table["effect"].where(table["effect"] > 0),
        "planted in": table["planted"].fillna(""),
        "wrong without effect (%)": ["" if pd.isna(share) else f"{share:.1f} ± {error:.1f}" for share, error in found],
        "95% of studies (%)": ["" if pd.isna(low) else f"{100 * low:.0f} to {100 * high:.0f}" for low, high in ranges],
        "studies": table["studies"],
        "valid": valid.where(valid.notna(), ""),
        "power (%)": per_cent["power"].round(1),
        "false among found (%)": (100 * table["false_discovery"].astype(float)).round(1),
    }
    return pd.DataFrame(shown)


def sensitivity_table(sensitivity: pd.DataFrame, invalid: Invalid = ALL_VALID) -> pd.DataFrame:
    """Return the counts of neurons under every combination of choices.

    Parameters
    ----------
    sensitivity
        As in `artifacts.schemas.NEURON_SENSITIVITY`.
    invalid
        From `neuron_validity.not_valid_here`. Error rates are known for the study's own choices only, and its marks are
        those of all rows.
    """
    table = sensitivity.copy()
    shown = {test for name in ("bias", "quality", "matched") for test in TESTS_OF[name]}
    table["not_valid_here"] = rates_in_words(_of(of_first_scheme(invalid), shown))
    both = zip(table["both"], table["both_low"], table["both_high"], strict=True)
    table["both"] = [with_interval(*values, digits=0) for values in both]
    table = table.drop(columns=["measure", "both_low", "both_high"])
    table["column"] = table["column"].str.replace("_", ", ")
    names = {"named": "choices of", "column": "neurons", "p_bias": "p, bias", "p_quality": "p, quality"}
    names |= {"both": "both [95% of permutations]", "expected_both": "both expected by chance", "verdict": "overlap is"}
    return table.rename(columns=names).rename(columns=lambda name: name.replace("_", " "))


def write_neuron_table(sets_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/sets.parquet` and write `neuron_table` to each of `out` (.csv, .html)."""
    sets = read_table(sets_file, NEURON_SETS).to_pandas()
    table = neuron_table(sets, read_invalid(calibration_file, world_file))
    write_table_for_reading(table, out, "Neurons associated with bias and with text quality")


def write_overlap_table(overlap_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/overlap.parquet` and the calibration and write `overlap_table` to each of `out` (.csv, .html)."""
    overlap = read_table(overlap_file, NEURON_OVERLAP).to_pandas()
    invalid = read_invalid(calibration_file, world_file)
    write_table_for_reading(
        overlap_table(overlap, invalid), out, "Counts of neurons beside their ranges under permutation"
    )


def write_calibration_table(calibration_file: Path, out: Sequence[Path]) -> None:
    """Read `neurons/calibration.parquet` and write `calibration_table` to each of `out` (.csv, .html)."""
    table = calibration_table(read_table(calibration_file, NEURON_CALIBRATION).to_pandas())
    write_table_for_reading(table, out, "How often each test rejects in simulated studies")


def write_sensitivity_table(
    sensitivity_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]
) -> None:
    """Read `neurons/sensitivity.parquet` and write `sensitivity_table` to each of `out` (.csv, .html)."""
    sensitivity = read_table(sensitivity_file, NEURON_SENSITIVITY).to_pandas()
    table = sensitivity_table(sensitivity, read_invalid(calibration_file, world_file))
    write_table_for_reading(table, out, "Counts of neurons under every combination of choices")
