"""Clean articles: repair their texts, leave out unusable articles, and count both."""

import html.entities
import re
from collections import defaultdict
from hashlib import blake2b

import ftfy
import pyarrow as pa
from ftfy.badness import is_bad

from bias_amplification.corpus.articles import replace_texts
from bias_amplification.corpus.findings import LOST, MENDED, Finding
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
# HTML resolves some names without a semicolon, too, but then "?a=1&copy=2" of an address would be one of them.
_REFERENCE = re.compile(r"&(?:#(\d{1,12})|#[xX]([0-9a-fA-F]{1,12})|[a-zA-Z][a-zA-Z\d]*);")
# Some programs write an emoji as two references, to the halves of its surrogate pair.
_PAIR = re.compile(r"&#(?:x(d[89ab][\da-f]{2})|(5[56]\d{3}));&#(?:x(d[c-f][\da-f]{2})|(5[67]\d{3}));", re.IGNORECASE)

# Capital letters before a mark or a no-break space look like mojibake to ftfy, but are sound in "IRMÃ”" and in
# Vietnamese, whose letters no one-byte encoding has. A letter after the mark, or a small letter before the capital
# one, is not found in sound texts.
_MARKS = "’”»…–—"
_SOUND_CAPITAL = re.compile(f"(?<=[A-ZÀ-ÖØ-Þ])[ÀÁÃ-ÖØ-Þ](?=\u00a0\\w|[{_MARKS}](?!\\w))")
_SOUND_VIETNAMESE = re.compile(f"(?<![a-zß-ÿ])[À-ÖØ-Þ](?=[ \u00a0“‘«{_MARKS}])")
_VIETNAMESE = re.compile("[ƠơƯư\u1ea0-\u1ef9]")


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
    if "&" in repaired:
        resolved = _resolve_references(repaired)
        if resolved != repaired:
            changes.append("HTML character references resolved")
            repaired = _NEWLINES.sub("\n", resolved)
    if not repaired.isascii():
        fixed = _mend_mojibake(repaired)
        if fixed != repaired:
            changes.append(MENDED)
            repaired = _NEWLINES.sub("\n", fixed)
    without = (_CONTROLS_BUT_SPACES if language in WITH_ZERO_WIDTH_SPACES else _CONTROLS).sub("", repaired)
    if without != repaired:
        changes.append("control and invisible characters removed")
    if "\ufffd" in without:
        changes.append(LOST)
    spaced = _BLANK_LINES.sub("\n\n", _EDGES.sub("\n", _SPACES.sub(" ", without))).strip()
    if spaced != without:
        changes.append("spaces and blank lines normalised")
    return spaced, changes


def _resolve_references(text: str) -> str:
    """Resolve HTML's character references, such as "&amp;". Those that stand for no character stay as they are."""
    return _REFERENCE.sub(_character, _PAIR.sub(_paired_character, text))


def _paired_character(references: re.Match[str]) -> str:
    halves = references.group(1, 2), references.group(3, 4)
    high, low = (int(hexadecimal or "0", 16) or int(decimal) for hexadecimal, decimal in halves)
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00)
    return references.group()


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal = reference.groups()
    if not decimal and not hexadecimal:
        return html.entities.html5.get(reference.group()[1:], reference.group())
    code = int(decimal) if decimal else int(hexadecimal, 16)
    no_character = not 0 < code < 0x110000 or 0xD800 <= code < 0xE000
    return reference.group() if no_character else html.unescape(reference.group())


def _mend_mojibake(text: str) -> str:
    """Mend characters that were decoded in a wrong encoding, if the text has some that are no sound spelling."""
    lines = text.split("\n")
    bad = [line for line in lines if not line.isascii() and is_bad(line)]
    if not bad:
        return text
    sound = _SOUND_VIETNAMESE if _VIETNAMESE.search(text) else _SOUND_CAPITAL
    if not any(is_bad(sound.sub("A", line)) for line in bad):
        return text
    # ftfy looks at the whole text and leaves it alone if most of it is sound, so each line is repaired by itself.
    return "\n".join(line if line.isascii() else ftfy.fix_encoding(line) for line in lines)


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
    # A corpus without any title has no such column.
    if 0 < len(untitled) < repaired.num_rows:
        changes.append(Finding.with_examples(STEP, "no title, kept", True, untitled))
    usable, losses = drop_unusable(repaired, min_words=min_words, language=language)
    return usable, [*changes, *losses]
