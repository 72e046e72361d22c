"""Tables of changes, of their differences, and of the sources of their variance, with a sentence for each result."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas.contrasts import CONTRASTS, VARIANCE
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.measures.contrasts import ALPHA
from bias_amplification.measures.variance import COMPONENTS
from bias_amplification.study.unit import with_unit

#: Factor, digits and unit of the changes of each outcome.
UNITS = {"share": (100, 1, " points"), "mean_probability": (100, 1, " points"), "quality": (1, 3, "")}

#: Digits after the point of an interval that hardly excludes 0.
_MOST_DIGITS = 6


def outcome_name(outcome: str, label: str) -> str:
    """Return an outcome in words, such as "share of right"."""
    names = {"share": f"share of {label}", "mean_probability": f"mean probability of {label}"}
    return names.get(outcome, "text quality index")


def sentence(row: pd.Series, unit: str = "article") -> str:
    """Return the result of one row of `CONTRASTS` as a sentence.

    A change that is not told apart from none, and a difference of changes that is not told apart from none, come with
    the number of replicates that would show one as large as the estimate.
    """
    name, outcome = row["round"].replace("_", " "), outcome_name(row["outcome"], row["tracked_label"])
    other = "" if row["kind"] == "change" else row["other_round"].replace("_", " ")
    if row["kind"] != "change":
        name = f"{name} compared with {'the control ' if row['kind'] == 'control' else ''}{other}"
    verdict = row["verdict"]
    if verdict == "no value":
        return f"{name}: {with_unit('no article', unit)} has a value of the {outcome}."
    number = in_words(row)
    subject = "change" if row["kind"] == "change" else "difference"
    if verdict == "one replicate":
        which = "with one replicate" + ("" if row["kind"] == "change" else " that has the same articles in both")
        note = f"{which}. The interval holds the error of articles only, so it does not show what the strategy does."
        return f"{name}: the {subject} of the {outcome} is {number} {with_unit(note, unit)}"
    replicates = f"{row['replicates']} replicates"
    if verdict != "not told apart":
        sizes = in_words(row, direction=-1 if row["estimate"] < 0 else 1)
        if row["kind"] == "change":
            return f"{name}: the {outcome} {verdict} by {sizes} ({replicates})."
        more = "higher" if row["estimate"] > 0 else "lower"
        return f"{name}: the change of the {outcome} is {more} by {sizes} ({replicates})."
    found = f"{name}: the {outcome} is not told apart from no {subject} ({number}, {replicates})"
    if row["p_value"] <= ALPHA:
        found += ": its own interval excludes 0, but among all comparisons this may be chance"
    if not row["estimate"]:
        return f"{found}."
    needed = row["replicates_needed"]
    number_needed = "more than 1,000" if pd.isna(needed) else f"about {int(needed)}"
    found += f"; to tell one of this size apart would need {number_needed} replicates"
    if row["articles_different"] < row["articles"] * row["replicates"]:
        found += with_unit(", or more articles, because replicates share some", unit)
    return f"{found}."


def in_words(row: pd.Series, direction: int = 1) -> str:
    """Return the estimate with its unit and its interval, with the opposite sign if `direction` is -1; "" without one.

    An interval that excludes 0 has as many digits as show it.
    """
    factor, digits, unit = UNITS[row["outcome"]]
    value, *ends = (direction * factor * row[f"estimate{end}"] for end in ("", "_low", "_high"))
    if ends[0] * ends[1] > 0:
        digits = max(digits, min(_MOST_DIGITS, math.floor(-math.log10(2 * min(map(abs, ends)))) + 1))
    text, *interval = with_interval(value, *ends[::direction], digits=digits).split(" ", 1)
    return " ".join([text + unit, *interval]) if text else ""


def _cells(row: pd.Series) -> dict[str, object]:
    articles = f"{row['articles']}"
    if row["replicates"] > 1:
        articles += f" in each replicate, {row['articles_different']} different ones"
    return {"replicates": row["replicates"], "articles": articles}


def changes_table(contrasts: pd.DataFrame, unit: str = "article") -> pd.DataFrame:
    """Return each round's change, what is left of it beside each control, and its verdict in a sentence.

    Parameters
    ----------
    contrasts
        As in `schemas.contrasts.CONTRASTS`.
    unit
        The study's word for an article.

    Returns
    -------
    pd.DataFrame
        One row per round and outcome. A column "beside CONTROL" is the change minus the change of a control with the
        same recipe of fine-tuning and decoding. It is empty without such a control. If a column has several controls,
        their names follow the differences.
    """
    controls = contrasts[contrasts["kind"] == "control"]
    rows = []
    for _, row in contrasts[contrasts["kind"] == "change"].iterrows():
        own = controls[(controls["round"] == row["round"]) & (controls["outcome"] == row["outcome"])]
        beside = {strategy: "" for strategy in controls["other_strategy"].unique()}
        for strategy, group in own.groupby("other_strategy", sort=False):
            several = controls.loc[controls["other_strategy"] == strategy, "other_round"].nunique() > 1
            names = [f" ({one})" if several else "" for one in group["other_round"]]
            beside[strategy] = "; ".join(
                in_words(one) + name for name, (_, one) in zip(names, group.iterrows(), strict=True)
            )
        rows.append(
            {
                "round": row["round"],
                "outcome": outcome_name(row["outcome"], row["tracked_label"]),
                "change": in_words(row),
                **{f"beside {strategy}": text for strategy, text in beside.items()},
                "p": row["p_value"],
                **_cells(row),
                "result": sentence(row, unit),
            }
        )
    return pd.DataFrame(rows)


def comparisons_table(contrasts: pd.DataFrame, unit: str = "article") -> pd.DataFrame:
    """Return the differences of the changes of two rounds, controls first, each with its verdict in a sentence."""
    of_pairs = contrasts[contrasts["kind"] != "change"].sort_values("kind", kind="stable")
    rows = [
        {
            "round": row["round"],
            "compared with": row["other_round"],
            "outcome": outcome_name(row["outcome"], row["tracked_label"]),
            "difference of the changes": in_words(row),
            "p": row["p_value"],
            "p (Holm)": row["p_value_adjusted"],
            **_cells(row),
            "result": sentence(row, unit),
        }
        for _, row in of_pairs.iterrows()
    ]
    columns = ["round", "compared with", "outcome", "difference of the changes", "p", "p (Holm)", "replicates"]
    return pd.DataFrame(rows, columns=[*columns, "articles", "result"])


def variance_table(variance: pd.DataFrame) -> pd.DataFrame:
    """Return the variance of the articles' changes by its sources: one row per group of comparable rounds and outcome.

    Parameters
    ----------
    variance
        As in `schemas.contrasts.VARIANCE`. Cells have the standard deviation, and the share of the variance. Without
        rows, the table has its columns only.
    """
    rows = []
    keys = [variance["seed_set"], variance["tracked_label"], variance["rounds"].map(", ".join), variance["outcome"]]
    for (seed_set, label, rounds, outcome), group in variance.groupby(keys, sort=False):
        factor, digits, unit = UNITS[outcome]
        row = {
            "seed set": seed_set,
            "rounds": rounds,
            "outcome": outcome_name(outcome, label) + (f" ({unit.strip()})" if unit else ""),
        }
        for part in group.itertuples():
            share = "" if pd.isna(part.share) else f" ({100 * part.share:.1f}%)"
            row[part.component] = f"{factor * part.variance**0.5:.{digits}f}{share}"
        numbers = group[["strategies", "replicates", "articles"]].iloc[0]
        rows.append(row | {f"number of {name}": int(number) for name, number in numbers.items()})
    numbers = [f"number of {name}" for name in ("strategies", "replicates", "articles")]
    return pd.DataFrame(rows, columns=["seed set", "rounds", "outcome", *COMPONENTS, *numbers])


def write_changes_table(contrasts_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read `CONTRASTS` and write `changes_table` to each of `out` (.csv, .html)."""
    table = changes_table(read_table(contrasts_file, CONTRASTS).to_pandas(), unit)
    write_table_for_reading(table, out, "Changes from generation 0 to the last generation", unit)


def write_comparisons_table(contrasts_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read `CONTRASTS` and write `comparisons_table` to each of `out` (.csv, .html)."""
    table = comparisons_table(read_table(contrasts_file, CONTRASTS).to_pandas(), unit)
    write_table_for_reading(table, out, "Differences between strategies", unit)


def write_variance_table(variance_file: Path, out: Sequence[Path], *, unit: str = "article") -> None:
    """Read `VARIANCE` and write `variance_table` to each of `out` (.csv, .html)."""
    table = variance_table(read_table(variance_file, VARIANCE).to_pandas())
    write_table_for_reading(table, out, "Sources of the variance of the changes", unit)
