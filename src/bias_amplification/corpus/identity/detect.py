"""Find in a text what identifies its outlet or author."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bias_amplification.corpus.identity.outlets import OutletNames, alternation, without_article

#: Replacement of an outlet's name in a sentence. An article ("the") before it is kept, or added where it is needed.
OUTLET_REPLACEMENT = "news outlet"
#: Kinds whose replacement is a noun within a sentence. Spans of other kinds are whole phrases or lines.
NOUN_KINDS = ("outlet", "outlet_in_context")

_PERSON = r"[A-Z][\w'’.-]*(?: (?:(?:de|da|del|van|von|der|la|le|al|bin) )?[A-Z][\w'’.-]*){1,3}"
PERSONS = rf"{_PERSON}(?:(?:, and |, | and | & |; ){_PERSON})*"
ROLE = (
    r"(?:reporter|editor|correspondent|columnist|writer|contributor|blogger|anchor|producer|journalist|commentator)s?"
)
_AGENCY = r"(?:AFP|AP|Reuters|UPI|EPA|Getty(?: Images)?|Shutterstock|Corbis|Bloomberg|Landov|Polaris|Zuma ?Press)"
_DAYS = "Mon|Tues|Wednes|Thurs|Fri|Satur|Sun"

# After the names, only an outlet or an office is matched, not a sentence.
_BYLINE = re.compile(
    rf"^[ \t]*(?:By|BY|by) ({PERSONS})"
    r"(?: ?[,|–—-] ?(?=[A-Z]|[Ss]taff|[Ss]pecial|for )(?:[^\n.]|\.(?=\w)){1,60})?[ \t]*$",
    re.MULTILINE,
)
_BYLINE_TAIL = re.compile(
    rf"^[ \t]*{PERSONS}, (?:[Ss]taff [Ww]riter|[Cc]orrespondent|[Ss]taff|[Cc]ontributor|"
    r"[Ss]pecial (?:to|for)[^\n]{0,40})[ \t]*$",
    re.MULTILINE,
)
_DESK = re.compile(
    r"\(?(?:Additional )?\b(?:Reporting|Writing|Editing|Written|Reported|Posted) by "
    rf"{PERSONS}(?: in [^\n;.()]{{2,40}})?(?:[;,.] (?:[Aa]dditional )?(?:[Rr]eporting|[Ww]riting|[Ee]diting) by "
    rf"{PERSONS}(?: in [^\n;.()]{{2,40}})?)*(?:\)|\.(?=\s|$)|(?=\n|$))"
)
_PHOTO = re.compile(
    rf"\((?:(?:Photo|Image|Photograph|Picture|Credit)s?(?: by|:)|{_AGENCY} [Pp]hoto\b)[^()\n]{{0,80}}\)"
    rf"|\([A-Z][^()\n/]{{2,50}}/{_AGENCY}[^()\n]{{0,40}}\)"
)
_PHOTO_LINE = re.compile(rf"^[^\n]{{0,160}}(?:/{_AGENCY}|Getty Images)[^\n.]{{0,100}}$", re.MULTILINE)
_COPYRIGHT = re.compile(
    r"(?:(?:©|\([cC]\))(?: Copyright)? ?(?:19|20)\d\d|Copyright (?:©|\([cC]\)|\d{4})|©)[^\n]{0,300}"
)
_SOCIAL = re.compile(
    r"(?:(?<=\n)|(?<=[.!?\"”)] )|^|(?<=[a-z]))(?:You can f|F)ollow (?:[^\n.!?]|\.(?=\w)){0,80}?"
    r"(?:on (?:Twitter|Facebook|Instagram|Google)|@\w+)(?:[^\n.!?]|[.!?](?=\w))*[.!?]?"
)
_JOIN = re.compile(r"Join us (?:on|at) (?:[^\n.!?]|[.!?](?=\w))*(?:Facebook|Twitter)(?:[^\n.!?]|[.!?](?=\w))*[.!?]?")
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"”)]*[^\s<>\"”).,;:!?]|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CONTRIBUTED = re.compile(r"\bcontributed (?:\w+ )?to this (?:report|story|article|column)\b[^\n.]{0,120}\.?")
_NOTE = re.compile(
    rf",? (?:is|are) (?:[\w’'&/-]+,? |[A-Z][\w]*\. ){{0,12}}?{ROLE}\b"
    r"(?:[^\n.!?]|\.(?=[\w,”\"]|\s[a-z])|(?<=[A-Z])\.){0,250}(?:\.|(?=\n)|$)"
)
_COVERS = re.compile(
    r" (?:covers?|writes?|reports?|blogs?)(?: [\w’'-]+){0,8}? (?:for|at|from|in) "
    r"(?:[^\n.!?]|\.(?=\w)){2,80}(?:\.|(?=\n)|$)"
)
_NAMED = re.compile(rf"(?:[•⦁*–—-]+ ?)?(?:{PERSONS})")
_SENTENCE_END = re.compile(r"(?:[a-z]{3}|[\d)”\"%])[.!?][\"”)]?\s+(?=[A-Z“\"•⦁–-])|\n")
#: After these words, or at the start of a clause, an outlet's name without "the" becomes "the news outlet".
_TAKES_ARTICLE = re.compile(
    r"(?:^|[.!?,;:(\"“‘\n–—-]\s*|"
    r"\b(?:about|according to|after|against|along with|among|and|as|at|because|before|but|by|for|from|if|in|into|like|"
    r"of|on|or|said|says|tell|telling|tells|than|that|told|to|via|when|where|which|while|with)\s+)$"
)


@dataclass(frozen=True)
class Span:
    """A part of a text that identifies its outlet or author.

    Attributes
    ----------
    start, end
        Its position in the text.
    kind
        The kind of pattern that found it.
    text
        The text shown to a reviewer. Spans with the same kind and text share one decision.
    """

    start: int
    end: int
    kind: str
    text: str


class Detector:
    """Finds spans by patterns that are made for one corpus.

    Parameters
    ----------
    names
        Names of outlets.
    boilerplate
        Phrases that sites put around articles.
    repeated
        Whole lines that an outlet repeats in many articles.
    """

    def __init__(self, names: OutletNames, boilerplate: Iterable[str] = (), repeated: Iterable[str] = ()) -> None:
        self._repeated = frozenset(repeated)
        self._boilerplate = re.compile(alternation(boilerplate) + r"(?!\w)")
        distinctive = alternation(names.distinctive) + r"(?:\.com|\.org)?"
        ordinary = alternation(names.ordinary)
        every = alternation(names.distinctive | names.ordinary | names.uncertain) + r"(?:\.com|\.org)?"
        article = r"(?:(?P<article>[Tt]he|THE|[Aa]n?)\s+)?"
        # The search is twice as fast if a pattern starts with the name instead of the optional article before it.
        self._outlet = re.compile(rf"(?P<name>{distinctive})(?![\w@]|\.\w)")
        self._any = re.compile(rf"(?<!\w){every}(?!\w)")
        # An ordinary word before a capitalised word is part of another name, except before a weekday or a new sentence.
        alone = rf"(?![\w-]| of [A-Z]|\.\w| (?!(?:{_DAYS})day\b|The\b|In\b|On\b|That\b|He\b|She\b|It\b|But\b)[A-Z])"
        self._before = re.compile(
            r"(?<!\w)(?:told|tells|telling|according to|obtained by|reported by|published (?:by|in)|interview with|"
            rf"interviewed by|(?:{ROLE}|op-ed|column|writing) (?:for|at|of|in|with)|statement to)\s+"
            rf"(?P<span>{article}(?P<name>{ordinary})){alone}"
        )
        # Within a sentence, "Salon" or "The Hill" with capitals means the outlet.
        self._within = re.compile(
            rf"(?<=[a-z,] )(?P<span>The (?P<name>{ordinary})|(?P<capital>{alternation(names.capitalised)})){alone}"
        )
        reported = rf"(?:first )?reported (?:that|on (?:{_DAYS})day|(?:{_DAYS})day)|first reported|reports that"
        person = rf"(?:political |staff |senior |White House )*{ROLE}\b"
        self._after = re.compile(
            rf"(?P<name>{ordinary})"
            rf"(?=(?:['’]s)? (?:also |has )?(?:{reported}|{person}|editorial board|newspaper|magazine))"
        )
        self._dateline = re.compile(
            rf"^[ \t]*(?:[A-Z][\w .,'’/-]{{1,45}}? )?\((?:[Tt]he )?{every}\) ?(?:--|[-–—])[ \t]*", re.MULTILINE
        )
        self._credit = re.compile(rf"\((?:via |[Pp]hoto: )?(?:[Tt]he )?{every}(?: Photo| photo)?\)")
        # The name before a colon may be a person's ("Mitt Romney: ..."), so only certain outlets are matched there.
        self._title = re.compile(rf"^(?:[Tt]he )?{distinctive}: (?=\S)|\s*(?: [-–—]|\|)\s*(?:[Tt]he )?{every}\s*$")
        self._promotion = re.compile(
            rf"^[ \t]*(?:Read|See|Find|Get) more (?:in|at|on|from) (?:[Tt]he )?{every}\b[^\n]{{0,60}}$", re.MULTILINE
        )
        # A list of experts with their institutes has the same form, so only certain outlets are matched.
        sure = alternation(names.distinctive | names.ordinary)
        self._staff = re.compile(
            rf"^[ \t]*{PERSONS}, (?:[Tt]he )?{sure}(?: [Ss]taff(?: [Ww]riter)?)?[ \t]*$", re.MULTILINE
        )
        self._first_byline = re.compile(rf"\A\s*(?:By|BY) {PERSONS}, (?:[Tt]he )?{every}[.,:]?(?=\s)")

    def title_spans(self, title: str) -> list[Span]:
        """Return the spans in a title, without overlaps."""
        found = [Span(*m.span(), "title_mark", m.group().strip()) for m in self._title.finditer(title)]
        return without_overlaps([*found, *self._outlets(title)])

    def spans(self, body: str) -> list[Span]:
        """Return the spans in a body, without overlaps. Of overlapping candidates, the first is kept."""
        return without_overlaps(self.candidates(body))

    def candidates(self, body: str) -> Iterator[Span]:
        """Yield all spans in a body, which may overlap. Whole lines and phrases come before the names in them."""
        yield from self._lines(body)
        yield from self._bylines(body)
        yield from _plain("credit", self._dateline, body)
        if "iting by " in body or "eport" in body or "osted by " in body or "ritten by " in body:
            yield from _plain("credit", _DESK, body)
        yield from _plain("photo_credit", _PHOTO, body)
        if "/" in body or "Getty" in body:
            yield from _plain("photo_credit", _PHOTO_LINE, body)
        yield from self._sentences(body)
        if "ollow " in body or "Join us" in body:
            yield from _plain("social", _SOCIAL, body)
            yield from _plain("social", _JOIN, body)
        if "opyright" in body or "©" in body or "(c)" in body.lower():
            yield from _plain("copyright", _COPYRIGHT, body)
        yield from _plain("promotion", self._promotion, body)
        yield from _plain("boilerplate", self._boilerplate, body)
        yield from _plain("credit", self._credit, body)
        if "@" in body or "://" in body or "www." in body:
            yield from _plain("address", _ADDRESS, body)
        yield from self._outlets(body)
        for match in self._within.finditer(body):
            yield Span(*match.span("span"), "outlet_in_context", " ".join((match["name"] or match["capital"]).split()))

    def _lines(self, body: str) -> Iterator[Span]:
        if not self._repeated:
            return
        start = 0
        for line in body.split("\n"):
            if line.strip() in self._repeated:
                yield Span(start, start + len(line), "repeated_line", line.strip())
            start += len(line) + 1

    def _bylines(self, body: str) -> Iterator[Span]:
        for match in _BYLINE.finditer(body):
            # Capitals without an outlet's name are a heading such as "BY THE NUMBERS".
            if not match.group(1).isupper() or self._any.search(match.group()):
                yield Span(*match.span(), "byline", match.group().strip())
        yield from _plain("byline", _BYLINE_TAIL, body)
        yield from _plain("byline", self._staff, body)
        yield from _plain("byline", self._first_byline, body)

    def _sentences(self, body: str) -> Iterator[Span]:
        for match in _CONTRIBUTED.finditer(body):
            start = _sentence_start(body, match.start())
            yield Span(start, match.end(), "contribution", body[start : match.end()].strip())
        for match in _COVERS.finditer(body):
            start = _sentence_start(body, match.start())
            if _NAMED.fullmatch(body, start, match.start()) and self._any.search(match.group()):
                yield Span(start, match.end(), "author_note", body[start : match.end()].strip())
        last_lines = body.rstrip().rfind("\n", 0, body.rstrip().rfind("\n")) + 1
        for match in _NOTE.finditer(body):
            start = _sentence_start(body, match.start())
            note = body[start : match.end()]
            if _NAMED.fullmatch(body, start, match.start()) and (start >= last_lines or self._any.search(note)):
                yield Span(start, match.end(), "author_note", note.strip())

    def _outlets(self, text: str) -> Iterator[Span]:
        for match in self._outlet.finditer(text):
            start = _with_article(text, match.start())
            if start is not None:
                yield Span(start, match.end(), "outlet", " ".join(match["name"].split()))
        for match in self._before.finditer(text):
            yield Span(*match.span("span"), "outlet_in_context", " ".join(match["name"].split()))
        for match in self._after.finditer(text):
            start = _with_article(text, match.start())
            if start is not None and not text.endswith("of ", 0, start):
                yield Span(start, match.end(), "outlet_in_context", " ".join(match["name"].split()))


def _with_article(text: str, start: int) -> int | None:
    """Return the start of a name, including an article before it; None if it starts within a word or address."""
    before = text[max(0, start - 5) : start]
    if re.search(r"[\w@.]$", before):
        return None
    article = re.search(r"(?<!\w)(?:[Tt]he|THE|[Aa]n?)\s$", before)
    return start - len(article.group()) if article else start


def _plain(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for match in pattern.finditer(text):
        if match.group().strip():
            yield Span(*match.span(), kind, match.group().strip())


def _sentence_start(text: str, position: int) -> int:
    start = 0
    for match in _SENTENCE_END.finditer(text, max(0, position - 600), position):
        start = match.end()
    return start or max(0, position - 600)


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Keep each span that overlaps no earlier one in the order given, and return them in the order of the text."""
    taken: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or span.start >= other.end for other in taken):
            taken.append(span)
    return sorted(taken, key=lambda span: span.start)


def replacement_for(text: str, span: Span, replacement: str) -> str:
    """Return the text that replaces a span.

    Parameters
    ----------
    text
        The whole text.
    span
        The span to replace.
    replacement
        For `NOUN_KINDS`, a noun without article; the article is added where it is needed. For other kinds, any text.
    """
    if span.kind not in NOUN_KINDS or not replacement:
        return replacement
    found = text[span.start : span.end]
    before = text[max(0, span.start - 20) : span.start]
    if re.match(r"[Aa]n?\s", found):
        article = "an" if replacement[0] in "aeiou" else "a"
        article = article.capitalize() if found[0].isupper() else article
    elif without_article(found) != found or _TAKES_ARTICLE.search(before):
        at_start = re.search(r"(?:^|[.!?]['\"”’)]*\s+|\n)[\"“‘(]?$", before) is not None
        article = "The" if at_start else "the"
    else:
        return replacement
    return f"{article} {replacement}"
