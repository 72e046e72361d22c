"""Names of outlets and their spellings, from the shipped list and the corpus."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bias_amplification import RESOURCES
from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.lists import read_header, read_rows, read_text
from bias_amplification.corpus.messages import short

FOLDER = RESOURCES / "outlets"
COLUMNS = ["name", "variants", "ordinary"]
#: Values of the column ordinary. "lower" marks an ordinary word that is capitalised only at the start of a sentence.
ORDINARY = ("yes", "no", "lower")

#: An unlisted name with one of these words is certainly an outlet's. Other unlisted names may belong to a columnist or
#: politician, so they are searched for in bylines and credits only.
OUTLET_WORDS = frozenset(
    [
        "Advertiser",
        "Advocate",
        "Argus",
        "Banner",
        "Beacon",
        "Broadcasting",
        "Bulletin",
        "Chronicle",
        "Courier",
        "Daily",
        "Dispatch",
        "Examiner",
        "Gazette",
        "Globe",
        "Herald",
        "Inquirer",
        "Journal",
        "Ledger",
        "Magazine",
        "Mail",
        "Mercury",
        "Messenger",
        "Mirror",
        "Monitor",
        "News",
        "Newspaper",
        "Observer",
        "Post",
        "Press",
        "Radio",
        "Record",
        "Register",
        "Report",
        "Reporter",
        "Review",
        "Sentinel",
        "Standard",
        "Star",
        "Sun",
        "Telegraph",
        "Times",
        "Tribune",
        "Weekly",
        "Wire",
    ]
)
#: The words among them that are used alone as a short form: "told the Times".
SHORT_FORMS = OUTLET_WORDS - set(
    ["Broadcasting", "Daily", "News", "Newspaper", "Magazine", "Press", "Radio", "Report", "Reporter", "Weekly"]
)
NOT_OUTLETS = frozenset({"guest writer", "unknown", "other", "n/a", "none", "various"})

_ASIDE = re.compile(r"\s*\([^)]*\)\s*$|\s+[-–—|]\s+.*$|\s+Online News$")


@dataclass(frozen=True)
class OutletNames:
    """Spellings of outlets' names, without a leading "The".

    Attributes
    ----------
    distinctive
        Names that always mean the outlet.
    ordinary
        Names that are also ordinary words or phrases. They mean the outlet only in certain contexts.
    capitalised
        Ordinary names that mean the outlet wherever they are capitalised within a sentence.
    uncertain
        Names in the corpus's outlet column that may be persons. They are searched for in bylines and credits only.
    """

    distinctive: frozenset[str]
    ordinary: frozenset[str]
    capitalised: frozenset[str]
    uncertain: frozenset[str]


def without_article(name: str) -> str:
    """Return a name without a leading "The"."""
    return re.sub(r"^[Tt]he (?=\S)", "", name.strip())


def bare_name(outlet: str) -> str:
    """Return the name in a value of the outlet column: "Hill" of "The Hill - News", "CNN" of "CNN (Web News)"."""
    former, name = None, outlet.strip()
    while former != name:
        former, name = name, _ASIDE.sub("", name).strip()
    return without_article(name)


@cache
def read_outlets(path: Path) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Read an outlet list.

    Returns
    -------
    tuple of (name, variants, ordinary)

    Raises
    ------
    StudyError
        If the file is missing, has other columns or lacks quotes, or a row lacks a name or has an unknown value.
    """
    place = f"{path} (corpus.identity.outlets_file)"
    text = read_text(path, place, "correct the path, or save it as UTF-8")
    header = read_header(text)
    if header != COLUMNS:
        raise StudyError(
            f"{place} has the columns {short(', '.join(header))}, but needs {', '.join(COLUMNS)}: correct its header."
        )
    rows = []
    for number, row in read_rows(text, place, another_row="[\r\n]"):
        if row.get("ordinary") not in ORDINARY or not row["name"].strip():
            raise StudyError(
                f"{place}, row {number}, needs a name, and one of {', '.join(ORDINARY)} in the column ordinary: "
                "correct it."
            )
        variants = tuple(part.strip() for part in row["variants"].split("|") if part.strip())
        rows.append((row["name"].strip(), variants, row["ordinary"]))
    return tuple(rows)


def outlet_names(outlets: Iterable[str | None], files: Iterable[Path]) -> OutletNames:
    """Collect the spellings to search for.

    Parameters
    ----------
    outlets
        Values of the corpus's outlet column.
    files
        Outlet lists. A name in a later list overrides the same name in an earlier one.

    Returns
    -------
    OutletNames
    """
    distinctive, ordinary, uncertain = set(), set(), set()
    listed = {
        without_article(name): (variants, common) for file in files for name, variants, common in read_outlets(file)
    }
    for name, (variants, common) in listed.items():
        spellings = {name, *map(without_article, variants)}
        # Variants of an ordinary name that add to it ("Time magazine") are distinctive.
        if common != "no":
            ordinary.add(name)
            distinctive |= {spelling for spelling in spellings if spelling not in (name, without_article(name))}
        else:
            distinctive |= spellings
    for outlet in sorted({bare_name(outlet) for outlet in outlets if outlet}):
        if outlet in distinctive | ordinary or outlet.casefold() in NOT_OUTLETS or len(outlet) < 2:
            continue
        known = OUTLET_WORDS & set(re.findall(r"\w+", outlet)) and " " in outlet
        (distinctive if known else uncertain).add(outlet)
    distinctive |= {name.upper() for name in distinctive if len(name) > 4}
    shorts = {name.split()[-1] for name in distinctive if " " in name} & SHORT_FORMS
    lower = {name for name, (_, common) in listed.items() if common == "lower"}
    return OutletNames(
        frozenset(distinctive), frozenset(ordinary | shorts - distinctive), frozenset(lower), frozenset(uncertain)
    )


def alternation(phrases: Iterable[str]) -> str:
    """Return a regular expression that matches the longest of the phrases that fits.

    Phrases are grouped by their first word. Without that, a search would try thousands of phrases at every position.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for phrase in sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase)):
        first = re.match(r"\w+|\W", phrase)
        assert first is not None
        groups[first.group()].append(phrase[first.end() :])
    parts = []
    for first, rests in sorted(groups.items(), key=lambda group: (-len(group[0]), group[0])):
        parts.append(re.escape(first) + "(?:" + "|".join(map(_escape, rests)) + ")")
    return "(?:" + "|".join(parts) + ")" if parts else r"(?!)"


def _escape(phrase: str) -> str:
    """Escape a phrase for a regular expression in which any apostrophe and any white space match."""
    return re.escape(phrase).replace(r"\ ", r"\s+").replace("'", "['’]").replace("’", "['’]").replace("['['’]]", "['’]")
