"""Dates as people write them, where they can be read in one way only."""

import re
from datetime import date, datetime
from functools import lru_cache

from dateutil import parser

#: Two days without a common year, month or day. A part that a text leaves out is taken from them.
_DEFAULTS = (datetime(2001, 1, 1), datetime(2002, 2, 2))
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
#: A year that no time zone, such as +0200, is taken for.
_MODERN_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d{2}(?!\d)")
_YEAR_FIRST = re.compile(r"^(\d{4})[/.](\d{2})[/.](\d{2})(?!\d)")
#: What may stand behind a date in the form of ISO 8601: nothing, or a time.
_TIME = re.compile(r"(?:[T ]\s*\d{1,2}(?::?\d{2}.*)?)?", re.DOTALL)
#: Days from one to another, such as "5-6 March 2021", which dateutil takes for a day and a year.
_RANGE = re.compile(
    r"(?<![\d./-])\d{1,2}\s?[-/–]\s?\d{1,2}(?![\d./-])(?=[^\d]*(?:[A-Za-z]{3}|,))|[a-z]\.?\s\d{1,2}\s?[-/–]\s?\d{1,2}(?!\d)",
    re.I,
)
_DIGITS = re.compile(r"\d{8}(?:\d{6})?")


@lru_cache(maxsize=100_000)
def read_date(text: str) -> date | None:
    """Read a date.

    Parameters
    ----------
    text
        Such as "2021-03-05", "5 March 2021", "20210305", "2021-03-05T10:00:00Z" or "13.03.2021".

    Returns
    -------
    date or None
        None if the text is no whole date with a year of four digits, or if it depends on the country what it means
        ("03/05/2021").
    """
    # No country writes the day after the year and before the month.
    text = _YEAR_FIRST.sub(r"\1-\2-\3", text)
    if _DIGITS.fullmatch(text):
        # The other digits are a time.
        text = text[:8]
    if _TIME.fullmatch(text[10:]):
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            pass
    if _RANGE.search(text) or len(_MODERN_YEAR.findall(text)) > 1:
        return None
    if not (_DIGITS.fullmatch(text) or (_YEAR.search(text) and not text.isdigit())):
        return None
    try:
        found = {
            parser.parse(text, default=default, dayfirst=day_first).date()
            for default, day_first in zip(_DEFAULTS, (False, True), strict=True)
        }
    except (ValueError, OverflowError):
        return None
    return found.pop() if len(found) == 1 else None
