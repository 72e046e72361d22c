"""Cutting a text into sentences."""

import re

import sentencex


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Abbreviations that never end a sentence, because a name or number follows them.
_BEFORE_NAMES = _words(
    """
    Mr Mrs Ms Dr Prof Sen Sens Rep Reps Gov Govs Gen Lt Col Sgt Capt Cmdr Adm Maj Pvt Rev Hon Pres Supt Det Atty Amb
    Sec St Mt Ft Jan Feb Mar Apr Aug Sept Oct Nov Dec vs v approx pp
    """
)

#: Abbreviations that can end a sentence.
_MAYBE_LAST = _words(
    """
    Inc Corp Co Ltd Jr Sr Bros Dept Ave Blvd Ala Ariz Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich Minn
    Miss Mo Mont Neb Nev Okla Ore Pa Tenn Tex Va Vt Wash Wis Wyo etc
    """
)

#: Words that begin a sentence far more often than they continue a name.
_OPENERS = _words(
    """
    a after all although an and as at because before but by despite during for from he her his however i if in it its
    last many meanwhile more most much no not now of on one or our she since so some still such that the their then
    there these they this those though through to two under until we what when where which while who why with yet you
    your
    """
)

_BOUNDARY = re.compile(r"""[.!?…]+[)\]"'”’»]*\s+(?=[("'“‘«\[]*[A-Z0-9ÁÉÍÓÚÄÖÜ$])""")
_LAST_WORD = re.compile(r"[\w.’'&-]*$")
_FIRST_WORD = re.compile(r"\w+")
#: White space after marks that end a sentence in Khmer and Tibetan. sentencex does not know them.
_FURTHER_ENDS = re.compile(r"(?<=[\u17d4\u17d5\u0f0d\u0f0e])\s+")
_DOTTED = re.compile(r"^(?:[^\W\d_]\.)+[^\W\d_]$")


def split_sentences(text: str, language: str = "en") -> list[str]:
    """Cut a text into sentences at line ends and at closing punctuation.

    A period does not end a sentence after a title or a month ("Sen. Cruz", "Nov. 8"), after an initial ("J. Edgar") or
    inside a number. After an acronym or an abbreviation that can end a sentence ("U.S.", "p.m.", "Inc."), it ends one
    only if the next word is a usual first word. These are the rules of English. Texts in other languages are cut by
    sentencex, which knows their punctuation and abbreviations. Thai has no mark that ends a sentence, so that each line
    counts as one.

    Parameters
    ----------
    text
        Any text.
    language
        ISO 639 code. For a language that sentencex does not know, it uses general rules.

    Returns
    -------
    list[str]
        The sentences in order, without surrounding white space; none is empty. Together they have all characters of
        `text` except white space.
    """
    sentences = []
    for line in text.splitlines():
        if language != "en":
            for sentence in sentencex.segment(language, line):
                sentences += [part.strip() for part in _FURTHER_ENDS.split(sentence)]
            continue
        start = 0
        for match in _BOUNDARY.finditer(line):
            if _ends_sentence(line, start, match):
                sentences.append(line[start : match.end()].strip())
                start = match.end()
        sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(line: str, start: int, match: re.Match) -> bool:
    """Return whether punctuation ends a sentence that begins at `start`."""
    if line[match.start()] != "." or line[match.start() : match.start() + 2] == "..":
        return True
    # In "R-Ky." and "then-Sen." the part after the hyphen decides.
    word = _LAST_WORD.search(line, start, match.start()).group().lstrip("'’").rsplit("-", 1)[-1]
    if word in _BEFORE_NAMES:
        return False
    if word == "No":
        return not line[match.end()].isdigit()
    if _DOTTED.match(word) or word in _MAYBE_LAST:
        following = _FIRST_WORD.search(line, match.end())
        return following is not None and following.group().casefold() in _OPENERS
    # A single letter is an initial, unless it is the word "I".
    return not (len(word) == 1 and word.isalpha() and word != "I")


def split_periods(text: str, language: str = "en") -> list[str]:
    """Cut a text at every period, and only there, as the published code does."""
    return [piece.strip() for piece in text.split(".") if piece.strip()]


#: Splitters by name, as in the config key `quality.splitter`. They take a text and its language.
SPLITTERS = {"sentence": split_sentences, "period": split_periods}
