"""Remove the spans that a review accepts from articles."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from bias_amplification.corpus.articles import replace_texts
from bias_amplification.corpus.findings import EXAMPLES, Finding
from bias_amplification.corpus.identity.detect import Span, replacement_for, without_overlaps
from bias_amplification.corpus.identity.outlets import alternation
from bias_amplification.corpus.identity.proposals import make_detector, propose
from bias_amplification.corpus.identity.review import PATTERN, read_review, write_review
from bias_amplification.study.sections import Identity

STEP = "identity"
_REJECTED = "rejected in the review: left in"
_UNKNOWN = "found, but in no row of the review: left in"
Key = tuple[str, str]


def remove_identity(articles: pa.Table, identity: Identity, out_review: Path) -> tuple[pa.Table, list[Finding]]:
    """Write the proposals for removal, and remove what the config asks for.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, cleaned.
    identity
        The config's section. Without a `review_file`, all proposals are applied.
    out_review
        The file of proposals to make (CSV).

    Returns
    -------
    articles, findings
        All articles, some with other titles and bodies.

    Raises
    ------
    StudyError
        If the review file or the outlets file cannot be read.
    """
    outlets_file = Path(identity.outlets_file) if identity.outlets_file else None
    review_file = Path(identity.review_file) if identity.review_file else None
    # Finding proposals takes long. The review file is read before, so that its errors show at once.
    reviewed = read_review(review_file) if review_file else None
    proposals = propose(articles, outlets_file)
    write_review(proposals, out_review)
    if not identity.remove:
        return articles, [Finding(STEP, "nothing removed: corpus.identity.remove is off", True, 0)]
    review = proposals if reviewed is None else reviewed
    source = review_finding(review, proposals, review_file)
    articles, findings = apply_review(articles, review, proposals, outlets_file)
    return articles, [source, *findings]


def apply_review(
    articles: pa.Table, review: pa.Table, proposals: pa.Table, outlets_file: Path | None
) -> tuple[pa.Table, list[Finding]]:
    """Remove the spans that a review accepts from titles and bodies.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, cleaned.
    review
        Rows of `REVIEW`: the proposals or a reviewed file. The text of an added row (one that is no proposal) is
        removed wherever it occurs as whole words; if its kind is "pattern", wherever the regular expression matches.
    proposals
        Rows of `REVIEW`, as returned by `propose`.
    outlets_file
        As given to `propose`.

    Returns
    -------
    articles, findings
        Number of articles by kind of removal. Matches that were rejected, or have no row in the review, stay in the
        text and are counted too.
    """
    decisions = {(row["kind"], row["text"]): row for row in review.to_pylist()}
    known = {(row["kind"], row["text"]) for row in proposals.to_pylist()}
    repeated = [text for kind, text in known | decisions.keys() if kind == "repeated_line"]
    detector = make_detector(articles, outlets_file, repeated)
    added = _AddedRows(row for key, row in decisions.items() if key not in known)
    removed: dict[str, list[str]] = defaultdict(list)
    left: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, list[str]] = {"title": [], "body": []}
    for row in articles.select(["article_id", "title", "body"]).to_pylist():
        kinds: Counter[str] = Counter()
        reasons: set[str] = set()
        for name, find in (("title", detector.title_spans), ("body", detector.candidates)):
            accepted, others = _sort_out([*added.spans(row[name]), *find(row[name])], decisions)
            columns[name].append(_replace(row[name], accepted, decisions))
            kinds.update(span.kind for span in accepted)
            reasons |= others
        for kind in kinds:
            removed[kind].append(row["article_id"])
        for reason in reasons:
            left[reason].append(row["article_id"])
    findings = [Finding.with_examples(STEP, f"{kind} removed", True, removed[kind]) for kind in sorted(removed)]
    findings += [Finding.with_examples(STEP, reason, True, left[reason]) for reason in sorted(left)]
    return replace_texts(articles, **columns), findings


def review_finding(review: pa.Table, proposals: pa.Table, path: Path | None) -> Finding:
    """Return a finding about which decisions are applied: those of the review file, or all proposals."""
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
    """Finds the texts and patterns that a reviewer added."""

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
    """Return the spans to remove, and the reasons why other spans stay."""
    accepted, refused = [], []
    for span in spans:
        row = decisions.get((span.kind, span.text))
        (accepted if row is not None and row["decision"] == "accept" else refused).append(span)
    removed = without_overlaps(accepted)
    # A refused span that is part of a removed one does not stay.
    left = without_overlaps([*removed, *refused])
    reasons = {_REJECTED if (s.kind, s.text) in decisions else _UNKNOWN for s in set(left) - set(removed)}
    return removed, reasons


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
