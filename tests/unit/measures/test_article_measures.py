"""Measures of single articles, and the columns that they fill."""

import numpy as np
import pytest

from bias_amplification.artifacts.schemas.diversity import ARTICLE_MEASURES
from bias_amplification.measures.article_measures import MEASURES, ArticleMeasure


def test_every_measure_has_a_column_and_every_column_a_measure() -> None:
    assert list(MEASURES) == list(ARTICLE_MEASURES)


def test_texts_without_a_value_are_left_out_of_the_mean() -> None:
    lengths = ArticleMeasure(lambda text, language: len(text) if text else float("nan"), "Length")

    (mean, low, high), articles = lengths.mean(["ab", "", "abcd"], "en")

    # Two values, 2 and 4: their standard deviation is the square root of 2. Student's quantile of 1 is 12.706.
    half_width = 12.706205 * np.sqrt(2) / np.sqrt(2)
    assert articles == 2
    assert (mean, low, high) == pytest.approx((3, 3 - half_width, 3 + half_width), rel=1e-6)


def test_a_measure_is_given_the_language() -> None:
    # Two Chinese words in one stretch of characters.
    assert MEASURES["words"].mean(["经济 增长"], "en") == MEASURES["words"].mean(["经济增长"], "zh")
    assert MEASURES["words"].mean(["经济增长"], "en")[0][0] == 1
