"""Propose what to remove, each proposal with its first occurrence in context, for a person to review."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from bias_amplification.corpus.identity.detect import NOUN_KINDS, OUTLET_REPLACEMENT, PERSONS, ROLE, Detector, Span
from bias_amplification.corpus.identity.outlets import FOLDER, bare_name, outlet_names
from bias_amplification.corpus.identity.review import REVIEW

#: Characters of context before and after an occurrence.
CONTEXT = 60
#: A line counts as repeated by an outlet if it has at most this many words, ...
REPEATED_WORDS = 25
#: ... occurs in at least this many of the outlet's articles, ...
REPEATED_ARTICLES = 5
#: ... and at least this share of the articles with the line are the outlet's.
REPEATED_SHARE = 0.9
#: Number of an outlet's own articles that must use its name like an outlet's, so that it counts as an outlet.
ATTESTED_ARTICLES = 2


def repeated_lines(articles: pa.Table) -> list[str]:
    """Return short lines that one outlet repeats in many articles: calls to subscribe, headings, notices.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.

    Returns
    -------
    list of str
        Lines of at most 25 words, in at least 5 articles and 1% of the articles of an outlet. At least 90% of the
        articles with the line are that outlet's.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for outlet, body in zip(articles["outlet"].to_pylist(), articles["body"].to_pylist(), strict=True):
        if outlet is None:
            continue
        sizes[outlet] += 1
        for line in {line.strip() for line in body.split("\n")}:
            if line and line.count(" ") < REPEATED_WORDS and re.search(r"[^\W\d_]{2}", line):
                counts[line][outlet] += 1
    found = []
    for line, outlets in counts.items():
        outlet, count = outlets.most_common(1)[0]
        enough = count >= max(REPEATED_ARTICLES, 0.01 * sizes[outlet])
        if enough and count >= REPEATED_SHARE * outlets.total():
            found.append(line)
    return sorted(found)


def read_boilerplate() -> dict[str, str]:
    """Read the shipped list of phrases that sites put around articles, with their replacements."""
    with (FOLDER / "boilerplate.csv").open(encoding="utf-8", newline="") as stream:
        return {row["text"]: row["replacement"] for row in csv.DictReader(stream)}


def attested_outlets(articles: pa.Table, names: Iterable[str]) -> frozenset[str]:
    """Find the names in the outlet column that belong to outlets instead of persons.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    names
        Names to decide on.

    Returns
    -------
    frozenset of str
        Names that at least two of their own articles use as an outlet's name: in a wire credit, after "told" or
        "reporter for", or in a byline. Articles by a columnist or politician do not use the author's name like this.
    """
    names = frozenset(names)
    counts: Counter[str] = Counter()
    for outlet, body in zip(articles["outlet"].to_pylist(), articles["body"].to_pylist(), strict=True):
        name = bare_name(outlet) if outlet else ""
        if name not in names or name not in body:
            continue
        phrase = rf"(?:[Tt]he )?{re.escape(name)}"
        frames = (
            rf"\({phrase}\) ?[-–—]|\b(?:told|interview with|{ROLE} (?:for|at|of)) {phrase}\b|^{PERSONS}, {phrase}\b"
        )
        if re.search(frames, body, re.MULTILINE):
            counts[name] += 1
    return frozenset(name for name, count in counts.items() if count >= ATTESTED_ARTICLES)


def make_detector(articles: pa.Table, outlets_file: Path | None, repeated: list[str]) -> Detector:
    """Make the detector for a corpus. The outlets of `outlets_file` are added to the shipped list."""
    files = [FOLDER / "outlets.csv", *([outlets_file] if outlets_file else [])]
    names = outlet_names(articles["outlet"].unique().to_pylist(), files)
    attested = attested_outlets(articles, names.uncertain)
    names = replace(names, distinctive=names.distinctive | attested, uncertain=names.uncertain - attested)
    return Detector(names, read_boilerplate(), repeated)


def propose(articles: pa.Table, outlets_file: Path | None) -> pa.Table:
    """Propose what to remove from the articles.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, cleaned.
    outlets_file
        A list of further outlets (CSV).

    Returns
    -------
    pa.Table
        Rows of `REVIEW`, one for each kind and text, all accepted, sorted by kind and decreasing number of articles.
        `context` shows the first occurrence in double brackets.
    """
    detector = make_detector(articles, outlets_file, repeated_lines(articles))
    boilerplate = read_boilerplate()
    counts: Counter[tuple[str, str]] = Counter()
    contexts: dict[tuple[str, str], str] = {}
    for title, body in zip(articles["title"].to_pylist(), articles["body"].to_pylist(), strict=True):
        found: set[tuple[str, str]] = set()
        for text, spans in ((title, detector.title_spans(title)), (body, detector.spans(body))):
            for span in spans:
                found.add(key := (span.kind, span.text))
                if key not in contexts:
                    contexts[key] = show_context(text, span)
        counts.update(sorted(found))
    rows = []
    for (kind, text), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        replacement = OUTLET_REPLACEMENT if kind in NOUN_KINDS else boilerplate.get(text, "")
        rows.append(
            {
                "decision": "accept",
                "kind": kind,
                "text": text,
                "replacement": replacement,
                "articles": count,
                "context": contexts[kind, text],
            }
        )
    return pa.Table.from_pylist(rows, schema=REVIEW)


def show_context(text: str, span: Span) -> str:
    """Return a span in double brackets with its context, on one line."""
    before = text[max(0, span.start - CONTEXT) : span.start]
    after = text[span.end : span.end + CONTEXT]
    return " ".join(f"{before}[[{text[span.start : span.end]}]]{after}".split())
