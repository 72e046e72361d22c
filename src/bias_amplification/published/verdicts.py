"""Estimates with their sampling error, and the verdict on a published number beside the run's own."""

import math
from dataclasses import asdict, dataclass, replace

from bias_amplification.measures.intervals import difference_interval

WITHIN, SAME, DIFFERENT = "within sampling error", "same direction", "different"
UNDECIDED, INCOMPARABLE = "undecided", "not comparable"
#: All verdicts, in the order of the summary's columns.
VERDICTS = (WITHIN, SAME, DIFFERENT, UNDECIDED, INCOMPARABLE)

#: Kind of number that a quantity belongs to, as in `comparable.level_departures`.
KINDS = {
    "share": "bias",
    "mean_probability": "bias",
    "text_quality_index_weighted": "quality",
    "perplexity_base": "perplexity",
    "macro_f1": "classifier",
    "loss": "classifier",
    "bias": "neurons",
    "quality": "neurons",
    "both": "neurons",
    "article_probability": "bias",
}


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95% interval. Unknown parts are NaN."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether the number is known."""
        return not math.isnan(self.value)

    @property
    def sign(self) -> int | None:
        """1 or -1 if the whole interval lies on one side of 0, 0 if it contains 0, None without an interval."""
        if math.isnan(self.low) or math.isnan(self.high):
            return None
        return (self.low > 0) - (self.high < 0)

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference of two independent estimates."""
        return Estimate(*difference_interval(tuple(asdict(self).values()), tuple(asdict(other).values())))

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the three columns of a table that hold the estimate, None for unknown parts."""
        found = zip(("", "_low", "_high"), (self.value, self.low, self.high), strict=True)
        return {name + end: None if math.isnan(value) else value for end, value in found}


@dataclass(frozen=True)
class Comparison:
    """A published number beside the run's own."""

    place: str
    quantity: str
    subject: str
    published: Estimate
    own: Estimate = Estimate()
    published_change: Estimate = Estimate()
    own_change: Estimate = Estimate()
    published_round: str | None = None
    round: str | None = None
    generation: int | None = None
    verdict: str = INCOMPARABLE
    note: str = ""

    def row(self) -> dict:
        """Return a row of `COMPARISON`.

        Counts of neurons have no known sampling error, so their difference has no interval.
        """
        difference = self.own.minus(self.published)
        if KINDS[self.quantity] == "neurons":
            difference = replace(difference, low=math.nan, high=math.nan)
        names = ("place", "published_round", "round", "generation", "quantity", "subject", "verdict")
        row = {name: getattr(self, name) for name in names} | {"note": self.note or None}
        for name in ("published", "own", "published_change", "own_change"):
            row |= getattr(self, name).columns(name)
        return row | difference.columns("difference")


def judge(comparison: Comparison, departure: str | None) -> Comparison:
    """Add the verdict on a share, a mean or a score.

    If levels can be compared, a number is within sampling error when the 95% interval of the difference contains 0.
    Otherwise it has the same direction as the published number if both changes from generation 0 are larger than their
    sampling errors and have the same sign, and else it is different. If levels cannot be compared, both changes must be
    larger than their sampling errors for either verdict; if one is not, the number is undecided.

    Parameters
    ----------
    comparison
        A comparison without a verdict. Its note is kept.
    departure
        Why levels cannot be compared; None if they can.
    """
    if not comparison.own.known:
        return comparison
    published, own = comparison.published_change.sign, comparison.own_change.sign
    both = published is not None and own is not None
    notes = [comparison.note] if comparison.note else []
    if departure is None:
        difference = comparison.own.minus(comparison.published).sign
        if difference is None:
            verdict = INCOMPARABLE
            notes.append("no sampling error is known")
        elif difference == 0:
            verdict = WITHIN
        else:
            verdict = SAME if both and published and published == own else DIFFERENT
    elif not both:
        verdict = INCOMPARABLE
        notes.append(f"in level: {departure}")
    elif published and own:
        verdict = SAME if published == own else DIFFERENT
    else:
        verdict = UNDECIDED
        which = "the published change is not" if own else "the own change is not" if published else "neither change is"
        notes.append(f"{which} larger than its sampling error")
    return replace(comparison, verdict=verdict, note="; ".join(notes))


def judge_count(comparison: Comparison) -> Comparison:
    """Add the verdict on a count of neurons: whether both counts are above, within or below the range of chance.

    The counts have no known sampling error, because the neurons of one model are not independent.
    """
    if not comparison.own.known:
        return comparison
    words = {1: "more than chance gives", 0: "as many as chance gives", -1: "fewer than chance gives"}
    sides = [(e.value > e.high) - (e.value < e.low) for e in (comparison.published, comparison.own)]
    verdict = {1: SAME, -1: DIFFERENT}.get(sides[0] * sides[1], SAME if sides[0] == sides[1] else UNDECIDED)
    sides_in_words = f"published: {words[sides[0]]}; own: {words[sides[1]]}"
    return replace(
        comparison,
        verdict=verdict,
        note=f"{comparison.note}; {sides_in_words}" if comparison.note else sides_in_words,
    )
