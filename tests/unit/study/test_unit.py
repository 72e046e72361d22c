"""The study's word for one of its texts."""

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import read_study
from bias_amplification.study.unit import plural, with_unit

TEXT = "An article is shown; an article's share among 20 articles (%). Articles of articles.csv, docs/real-articles.md"


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("article", "articles"), ("post", "posts"), ("story", "stories"), ("essay", "essays"), ("speech", "speeches"),
        ("box", "boxes"), ("thesis", "theses"), ("press release", "press releases"),
    ],
)  # fmt: skip
def test_plural(noun, expected):
    assert plural(noun) == expected


def test_articles_stay_articles():
    assert with_unit(TEXT, "article") == TEXT


@pytest.mark.parametrize(
    ("unit", "start"),
    [
        ("post", "A post is shown; a post's share among 20 posts (%). Posts of"),
        ("essay", "An essay is shown; an essay's share among 20 essays (%). Essays of"),
        (
            "user comment",
            "A user comment is shown; a user comment's share among 20 user comments (%). User comments of",
        ),
        ("update", "An update is shown; an update's share among 20 updates (%). Updates of"),
    ],
)
def test_texts_have_the_units_word_but_names_of_files_stay(unit, start):
    assert with_unit(TEXT, unit) == f"{start} articles.csv, docs/real-articles.md"


@pytest.mark.parametrize("unit", ["", "Post!", "two  words", "{post}", "posts_", "a" * 41])
def test_the_unit_is_a_noun(shipped, unit):
    with pytest.raises(StudyError, match=r"corpus\.unit"):
        read_study(shipped(corpus={"unit": unit}))
