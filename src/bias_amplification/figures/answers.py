"""What a run answers: the top of the page, computed from the run's tables."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from bias_amplification.figures.neuron_validity import Invalid, of_first_scheme
from bias_amplification.figures.robustness import robustness_table
from bias_amplification.figures.seen import ONE_TRAINING, verdict_in_words
from bias_amplification.figures.tables.contrasts import in_words
from bias_amplification.figures.tables.reliability import WORDS
from bias_amplification.figures.tables.writing import html_table
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.measures.selection import best_candidate
from bias_amplification.neurons.panel import OUTCOMES
from bias_amplification.published.verdicts import VERDICTS
from bias_amplification.study.unit import plural, with_unit

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


def answer_rows(
    metrics: pd.DataFrame, changes: pd.DataFrame, contrasts: pd.DataFrame, quality: str = "text_quality_index"
) -> list[list[str]]:
    """Return the cells of the table of the rounds, in the order of `HEADINGS`.

    Parameters
    ----------
    metrics, changes, contrasts
        As in `schemas.metrics`, `schemas.changes` and `schemas.contrasts.CONTRASTS`.
    quality
        Column of the metrics with the text quality index whose change is in `contrasts`.
    """
    own = contrasts[contrasts["kind"] == "change"].set_index(["round", "outcome"], drop=False)
    tracked = own.xs("share", level="outcome")["tracked_label"].to_dict()
    means, counted = over_replicates(metrics), robustness_table(metrics, changes, tracked)
    rows = []
    for name, label in tracked.items():
        of_round, ways = means[means["round"] == name], counted[counted["round"] == name]
        cells = []
        for outcome, column, factor, digits in (("share", f"share_{label}", 100, 1), ("quality", quality, 1, 2)):
            change = own.loc[(name, outcome)]
            cells.append([_ends(of_round, column, factor, digits), in_words(change), verdict_in_words(change)])
        if len(of_round) == 1:
            cells = [[ends, "", "only one generation"] for ends, *_ in cells]
        told = own.loc[(name, "share"), "verdict"] != "no value"
        in_ways = _ways(ways["direction beside the plain share"]) if told else ""
        rows.append([name.replace("_", " "), label, *cells[0], in_ways, *cells[1]])
    return rows


def _ends(rows: pd.DataFrame, column: str, factor: float, digits: int) -> str:
    """Return a measure of a round at generation 0 and at its last generation, such as "64.6 to 91.7"."""
    values = factor * rows.sort_values("generation")[column].iloc[[0, -1][: len(rows)]]
    return " to ".join("no value" if pd.isna(value) else f"{value:.{digits}f}" for value in values)


def _ways(directions: pd.Series) -> str:
    """Say how many ways of counting change in the same direction as the plain share, of those that can be compared."""
    known = directions[directions.isin(["same", "opposite"])]
    return f"{(known == 'same').sum()} of {len(known)} the same way" if len(known) else ""


def trust_in_words(scores: Sequence[Mapping[str, Any]], metrics: pd.DataFrame, unit: str) -> str:
    """Say how good the selected classifier is on each split, and how far it can be trusted on what models write."""
    candidates = [score for score in scores if score["split"] == "random"]
    sentences, units = [], plural(unit)
    if candidates:
        best = candidates[best_candidate(candidates)]
        names = {"random": f"{units} at random", "event": "new events", "outlet": "new outlets"}
        found = [
            f"{score['test']['macro_f1']:.2f} on {names.get(score['split'], score['split'])}"
            for score in scores
            if score["candidate"] == best["candidate"]
        ]
        # Guessing gives this if all labels are equally frequent, and less otherwise.
        guess = 1 / len(best["test"]["f1"])
        sentences.append(f"The classifier's macro F1 is {_listed(found)}; guessing gives at most {guess:.2f}.")
        error = best["test"]["calibration"]["expected_error"]
        sentences.append(
            f"On test {units}, its confidence differs from its accuracy by {100 * error:.1f} points on average."
        )
    if metrics["agreement"].notna().any():
        low, high = 100 * metrics["agreement"].min(), 100 * metrics["agreement"].max()
        sentences.append(
            f"A second classifier gives the same label to {low:.0f} to {high:.0f}% of a version's {units}."
        )
    if metrics["adjusted_misfit"].notna().any():
        sentences.append(
            f"Up to {100 * metrics['adjusted_misfit'].max():.0f}% of a version's {units} are beyond any mixture of the "
            "classifier's known confusions."
        )
    return " ".join(sentences)


def neurons_in_words(overlap: pd.DataFrame, reliability: pd.DataFrame, invalid: Invalid, known: Collection[str]) -> str:
    """Say which counts of neurons are told from chance, and for which outcomes associations reproduce.

    Parameters
    ----------
    overlap, reliability
        As in `schemas.NEURON_OVERLAP` and `schemas.NEURON_RELIABILITY`.
    invalid, known
        From `neuron_validity.not_valid_here` and `known_here`.
    """
    wrong = of_first_scheme(invalid)
    sentences = [
        _counts_in_words(overlap, float(reliability["alpha"].iloc[0]), wrong, known),
        _again_in_words(reliability, wrong, known),
    ]
    if any(WORDS["activation"] in sentence for sentence in sentences):
        sentences.append("Error rates are simulated with the neurons' weights, not with their activations.")
    return " ".join(sentences)


def _counts_in_words(overlap: pd.DataFrame, alpha: float, wrong: Mapping[str, float], known: Collection[str]) -> str:
    """Say which counts of neurons are told from chance, if such a claim is valid here."""
    rows = overlap[(overlap["scheme"] == overlap["scheme"].iloc[0]) & overlap["layer"].isna()]
    tests = [f"count of {outcome}" for outcome in OUTCOMES]
    if not (rows["smallest_p"] <= alpha).any():
        return (
            f"There are too few permutations ({rows['permutations'].max():,}) to tell whether numbers of neurons are "
            "more than chance."
        )
    if rows[[f"p_{outcome}" for outcome in OUTCOMES]].isna().all(axis=None):
        return "No number of neurons that go with an outcome can be tested."
    if rates := [wrong[test] for test in tests if test in wrong]:
        return f"Whether numbers of neurons are more than chance is not said, because {_wrong(rates)}."
    told = [
        f"{row[outcome]:,.0f} {WORDS[row['measure']]} with {WORDS[outcome]}"
        for row in rows.to_dict("records")
        for outcome in OUTCOMES
        if row[f"p_{outcome}"] <= alpha
    ]
    if not told:
        return "The numbers of neurons that go with an outcome are not told from chance."
    return (
        f"The number of neurons that go with an outcome is told from chance for {_listed(told)} (each number by "
        f"itself, p ≤ {alpha:g}{_unknown(tests, known)})."
    )


def _again_in_words(reliability: pd.DataFrame, wrong: Mapping[str, float], known: Collection[str]) -> str:
    """Say which associations are found again in other rounds or replicates, if such a claim is valid here."""
    own = reliability[reliability["source"] == reliability["target"]]
    halves, others = own[own["statistic"] == "reliability"], f"in other {own['by'].iloc[0]}"
    found = {
        f"{WORDS[row['measure']]} with {WORDS[row['source']]}": f"reproduces, {row['source']}"
        for row in halves[halves["reproduces"]].to_dict("records")
    }
    again = {name: test for name, test in found.items() if test not in wrong}
    unsaid = [name for name in found if name not in again]
    sentences = []
    if again:
        sentences.append(
            f"Associations are found again {others}: {_listed([*again])}{_unknown(again.values(), known)}."
        )
    if unsaid:
        rates = [wrong[found[name]] for name in unsaid]
        sentences.append(
            f"Whether associations of {_listed(unsaid)} are found again {others} is not said, because {_wrong(rates)}."
        )
    if found:
        return " ".join(sentences)
    # Each outcome has two tests, at half the level.
    tests = own[own["statistic"].isin(["reliability", "prediction"]) & own["splits"].gt(0)]
    if not tests["smallest_p"].le(tests["alpha"] / 2).any():
        return "Whether associations are found again in other rounds cannot be told here."
    return f"Associations are not told from chance {others}, so nothing is said of common neurons."


def _wrong(rates: Sequence[float]) -> str:
    return f"this is wrong in up to {100 * max(rates):.0f}% of simulated studies like this run"


def _unknown(tests: Collection[str], known: Collection[str]) -> str:
    """Say that it is not known whether tests are valid here, if this is so."""
    return "" if set(tests) <= set(known) else "; whether this test is valid here is not known"


def published_in_words(comparison: pd.DataFrame) -> str:
    """Count the verdicts on the published numbers."""
    counts = comparison["verdict"].value_counts().reindex(list(VERDICTS), fill_value=0)
    found = [f"{number} {verdict}" for verdict, number in counts.items()]
    return f"Verdicts on the {len(comparison)} published numbers beside the run's own: {', '.join(found)}."


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
        "intervals, paired by article. Ways of counting: how many others change in the same direction. Verdicts are "
        "not adjusted for their number: of 20 rounds that do not change, one is said to rise or fall on average.",
        ("changes", "changes_table", "robustness", "robustness_table", "figure_3", "figure_5"),
    )
    if any(ONE_TRAINING in cell for row in rows for cell in row):
        about = about._replace(
            text=about.text
            + " One training: the interval holds the error of articles only, so the verdict is about this model and "
            "not about the strategy."
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
