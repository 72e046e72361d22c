"""What a run answers: the top of the page, computed from the run's tables."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from bias_amplification.figures.neuron_validity import Invalid, of_first_scheme
from bias_amplification.figures.robustness import robustness_table
from bias_amplification.figures.tables.contrasts import in_words
from bias_amplification.figures.tables.reliability import WORDS
from bias_amplification.figures.tables.writing import html_table
from bias_amplification.measures.selection import best_candidate
from bias_amplification.neurons.panel import OUTCOMES
from bias_amplification.study.unit import with_unit

QUESTION = (
    "Asked: when a language model is trained again and again on what it writes, does its text grow more biased? Does "
    "the text decay? Do the same neurons change with both?"
)
HEADINGS = (
    "round",
    "label",
    "share (%)",
    "change of share",
    "verdict on share",
    "ways of counting",
    "text quality",
    "change of quality",
    "verdict on quality",
)


class Line(NamedTuple):
    """A sentence, and the names of the figures and tables that show it."""

    text: str
    shown_in: Sequence[str]


def answer_rows(metrics: pd.DataFrame, changes: pd.DataFrame, contrasts: pd.DataFrame) -> list[list[str]]:
    """Return the cells of the table of the rounds, in the order of `HEADINGS`.

    Parameters
    ----------
    metrics, changes, contrasts
        As in `schemas.metrics`, `schemas.changes` and `schemas.contrasts.CONTRASTS`.
    """
    own = contrasts[contrasts["kind"] == "change"].set_index(["round", "outcome"], drop=False)
    tracked = own.xs("share", level="outcome")["tracked_label"].to_dict()
    ways = robustness_table(metrics, changes, tracked).groupby("round", sort=False)
    mean = metrics.groupby(["round", "generation"])["text_quality_index"].mean()
    rows = []
    for name, label in tracked.items():
        counted = ways.get_group(name)
        plain = counted.iloc[0]
        compared = counted["direction beside the plain share"].iloc[1:]
        known = compared.isin(["same", "opposite"])
        share, quality = own.loc[(name, "share")], own.loc[(name, "quality")]
        ends = mean[name].dropna()
        rows.append(
            [
                name.replace("_", " "),
                label,
                " to ".join(str(plain[f"{end} (%)"]).split(" ", maxsplit=1)[0] for end in ("first", "last")),
                in_words(share),
                share["verdict"],
                f"{(compared == 'same').sum()} of {known.sum()} the same way" if known.any() else "",
                f"{ends.iloc[0]:.2f} to {ends.iloc[-1]:.2f}" if len(ends) else "",
                in_words(quality),
                quality["verdict"],
            ]
        )
    return rows


def trust_in_words(scores: Sequence[Mapping[str, Any]], metrics: pd.DataFrame, unit: str) -> str:
    """Say how good the selected classifier is on each split, and how far it can be trusted on what models write."""
    candidates = [score for score in scores if score["split"] == "random"]
    sentences = []
    if candidates:
        best = candidates[best_candidate(candidates)]["candidate"]
        names = {"random": f"{unit}s at random", "event": "new events", "outlet": "new outlets"}
        found = [
            f"{score['test']['macro_f1']:.2f} on {names.get(score['split'], score['split'])}"
            for score in scores
            if score["candidate"] == best
        ]
        guess = 1 / len(candidates[0]["test"]["f1"])
        sentences.append(f"The classifier's macro F1 is {_listed(found)}; guessing gives {guess:.2f}.")
    if metrics["agreement"].notna().any():
        low, high = 100 * metrics["agreement"].min(), 100 * metrics["agreement"].max()
        sentences.append(
            f"A second classifier gives the same label to {low:.0f} to {high:.0f}% of a version's {unit}s."
        )
    if metrics["adjusted_misfit"].notna().any():
        sentences.append(
            f"Up to {100 * metrics['adjusted_misfit'].max():.0f}% of a version's {unit}s are beyond any mixture of the "
            "classifier's known confusions."
        )
    return " ".join(sentences)


def neurons_in_words(overlap: pd.DataFrame, reliability: pd.DataFrame, invalid: Invalid) -> str:
    """Say which counts of neurons are told from chance, and for which outcomes associations reproduce."""
    wrong, alpha = of_first_scheme(invalid), float(reliability["alpha"].iloc[0])
    rows = overlap[(overlap["scheme"] == overlap["scheme"].iloc[0]) & overlap["layer"].isna()]
    told = []
    for row in rows.to_dict("records"):
        for outcome in OUTCOMES:
            if row[f"p_{outcome}"] <= alpha:
                told.append(f"{row[outcome]:,.0f} {WORDS[row['measure']]} with {WORDS[outcome]}")
    sentences = [
        f"The number of neurons that go with an outcome is told from chance for {_listed(told)} (p ≤ {alpha:g})."
        if told
        else "The numbers of neurons that go with an outcome are not told from chance."
    ]
    if (rows["smallest_p"] > alpha).all():
        sentences = [
            f"There are too few permutations ({rows['permutations'].max():,}) to tell whether numbers of neurons are "
            "more than chance."
        ]
    elif "count of bias" in wrong or "count of quality" in wrong:
        rate = max(rate for claim, rate in wrong.items() if claim.startswith("count of"))
        sentences = [
            "Whether numbers of neurons are more than chance is not said, because this is wrong in up to "
            f"{100 * rate:.0f}% of simulated studies like this run."
        ]
    halves = reliability[(reliability["statistic"] == "reliability")]
    again = [
        f"{WORDS[row['measure']]} with {WORDS[row['source']]}"
        for row in halves.to_dict("records")
        if row["reproduces"] and f"reproduces, {row['source']}" not in wrong
    ]
    # Each outcome has two tests, at half the level.
    if not again and not (halves["splits"].gt(0) & halves["smallest_p"].le(alpha / 2)).any():
        sentences.append("Whether associations are found again in other rounds cannot be told here.")
        return " ".join(sentences)
    sentences.append(
        f"Associations are found again in other {halves['by'].iloc[0]}: {_listed(again)}."
        if again
        else f"No association is found again in other {halves['by'].iloc[0]}, so nothing is said of common neurons."
    )
    return " ".join(sentences)


def published_in_words(comparison: pd.DataFrame) -> str:
    """Count the verdicts on the published numbers."""
    counts = comparison["verdict"].value_counts()
    found = [f"{number} {verdict}" for verdict, number in counts.items()]
    return f"Compared with the run, {len(comparison)} published numbers are: {', '.join(found)}."


def answers_html(
    rows: Sequence[Sequence[str]],
    lines: Sequence[Line],
    shown: Collection[str],
    unit: str,
    marks: Sequence[str] = (),
) -> str:
    """Return the section.

    Parameters
    ----------
    rows
        From `answer_rows`.
    lines
        Further sentences.
    shown
        Names of the figures and tables that the page has.
    unit
        The study's word for an article.
    marks
        HTML before the name of each round: its strategy's colour and marker.
    """
    about = Line(
        "Share of the tracked label and text quality index in generation 0 and in the last one; their changes with 95% "
        "intervals, paired by article. Ways of counting: how many others change in the same direction.",
        ("changes", "changes_table", "robustness", "robustness_table", "figure_3", "figure_5"),
    )
    if any(row[4] == "one replicate" for row in rows):
        about = about._replace(
            text=about.text
            + " One replicate: the interval holds the error of articles only, so a change is that of this "
            "model, and is not told to be that of the strategy."
        )
    texts = [about._replace(text=with_unit(about.text, unit)), *lines]
    items = "".join(f"<li>{escape(line.text)} {_links(line.shown_in, shown)}</li>\n" for line in texts if line.text)
    return (
        '<section class="answers" aria-labelledby="answers"><h2 id="answers">What this run answers</h2>\n'
        f"<p>{escape(QUESTION)}</p>\n"
        f"{html_table(HEADINGS, rows, 'What this run answers', marks, stacked=True)}<ul>\n{items}</ul></section>"
    )


def _links(names: Sequence[str], shown: Collection[str]) -> str:
    links = [f'<a href="#{escape(name)}">{escape(name.replace("_", " "))}</a>' for name in names if name in shown]
    return f'<span class="quiet">{" · ".join(links)}</span>' if links else ""


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + "".join(parts[-1:])
