"""Removes from articles what a review accepted."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from bias_amplification.corpus.cleaning import with_texts
from bias_amplification.corpus.findings import EXAMPLES, Finding, finding
from bias_amplification.corpus.identity.detect import Span, replacement_for, without_overlaps
from bias_amplification.corpus.identity.outlets import alternation
from bias_amplification.corpus.identity.proposals import make_detector
from bias_amplification.corpus.identity.review import PATTERN

STEP = "identity"
_REJECTED = "rejected in the review: left in"
_UNKNOWN = "found, but in no row of the review: left in"
Key = tuple[str, str]


def apply_review(
    articles: pa.Table, review: pa.Table, *, proposals: pa.Table | None = None, outlets_file: Path | None = None
) -> tuple[pa.Table, list[Finding]]:
    """Remove what the review accepts from titles and bodies.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, cleaned.
    review
        Rows of `REVIEW`: the proposals, or a reviewed file. Rows that are no proposals are added ones: their text is
        removed wherever it stands as whole words; of kind "pattern", wherever the regular expression matches.
    proposals
        What `propose` found; None if `review` is that itself.
    outlets_file
        As for `propose`.

    Returns
    -------
    articles, findings
        Articles concerned by kind; what was found but rejected, or stands in no row, is counted as kept.
    """
    decisions = {(row["kind"], row["text"]): row for row in review.to_pylist()}
    known = {(row["kind"], row["text"]) for row in (review if proposals is None else proposals).to_pylist()}
    repeated = [text for kind, text in known | decisions.keys() if kind == "repeated_line"]
    detector = make_detector(articles, outlets_file, repeated)
    extra = _AddedRows(row for key, row in decisions.items() if key not in known)
    removed: dict[str, list[str]] = defaultdict(list)
    left: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, list[str]] = {"title": [], "body": []}
    for row in articles.select(["article_id", "title", "body"]).to_pylist():
        kinds: Counter[str] = Counter()
        stays: set[str] = set()
        for name, find in (("title", detector.title_spans), ("body", detector.candidates)):
            accepted, others = _sort_out([*extra.spans(row[name]), *find(row[name])], decisions)
            columns[name].append(_replace(row[name], accepted, decisions))
            kinds.update(span.kind for span in accepted)
            stays |= others
        for kind in kinds:
            removed[kind].append(row["article_id"])
        for reason in stays:
            left[reason].append(row["article_id"])
    findings = [finding(STEP, f"{kind} removed", True, removed[kind]) for kind in sorted(removed)]
    findings += [finding(STEP, reason, True, left[reason]) for reason in sorted(left)]
    return with_texts(articles, **columns), findings


def review_finding(review: pa.Table, proposals: pa.Table, path: Path | None) -> Finding:
    """Say which decisions the run applies."""
    if path is None:
        return Finding(STEP, f"no review file: all {proposals.num_rows} proposals applied", True, 0)
    known = {(row["kind"], row["text"]) for row in proposals.to_pylist()}
    accepted, rejected, added, outdated = 0, 0, [], len(known)
    for row in review.to_pylist():
        if (row["kind"], row["text"]) not in known:
            added.append(row["text"])
            continue
        outdated -= 1
        accepted += row["decision"] == "accept"
        rejected += row["decision"] == "reject"
    text = (
        f"review file {path.name} applied: {accepted} accepted, {rejected} rejected, {len(added)} added, {outdated} "
        "proposals without a row"
    )
    return Finding(STEP, text, True, 0, tuple(added[:EXAMPLES]))


class _AddedRows:
    """Finds what a reviewer added."""

    def __init__(self, rows: Iterable[dict]) -> None:
        self._kinds: dict[str, str] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for row in rows:
            if row["kind"] == PATTERN:
                self._patterns.append((re.compile(row["text"], re.MULTILINE), row["text"]))
            else:
                self._kinds[" ".join(row["text"].split())] = row["kind"]
        self._phrases = re.compile(rf"(?<!\w){alternation(self._kinds)}(?!\w)") if self._kinds else None

    def spans(self, text: str) -> Iterator[Span]:
        for pattern, key in self._patterns:
            for match in pattern.finditer(text):
                if match.group():
                    yield Span(*match.span(), PATTERN, key)
        if self._phrases is not None:
            for match in self._phrases.finditer(text):
                phrase = " ".join(match.group().split())
                yield Span(*match.span(), self._kinds.get(phrase, ""), phrase)


def _sort_out(spans: Iterable[Span], decisions: dict[Key, dict]) -> tuple[list[Span], set[str]]:
    """Part the spans that are to be removed from the others, of which it says why they stay."""
    accepted, refused = [], []
    for span in spans:
        row = decisions.get((span.kind, span.text))
        (accepted if row is not None and row["decision"] == "accept" else refused).append(span)
    removed = without_overlaps(accepted)
    # What goes with something larger is not left in.
    left = without_overlaps([*removed, *refused])
    others = {_REJECTED if (s.kind, s.text) in decisions else _UNKNOWN for s in set(left) - set(removed)}
    return removed, others


def _replace(text: str, spans: list[Span], decisions: dict[Key, dict]) -> str:
    if not spans:
        return text
    parts, position = [], 0
    for span in spans:
        parts += [
            text[position : span.start],
            replacement_for(text, span, decisions[span.kind, span.text]["replacement"]),
        ]
        position = span.end
    joined = "".join([*parts, text[position:]])
    joined = re.sub(r"[ \t]{2,}", " ", joined)
    joined = re.sub(r" +(?=[,.;:!?)](?:\s|$))| *\n *(?=\n)|^ +| +$", "", joined, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", joined).strip()
