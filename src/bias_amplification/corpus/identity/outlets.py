"""Names of outlets: the shipped list, the corpus's own, and how each may be spelled."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bias_amplification import RESOURCES
from bias_amplification.artifacts import StudyError

FOLDER = RESOURCES / "outlets"
COLUMNS = ["name", "variants", "ordinary"]
#: "lower": an ordinary word that no sentence capitalises but at its start.
ORDINARY = ("yes", "no", "lower")

#: A name with one of these words is an outlet's wherever it stands. A name without, that is in no list, may be a
#: columnist's or a politician's, and is looked for in bylines and credits alone.
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
#: Of these, the ones by which an outlet is called for short: "told the Times".
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
        Mean the outlet wherever they stand.
    ordinary
        Words and phrases of the language too: mean the outlet in certain surroundings alone.
    capitalised
        Those of the ordinary that mean the outlet wherever a sentence writes them with a capital.
    uncertain
        From the corpus's outlet column, but perhaps a person: looked for in bylines and credits alone.
    """

    distinctive: frozenset[str]
    ordinary: frozenset[str]
    capitalised: frozenset[str]
    uncertain: frozenset[str]


def without_article(name: str) -> str:
    """Drop a leading "The"."""
    return re.sub(r"^[Tt]he (?=\S)", "", name.strip())


def bare_name(outlet: str) -> str:
    """Reduce a value of the outlet column to a name: "The Hill - News" and "CNN (Web News)" to "Hill" and "CNN"."""
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
        If the file is missing or has other columns or values.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames != COLUMNS:
                raise StudyError(
                    f"{path} (corpus.identity.outlets_file) has the columns {', '.join(reader.fieldnames or [])}: it "
                    f"needs {', '.join(COLUMNS)}."
                )
            rows = []
            for row in reader:
                if row["ordinary"] not in ORDINARY or not (row["name"] or "").strip():
                    raise StudyError(
                        f"{path} (corpus.identity.outlets_file), line {reader.line_num}: a name and, in the column "
                        "ordinary, one of {', '.join(ORDINARY)} are needed."
                    )
                variants = tuple(part.strip() for part in row["variants"].split("|") if part.strip())
                rows.append((row["name"].strip(), variants, row["ordinary"]))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} (corpus.identity.outlets_file) cannot be read ({error}): mend the path.") from error
    return tuple(rows)


def outlet_names(outlets: Iterable[str | None], files: Iterable[Path]) -> OutletNames:
    """Collect the spellings to look for.

    Parameters
    ----------
    outlets
        Values of the corpus's outlet column.
    files
        Outlet lists; a name in a later one overrides an earlier one's.

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
        # Of an ordinary name the variants that say more than the name itself ("Time magazine") are distinctive.
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
    """Write a regular expression that matches any of the phrases, the longest that fits.

    Phrases are grouped by their first word, so that a search does not try thousands at every position.
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
    """Escape a phrase; either apostrophe fits, and any run of spaces or one newline."""
    return re.escape(phrase).replace(r"\ ", r"\s+").replace("'", "['’]").replace("’", "['’]").replace("['['’]]", "['’]")
