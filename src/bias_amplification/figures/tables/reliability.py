"""Whether associations of neurons reproduce, in a table and in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
from bias_amplification.figures.neuron_validity import ALL_VALID, Invalid, of_first_scheme, read_invalid
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading

#: Words for the measures and the outcomes.
WORDS = {"weight": "weights", "activation": "activations", "bias": "bias", "quality": "text quality"}


def statistic_in_words(row: pd.Series) -> str:
    """Return the name of the number in a row of `NEURON_RELIABILITY`."""
    source, target = (WORDS[row[name]] for name in ("source", "target"))
    half = f"half of the {row['by']}"
    return {
        "reliability": f"effects on {source}: one {half} and the other",
        "stepped_up": f"the same for {source}, stepped up to all {row['by']}",
        "cross_correlation": f"effects on {source} in one {half}, on {target} in the other",
        "corrected": "the same, corrected for reliability",
        "prediction": f"{target} of a held-out {row['by'].removesuffix('s')}, predicted by neurons of {source}",
    }[row["statistic"]]


def worst_rate(row: pd.Series, rates: Mapping[str, float]) -> float | None:
    """Return the largest rate at which what a row says is wrong, of the rates of tests that are not valid here.

    Parameters
    ----------
    row
        Of `NEURON_RELIABILITY`. It has a test, perhaps an interval, and a part in the claim that an outcome reproduces.
    rates
        From `neuron_validity.of_first_scheme`.

    Returns
    -------
    float or None
        None if all of it is valid.
    """
    source, target = row["source"], row["target"]
    if row["statistic"] == "prediction":
        own = source == target
        claims = (
            [f"prediction, {source}", f"reproduces, {source}"] if own else [f"prediction, {source} neurons of {target}"]
        )
    elif source == target:  # stepping up changes neither the test nor the interval
        claims = [f"reliability, {source}", f"interval of reliability, {source}", f"reproduces, {source}"]
    else:
        kind = "cross-correlation" if row["statistic"] == "cross_correlation" else "corrected correlation"
        claims = ["cross-correlation", f"interval of {kind}"]
    return max((rates[claim] for claim in claims if claim in rates), default=None)


def reproducibility_table(reliability: pd.DataFrame, invalid: Invalid = ALL_VALID) -> pd.DataFrame:
    """Return whether associations of neurons reproduce: for each measure the result in words, then each number.

    Parameters
    ----------
    reliability
        As in `artifacts.schemas.NEURON_RELIABILITY`.
    invalid
        From `neuron_validity.not_valid_here`; these tests are marked.
    """
    rows, rates = [], of_first_scheme(invalid)
    for measure, own in reliability.groupby("measure", sort=False):
        sentence = reproducibility_in_words(own, rates)
        for _, row in own.iterrows():
            wrong = worst_rate(row, rates)
            chosen = "" if pd.isna(row["chosen"]) else f" ({int(row['chosen'])} of {row['neurons']:,})"
            rows.append(
                {
                    "measure": measure,
                    "correlation of": statistic_in_words(row) + chosen,
                    "r [95% interval]": with_interval(row["value"], row["value_low"], row["value_high"], 2),
                    "by chance [95%]": with_interval(row["chance"], row["chance_low"], row["chance_high"], 2),
                    "p": row["p_value"],
                    "permutations": "" if pd.isna(row["permutations"]) else f"{int(row['permutations']):,}",
                    "no value, because": row["reason"] or "",
                    "not valid here": "" if wrong is None else f"{100 * wrong:.0f}% wrong",
                    "result": sentence,
                }
            )
            sentence = ""
    return pd.DataFrame(rows)


def reproducibility_in_words(reliability: pd.DataFrame, rates: Mapping[str, float] | None = None) -> str:
    """Say for each measure whether associations with each outcome reproduce, and whether the overlap can be discussed.

    Parameters
    ----------
    reliability
        As in `artifacts.schemas.NEURON_RELIABILITY`.
    rates
        From `neuron_validity.of_first_scheme`. What is among these is not claimed.
    """
    return " ".join(_measure(own, rates or {}) for _, own in reliability.groupby("measure", sort=False))


def may_discuss_overlap(reliability: pd.DataFrame, rates: Mapping[str, float]) -> bool:
    """Return whether associations of one measure with both outcomes reproduce, by tests that are valid here."""
    both = reliability[reliability["source"] != reliability["target"]]["reproduces"].any()
    return bool(both) and not any(f"reproduces, {outcome}" in rates for outcome in ("bias", "quality"))


def _measure(own: pd.DataFrame, rates: Mapping[str, float]) -> str:
    """Return the sentences about one measure."""
    rows = {(row["statistic"], row["source"], row["target"]): row for _, row in own.iterrows()}
    first = own.iloc[0]
    name = f"For {WORDS[first['measure']]}, "
    if not first["splits"]:
        return (
            f"{name}whether associations reproduce cannot be told here: it takes four rounds, or "
            "two replicates of every round. So the overlap of the sets is not discussed."
        )
    bias, quality = (_outcome(rows, outcome, rates) for outcome in ("bias", "quality"))
    sentences = [name + bias, quality[0].upper() + quality[1:]]
    cross, corrected = (rows[statistic, "bias", "quality"] for statistic in ("cross_correlation", "corrected"))
    if not may_discuss_overlap(own, rates):
        return " ".join([*sentences, "So the overlap of the sets is not discussed."])
    told = "are told from" if cross["p_value"] <= cross["alpha"] else "are not told from"
    last = f"Effects on bias in one half and on text quality in the other {told} unrelated ones ({_number(cross)})"
    if pd.notna(corrected["value"]):
        last += f"; corrected for reliability, {_estimate(corrected)}"
    return " ".join([*sentences, f"{last}."])


def _outcome(rows: dict[tuple[str, str, str], pd.Series], outcome: str, rates: Mapping[str, float]) -> str:
    """Return the sentence about one measure and outcome, which begins with a small letter."""
    halves, predicted = (rows[statistic, outcome, outcome] for statistic in ("reliability", "prediction"))
    subject = f"associations with {WORDS[outcome]}"
    if pd.isna(halves["value"]) and pd.isna(predicted["value"]):
        return f"{subject} have no value ({halves['reason']})."
    found = (
        f"between halves of the {halves['by']}, {_number(halves)}; predicting a held-out "
        f"{halves['by'].removesuffix('s')} from the others, {_number(predicted)}"
    )
    if halves["reproduces"]:
        if rate := rates.get(f"reproduces, {outcome}"):
            return (
                f"whether {subject} reproduce is not said, because such a claim is wrong in {100 * rate:.0f}% of "
                f"simulated studies like this run ({found})."
            )
        return f"{subject} reproduce ({found})."
    if min(halves["smallest_p"], predicted["smallest_p"]) > halves["alpha"] / 2:
        return f"{subject} have too few permutations to tell whether they reproduce ({found})."
    text = f"{subject} are not told from chance ({found})."
    if round(halves["value_high"], 2) > 0:
        text += f" They are not ruled out: the interval between halves reaches up to {halves['value_high']:z.2f}."
    return text


def _estimate(row: pd.Series) -> str:
    if pd.isna(row["value_low"]):
        return f"r = {row['value']:z.2f}"
    return f"r = {with_interval(row['value'], row['value_low'], row['value_high'], 2)}"


def _number(row: pd.Series) -> str:
    """Return a correlation with its interval, the range that chance gives, and its p-value."""
    if pd.isna(row["value"]):
        return f"no value, {row['reason']}"
    return (
        f"{_estimate(row)}, by chance {row['chance_low']:z.2f} to {row['chance_high']:z.2f}, p = {row['p_value']:.3g}"
    )


def write_reproducibility_table(
    reliability_file: Path, calibration_file: Path, world_file: Path, out: Sequence[Path]
) -> None:
    """Read `neurons/reliability.parquet` and write `reproducibility_table` to each of `out` (.csv, .html)."""
    reliability = read_table(reliability_file, NEURON_RELIABILITY).to_pandas()
    table = reproducibility_table(reliability, read_invalid(calibration_file, world_file))
    write_table_for_reading(table, out, "Do the neurons' associations reproduce?")
