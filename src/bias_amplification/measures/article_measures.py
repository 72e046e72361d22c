"""Measures that are a number for each article, such as its length.

A measure is a function with a declaration, `@article_measure(...)`. Its mean over a version's articles is the column of
the metrics table with the function's name; `artifacts.schemas.diversity.ARTICLE_MEASURES` lists these columns.
docs/extending.md shows how to add one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bias_amplification.corpus.words import count_words
from bias_amplification.measures.intervals import mean_interval

#: Function of a text and the ISO 639 code of its language; NaN if the text has no such number.
Measure = Callable[[str, str], float]


class ArticleMeasure(NamedTuple):
    """A measure of single articles."""

    measure: Measure
    title: str
    """Title of its panel in the figure of diversity."""

    def mean(self, texts: Sequence[str], language: str) -> tuple[tuple[float, float, float], int]:
        """Return the mean over texts with its 95% interval, and the number of texts that have a value."""
        values = np.array([self.measure(text, language) for text in texts], float)
        return mean_interval(values), int((~np.isnan(values)).sum())


#: All measures by name.
MEASURES: dict[str, ArticleMeasure] = {}


def article_measure(title: str) -> Callable[[Measure], Measure]:
    """Declare a function as the measure of its name, with the title of its panel."""

    def declare(measure: Measure) -> Measure:
        MEASURES[measure.__name__] = ArticleMeasure(measure, title)
        return measure

    return declare


@article_measure("Words per article")
def words(text: str, language: str) -> float:
    """Return the number of a text's words."""
    return count_words(text, language)
