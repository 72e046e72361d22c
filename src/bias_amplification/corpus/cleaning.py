"""Makes articles fit for the study: mends their text, leaves out what cannot be used, and counts both."""

import html
import re
from collections import defaultdict
from hashlib import blake2b

import ftfy
import pyarrow as pa

from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding, finding

STEP = "cleaning"

# C0 and C1 controls but tab and newline; soft hyphen, zero-width characters, directional marks, byte order marks.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_EDGES = re.compile(" *\n *")
_BLANK_LINES = re.compile("\n{3,}")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8}\d{0,2});")
_WORD = re.compile(r"\w+")


def body_key(body: str) -> bytes:
    """Reduce a body to what makes it the same text: its words, whatever their case, spacing and punctuation."""
    return blake2b(" ".join(_WORD.findall(body.casefold())).encode(), digest_size=16).digest()


def mend_text(text: str) -> tuple[str, list[str]]:
    """Mend a text's encoding and spacing.

    Parameters
    ----------
    text
        A title or body.

    Returns
    -------
    text, changes
        The text with paragraphs one blank line apart at most, and what was mended in it, in words.
    """
    changes = []
    mended = _NEWLINES.sub("\n", text)
    if mended != text:
        changes.append("newline characters made \\n")
    if _ENTITY.search(mended):
        unescaped = html.unescape(mended)
        if unescaped != mended:
            changes.append("HTML character references resolved")
            mended = unescaped
    if not mended.isascii():
        # Line by line: a whole body passes for sound as soon as most of it is.
        fixed = "\n".join(line if line.isascii() else ftfy.fix_encoding(line) for line in mended.split("\n"))
        if fixed != mended:
            changes.append("mojibake mended")
            mended = _NEWLINES.sub("\n", fixed)
    without = _CONTROLS.sub("", mended)
    if without != mended:
        changes.append("control and invisible characters removed")
    if "\ufffd" in without:
        changes.append("characters lost in the source (U+FFFD) left in")
    spaced = _BLANK_LINES.sub("\n\n", _EDGES.sub("\n", _SPACES.sub(" ", without))).strip()
    if spaced != without:
        changes.append("spaces and blank lines normalised")
    return spaced, changes


def mend_articles(articles: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """Mend titles and bodies; every article stays.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.

    Returns
    -------
    articles, findings
        Titles are one line.
    """
    concerned: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, list[str]] = {}
    for name in ("title", "body"):
        columns[name] = []
        for article_id, text in zip(articles["article_id"].to_pylist(), articles[name].to_pylist(), strict=True):
            mended, changes = mend_text(text)
            columns[name].append(" ".join(mended.split()) if name == "title" else mended)
            for change in changes:
                concerned[f"{name}: {change}"].append(article_id)
    findings = [finding(STEP, text, True, ids) for text, ids in concerned.items()]
    return with_texts(articles, **columns), findings


def with_texts(articles: pa.Table, **columns: list[str]) -> pa.Table:
    """Replace text columns of an article table."""
    for name, values in columns.items():
        index = articles.schema.get_field_index(name)
        articles = articles.set_column(index, ARTICLES.field(name), pa.array(values, pa.string()))
    return articles.cast(ARTICLES)


def drop_unusable(
    articles: pa.Table, *, min_words: int, require_title: bool = True, step: str = STEP
) -> tuple[pa.Table, list[Finding]]:
    """Leave out articles that the study cannot use.

    An article that has several faults is counted under the first: no label, empty body, empty title, too short,
    duplicate. Of articles with the same body (`body_key`) the first stays, also when their labels differ, which is
    counted apart because one of the labels is then in doubt.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    min_words
        Words that a body must have at least.
    require_title
        Whether an article without a title is left out: a title is the first prompt.
    step
        The step named in the findings.

    Returns
    -------
    articles, findings
    """
    first_labels: dict[bytes, str] = {}
    concerned: dict[str, list[str]] = defaultdict(list)
    mask = []
    for row in articles.select(["article_id", "title", "body", "label"]).to_pylist():
        fault = _fault(row, min_words, require_title)
        if fault is None:
            key = body_key(row["body"])
            if key not in first_labels:
                first_labels[key] = row["label"]
            elif first_labels[key] == row["label"]:
                fault = "same body as an earlier article"
            else:
                fault = "same body as an earlier article of another label"
        mask.append(fault is None)
        if fault is not None:
            concerned[fault].append(row["article_id"])
    findings = [finding(step, text, False, ids) for text, ids in concerned.items()]
    return articles.filter(pa.array(mask, pa.bool_())), findings


def _fault(row: dict[str, str], min_words: int, require_title: bool) -> str | None:
    if not row["label"]:
        return "no label"
    if not row["body"].strip():
        return "empty body"
    if require_title and not row["title"].strip():
        return "empty title"
    if len(row["body"].split()) < min_words:
        return f"body of fewer than {min_words} words"
    return None


def clean(articles: pa.Table, *, min_words: int, require_title: bool = True) -> tuple[pa.Table, list[Finding]]:
    """Mend articles, then leave out those that the study cannot use.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, as a reader made them.
    min_words, require_title
        See `drop_unusable`.

    Returns
    -------
    articles, findings
        In the order given; every change and loss is in the findings.
    """
    mended, changes = mend_articles(articles)
    usable, losses = drop_unusable(mended, min_words=min_words, require_title=require_title)
    return usable, [*changes, *losses]
