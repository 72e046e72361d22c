"""Titles of figures that say what is seen, where the tables tell it from chance."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bias_amplification.study.unit import with_unit

#: Directions, in the order of a title, by the verdict on a change.
_DIRECTIONS = ("rises", "falls")
#: What is said of a verdict that rests on one replicate.
ONE_TRAINING = "one training"


def direction(row: Mapping[str, object]) -> str:
    """Return "rises" or "falls" if a change is told from none, otherwise "".

    With several replicates this is the verdict of the table of contrasts. With one replicate, the interval over
    articles must exclude 0: the change is then that of one model, as `seen_title` says.

    Parameters
    ----------
    row
        A row of `schemas.contrasts.CONTRASTS` about a change.
    """
    if row["verdict"] != "one replicate":
        return str(row["verdict"]) if row["verdict"] in _DIRECTIONS else ""
    if row["estimate_low"] > 0:
        return "rises"
    return "falls" if row["estimate_high"] < 0 else ""


def verdict_in_words(row: Mapping[str, object]) -> str:
    """Return the verdict on a change; with one replicate, what its interval over articles tells of this one model.

    Parameters
    ----------
    row
        As for `direction`.
    """
    if row["verdict"] != "one replicate":
        return str(row["verdict"])
    return f"{direction(row) or 'not told apart'} ({ONE_TRAINING})"


def seen_title(
    title: str,
    columns: Sequence[str],
    rounds: Mapping[str, str],
    contrasts: pd.DataFrame,
    ends: Mapping[str, str],
    unit: str = "article",
) -> str:
    """Return a title for a figure of trajectories: what rises and falls in it, or `title` if nothing is told apart.

    Parameters
    ----------
    title
        The neutral title. A number of a figure at its beginning is kept.
    columns
        Columns of the metrics table that the figure shows.
    rounds
        The figure's rounds, with their names in its legend.
    contrasts
        As in `schemas.contrasts.CONTRASTS`.
    ends
        The first and the last share of a round's tracked label in per cent, such as "33.3% to 61.2%". If one or two
        rounds are named, they are in the title.
    unit
        The study's word for an article.
    """
    changes = contrasts[(contrasts["kind"] == "change") & contrasts["round"].isin(list(rounds))]
    clauses, named = [], pd.DataFrame(columns=changes.columns)
    for column in columns:
        rows = _of_column(changes, column).copy()
        rows["direction"] = [direction(row) for row in rows.to_dict("records")]
        told = rows[rows["direction"] != ""]
        if told.empty:
            continue
        numbers = ends if column.startswith("share_") and len(told) <= 2 else {}
        parts = []
        for way in _DIRECTIONS:
            texts = [
                rounds[name] + (f" ({numbers[name]})" if name in numbers else "")
                for name in told.loc[told["direction"] == way, "round"]
            ]
            parts += [f"{way} with {_listed(texts)}"] if texts else []
        clauses.append(f"{_subject(column, unit)} {' and '.join(parts)}")
        named = told if named.empty else pd.concat([named, told])
    if not clauses:
        return title
    text = "; ".join(clauses)
    alone = named[named["replicates"] < 2]["round"].unique()
    if len(alone):
        which = "each round" if len(alone) == named["round"].nunique() else _listed([rounds[name] for name in alone])
        text += f" ({ONE_TRAINING} of {which})" if len(rounds) > 1 else f" ({ONE_TRAINING})"
    number, colon, _ = title.partition(": ")
    if colon and number.startswith("Figure "):
        return f"{number}: {text}"
    return text[0].upper() + text[1:]


def _of_column(changes: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the changes that a column shows: of a label, those of the rounds that track it."""
    if column.startswith("text_quality_index"):
        return changes[changes["outcome"] == "quality"]
    for outcome in ("share", "mean_probability"):
        if column.startswith(f"{outcome}_"):
            tracked = changes["tracked_label"] == column.removeprefix(f"{outcome}_")
            return changes[(changes["outcome"] == outcome) & tracked]
    return changes.head(0)


def _subject(column: str, unit: str) -> str:
    if column.startswith("text_quality_index"):
        return "text quality"
    if column.startswith("share_"):
        return f"the share of {with_unit('articles', unit)} labelled {column.removeprefix('share_')}"
    return f"the mean probability of {column.removeprefix('mean_probability_')}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + "".join(parts[-1:])
