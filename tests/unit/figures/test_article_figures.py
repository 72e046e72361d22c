from html.parser import HTMLParser

import numpy as np
import pytest

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.figures.article import (
    article_evolution,
    choose_article,
    read_history,
    write_article_evolution,
    write_article_page,
)
from bias_amplification.figures.article_page import article_page
from bias_amplification.figures.style import save_figure
from bias_amplification.study.sections import Corpus, Example


class Page(HTMLParser):
    """The elements of a page, their attributes and its text, as a browser reads them."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.attributes, self.words = [], [], []
        self.feed(html)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def history(round_files, labels):
    return read_history("a2", labels, round_files.generations)


@pytest.fixture
def page(tmp_path, round_files, labels):
    target = tmp_path / "article.html"
    example = Example(article_id="a1", round="balanced_<synthetic>")
    write_article_page(
        round_files.seed_set,
        round_files.generations,
        [target],
        corpus=Corpus(labels=[*labels]),
        example=example,
        language="en",
    )
    return target.read_text(encoding="utf-8")


def test_figure_shows_the_chosen_article(tmp_path, round_files, labels, history):
    write_article_evolution(
        round_files.seed_set,
        round_files.generations,
        [tmp_path / "a2.svg"],
        labels=labels,
        example=Example(label="blue"),
    )

    save_figure(article_evolution(history, labels), [tmp_path / "expected.svg"])
    assert (tmp_path / "a2.svg").read_bytes() == (tmp_path / "expected.svg").read_bytes()


def test_history_has_the_row_of_the_article_in_every_generation(history):
    assert list(history["generation"]) == [0, 1, 2]
    assert [text.split(".")[0] for text in history["text"]] == ["Text 0 of a2", "Text 1 of a2", "Text 2 of a2"]
    np.testing.assert_allclose(history["probability_red"], [0.11, 0.31, 0.51])
    np.testing.assert_allclose(history["quality"], [2.4, 1.9, 1.4])
    np.testing.assert_allclose(history["perplexity_generating"], [10, 5, np.nan])


def test_bars_stack_the_probabilities_and_lines_have_the_values_of_the_table(history, labels):
    shares, quality, perplexity = article_evolution(history, labels).axes

    heights = np.array([bar.get_height() for bar in shares.patches]).reshape(3, 3)
    for place, label in enumerate(labels):
        np.testing.assert_allclose(heights[place], history[f"probability_{label}"])
    tops = [bar.get_y() + bar.get_height() for bar in shares.patches[-3:]]
    np.testing.assert_allclose(tops, 1)
    np.testing.assert_array_equal(quality.get_lines()[0].get_ydata(), history["quality"])
    lines = {line.get_label(): line for line in perplexity.get_lines()}
    np.testing.assert_array_equal(lines["base model"].get_ydata(), history["perplexity_base"])
    np.testing.assert_array_equal(lines["generating model"].get_ydata(), history["perplexity_generating"].dropna())
    assert all(axes.get_xlabel() == "Generation" and axes.get_ylabel() for axes in (shares, quality, perplexity))


def test_texts_are_escaped(page, script):
    parsed = Page(page)

    assert "script" not in parsed.elements and "img" not in parsed.elements
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert parsed.text.count(script) >= 6  # title, heading, original body and three generations
    assert "balanced_<synthetic>" in parsed.text


def test_page_loads_and_runs_nothing(page):
    parsed = Page(page)

    policy = [value for name, value in parsed.attributes if name == "content" and value and "default-src" in value]
    assert policy and "default-src 'none'" in policy[0] and "script-src" not in policy[0]
    assert not {"link", "iframe", "object"} & set(parsed.elements)
    assert not [name for name, _ in parsed.attributes if name in ("src", "href")]
    assert "prefers-color-scheme: dark" in page


def test_page_shows_each_generation_with_its_numbers(page):
    parsed = Page(page)

    assert parsed.elements.count("article") == 4
    for generation in range(3):
        assert f"Generation {generation}: red" in parsed.text
        assert f"Text {generation} of a1." in parsed.text
    assert "0.300" in parsed.text and "2.50" in parsed.text and "20.0" in parsed.text
    assert "–" in parsed.text  # the missing perplexity
    assert "nan" not in parsed.text


def test_page_marks_the_real_words_before_a_text(page, history, labels):
    article = {"title": "A", "body": "Real <b> words and the rest", "label": "red"}
    marked = history.assign(head="Real <b> words", text=[" and more", "", "."])

    found = article_page(article, marked, labels, None, "en")

    assert '<span class="head">Real &lt;b&gt; words</span> and more</div>' in found
    assert '<span class="head" lang="en" dir="auto">Real &lt;b&gt; words</span> (nothing written)</div>' in found
    assert "the beginning of its body, which is shown in grey before the model's text. Generation 0" in found
    assert "with each block of its body. Generation 0" in page and '<span class="head"' not in page


def test_article_is_chosen_by_id_then_by_label_then_first(round_files):
    seed_set = read_table(round_files.seed_set, ARTICLES)

    for example, chosen in (
        (Example(article_id="a2"), "a2"),
        (Example(article_id="a1", label="blue"), "a1"),
        (Example(label="blue"), "a2"),
        (Example(label="green"), "a1"),
        (Example(), "a1"),
    ):
        assert choose_article(seed_set, example)["article_id"] == chosen
    with pytest.raises(StudyError, match=r"'a3'.*example\.article_id"):
        choose_article(seed_set, Example(article_id="a3"))


def test_error_names_the_file_that_lacks_the_article(round_files, labels):
    with pytest.raises(StudyError, match=r"generation_00/articles\.parquet has no article 'a9'"):
        read_history("a9", labels, round_files.generations)


def test_texts_of_the_page_have_their_language_and_direction(tmp_path, round_files, labels):
    target = tmp_path / "article.html"

    write_article_page(
        round_files.seed_set,
        round_files.generations,
        [target],
        corpus=Corpus(labels=[*labels]),
        example=Example(),
        language="ar",
    )

    html = target.read_text(encoding="utf-8")
    # The heading, the original and three generations; the rest of the page is English.
    assert html.count('lang="ar" dir="auto"') == 5
    assert html.count('class="text" lang="ar" dir="auto"') == 4
    assert '<html lang="en">' in html
