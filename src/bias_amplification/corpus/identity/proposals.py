"""Proposes what to remove, with the surroundings of a first find, for a person to review."""

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

CONTEXT = 60
#: A line is an outlet's own when it is short and stands in so many of its articles, and hardly elsewhere.
REPEATED_WORDS = 25
REPEATED_ARTICLES = 5
REPEATED_SHARE = 0.9
#: Articles of its own that use a name as an outlet's, so that it counts as one.
ATTESTED_ARTICLES = 2


def repeated_lines(articles: pa.Table) -> list[str]:
    """List short lines that one outlet repeats from article to article: calls to subscribe, headings, notices.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.

    Returns
    -------
    list of str
        Lines of at most 25 words in at least 5 articles and 1% of an outlet's articles, 90% of them that outlet's.
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


def read_boilerplate(path: Path = FOLDER / "boilerplate.csv") -> dict[str, str]:
    """Read the shipped phrases that sites put around articles, with what takes their place."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["text"]: row["replacement"] for row in csv.DictReader(stream)}


def attested_outlets(articles: pa.Table, names: Iterable[str]) -> frozenset[str]:
    """Find which names of the outlet column are outlets' and not persons', by how their own articles use them.

    Returns
    -------
    frozenset of str
        Names that at least two of their own articles use as an outlet's: in a wire credit, after "told" or "reporter
        for", in a byline. No article of a columnist or politician says that somebody told them something.
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
    """Make the patterns ready for a corpus; `outlets_file` adds to the shipped list of outlets."""
    files = [FOLDER / "outlets.csv", *([Path(outlets_file)] if outlets_file else [])]
    names = outlet_names(articles["outlet"].unique().to_pylist(), files)
    attested = attested_outlets(articles, names.uncertain)
    names = replace(names, distinctive=names.distinctive | attested, uncertain=names.uncertain - attested)
    return Detector(names, read_boilerplate(), repeated)


def propose(articles: pa.Table, *, outlets_file: Path | None = None) -> pa.Table:
    """Propose what to remove from the articles.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, cleaned.
    outlets_file
        A list of further outlets.

    Returns
    -------
    pa.Table
        Rows of `REVIEW`, all accepted, one a kind and text, by kind and falling number of articles; `context` shows
        the first find in double brackets.
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
    """Show a span in its surroundings, on one line."""
    before = text[max(0, span.start - CONTEXT) : span.start]
    after = text[span.end : span.end + CONTEXT]
    return " ".join(f"{before}[[{text[span.start : span.end]}]]{after}".split())
