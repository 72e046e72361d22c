"""Clean articles: repair their texts, leave out unusable articles, and count both."""

import html
import re
from collections import defaultdict
from hashlib import blake2b

import ftfy
import pyarrow as pa

from bias_amplification.corpus.articles import replace_texts
from bias_amplification.corpus.findings import MENDED, Finding
from bias_amplification.corpus.words import WITH_ZERO_WIDTH_SPACES, count_words, only_words

STEP = "cleaning"

# C0 and C1 controls except tab and newline; soft hyphen, directional marks, byte order marks. The joiners U+200C and
# U+200D are none of them: they are part of the spelling in Persian and Indic scripts, and of many emoji.
_CONTROLS_BUT_SPACES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_CONTROLS = re.compile(f"\u200b|{_CONTROLS_BUT_SPACES.pattern}")
_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_EDGES = re.compile(" *\n *")
_BLANK_LINES = re.compile("\n{3,}")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8}\d{0,2});")


def body_key(body: str) -> bytes:
    """Return a hash of a body's words. Bodies that differ only in case, spacing or punctuation have the same hash."""
    return blake2b(only_words(body.casefold()).encode(), digest_size=16).digest()


def repair_text(text: str, language: str = "en") -> tuple[str, list[str]]:
    """Repair a text's encoding and spacing.

    Parameters
    ----------
    text
        A title or body.
    language
        ISO 639 code. Zero-width spaces stay in Thai, Lao, Khmer and Burmese, where they mark words.

    Returns
    -------
    text, changes
        The repaired text, with at most one blank line between paragraphs, and a description of each change.
    """
    changes = []
    repaired = _NEWLINES.sub("\n", text)
    if repaired != text:
        changes.append("newline characters made \\n")
    if _ENTITY.search(repaired):
        unescaped = html.unescape(repaired)
        if unescaped != repaired:
            changes.append("HTML character references resolved")
            repaired = unescaped
    if not repaired.isascii():
        # ftfy looks at the whole text and leaves it alone if most of it is sound, so each line is repaired by itself.
        fixed = "\n".join(line if line.isascii() else ftfy.fix_encoding(line) for line in repaired.split("\n"))
        if fixed != repaired:
            changes.append(MENDED)
            repaired = _NEWLINES.sub("\n", fixed)
    without = (_CONTROLS_BUT_SPACES if language in WITH_ZERO_WIDTH_SPACES else _CONTROLS).sub("", repaired)
    if without != repaired:
        changes.append("control and invisible characters removed")
    if "\ufffd" in without:
        changes.append("characters lost in the source (U+FFFD) left in")
    spaced = _BLANK_LINES.sub("\n\n", _EDGES.sub("\n", _SPACES.sub(" ", without))).strip()
    if spaced != without:
        changes.append("spaces and blank lines normalised")
    return spaced, changes


def repair_articles(articles: pa.Table, language: str) -> tuple[pa.Table, list[Finding]]:
    """Repair the titles and bodies of all articles.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    language
        See `repair_text`.

    Returns
    -------
    articles, findings
        All articles. Each title is one line.
    """
    changed: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, list[str]] = {}
    for name in ("title", "body"):
        columns[name] = []
        for article_id, text in zip(articles["article_id"].to_pylist(), articles[name].to_pylist(), strict=True):
            repaired, changes = repair_text(text, language)
            columns[name].append(" ".join(repaired.split()) if name == "title" else repaired)
            for change in changes:
                changed[f"{name}: {change}"].append(article_id)
    findings = [Finding.with_examples(STEP, text, True, ids) for text, ids in changed.items()]
    return replace_texts(articles, **columns), findings


def drop_unusable(
    articles: pa.Table, *, min_words: int, language: str = "en", step: str = STEP
) -> tuple[pa.Table, list[Finding]]:
    """Leave out articles that the study cannot use.

    An article is left out if it has no label, an empty body, a body that is too short, or the same body (`body_key`) as
    an earlier article. It is counted once, under the first of these faults. Duplicates with another label than the
    first article are counted separately, because one of the labels is probably wrong. An article without a title stays:
    its first prompt is the first block of its body.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    min_words
        Minimum number of words in a body.
    language
        Language of the articles, for `count_words`.
    step
        The step named in the findings.

    Returns
    -------
    articles, findings
        The usable articles, in the order given.
    """
    first_labels: dict[bytes, str] = {}
    lost: dict[str, list[str]] = defaultdict(list)
    mask = []
    for row in articles.select(["article_id", "title", "body", "label"]).to_pylist():
        fault = _fault(row, min_words, language)
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
            lost[fault].append(row["article_id"])
    findings = [Finding.with_examples(step, text, False, ids) for text, ids in lost.items()]
    return articles.filter(pa.array(mask, pa.bool_())), findings


def _fault(row: dict[str, str], min_words: int, language: str) -> str | None:
    if not row["label"]:
        return "no label"
    if not row["body"].strip():
        return "empty body"
    if count_words(row["body"], language) < min_words:
        return f"body of fewer than {min_words} words"
    return None


def clean(articles: pa.Table, *, min_words: int, language: str = "en") -> tuple[pa.Table, list[Finding]]:
    """Repair articles, then leave out the unusable ones.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`, as returned by a reader.
    min_words, language
        See `drop_unusable`.

    Returns
    -------
    articles, findings
        The usable articles, in the order given, and every change and loss.
    """
    repaired, changes = repair_articles(articles, language)
    untitled = [row["article_id"] for row in repaired.select(["article_id", "title"]).to_pylist() if not row["title"]]
    if untitled:
        changes.append(Finding.with_examples(STEP, "no title, kept", True, untitled))
    usable, losses = drop_unusable(repaired, min_words=min_words, language=language)
    return usable, [*changes, *losses]
