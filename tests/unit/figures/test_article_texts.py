import base64
import json
import re
import zlib

import numpy as np
import pandas as pd
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.figures.article_page import write_article_page
from bias_amplification.figures.article_texts import choose_article, page_data, sample_articles
from bias_amplification.study.sections import Corpus, Example

ROUNDS = {"one": 0, "two": 1}


@pytest.fixture
def files(tmp_path, round_files):
    """Two seed sets, of which the second has one article of the first, the base model's texts, and a round of each."""
    second = tmp_path / "second.parquet"
    write_table(read_table(round_files.seed_set, ARTICLES).slice(1, 1), second, ARTICLES)
    base, *generations = (round_files.generations[place : place + 4] for place in (0, 4, 8))
    return {
        "seed_set_files": [round_files.seed_set, second],
        "version_files": [*base, *base, *generations[0], *generations[1]],
    }


def read(data):
    """Return what the page says about each text, and the text itself, from a plain loop over the page's data."""
    rows = []
    for one in data["rounds"]:
        articles = data["seed_sets"][one["seed_set"]]["articles"]
        for article, versions in zip(articles, one["rows"], strict=True):
            for place, row in enumerate(versions):
                numbers = [*row["probabilities"], row["quality"], *row["perplexity"]]
                text = data["texts"][row["text"]]
                rows.append((one["name"], article["id"], place, text, row["label"], *numbers))
    return rows


def test_data_have_every_text_and_number_of_the_tables(files, labels):
    data = page_data(**files, labels=labels, rounds=ROUNDS, example=Example())

    expected = []
    for name, articles, versions in (("one", ["a1", "a2"], (0, 8)), ("two", ["a2"], (0, 12))):
        for article in articles:
            for place, first in enumerate(versions):
                tables = [
                    pd.read_parquet(file).set_index("article_id") for file in files["version_files"][first : first + 4]
                ]
                row = pd.concat([table.loc[article] for table in tables])
                numbers = [*(round(row[f"probability_{label}"], 3) for label in labels), round(row["quality"], 2)]
                for kind in ("base", "generating"):
                    value = row[f"perplexity_{kind}"]
                    numbers.append(None if value is None or np.isnan(value) else round(value, 1))
                expected.append((name, article, place, row["text"], row["predicted"], *numbers))
    assert read(data) == expected
    assert None in expected[-1]  # the perplexity that is missing in the last generation
    bodies = {row["article_id"]: row["body"] for row in read_table(files["seed_set_files"][0], ARTICLES).to_pylist()}
    for one in data["seed_sets"]:
        assert [data["texts"][article["body"]] for article in one["articles"]] == [
            bodies[article["id"]] for article in one["articles"]
        ]
    assert [one["of"] for one in data["seed_sets"]] == [2, 1]


def test_equal_texts_are_stored_once(files, labels):
    data = page_data(**files, labels=labels, rounds=ROUNDS, example=Example())

    # Two bodies, three texts of a1 and a2 each but for a1's last, which no round shows, and the empty head.
    assert len(data["texts"]) == len(set(data["texts"])) == 2 + 2 + 3 + 1


def test_page_begins_with_the_example(files, labels):
    def first(example):
        return page_data(**files, labels=labels, rounds=ROUNDS, example=example)["first"]

    assert first(Example()) == {"round": "one", "article": "a1"}
    assert first(Example(label="blue")) == {"round": "one", "article": "a2"}
    assert first(Example(round="two")) == {"round": "two", "article": "a2"}
    with pytest.raises(StudyError, match=r"'a1'.*example\.article_id"):
        first(Example(round="two", article_id="a1"))


def test_sample_has_the_chosen_article_and_labels_in_turn():
    seed_set = [{"article_id": f"{label}{k}", "label": label} for label in "abc" for k in range(4)]

    def sample(number, chosen="c3"):
        return [row["article_id"] for row in sample_articles(seed_set, number, chosen)]

    assert sample(1) == ["c3"]
    assert sample(2) == ["a0", "c3"]
    assert sample(6) == ["a0", "a1", "b0", "b1", "c0", "c3"]
    assert sample(3, "elsewhere") == ["a0", "b0", "c0"]
    assert sample(12) == sample(99) == [row["article_id"] for row in seed_set]


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


@pytest.fixture
def page(tmp_path, files, labels):
    out = tmp_path / "page.html"
    arguments = {"corpus": Corpus(labels=[*labels]), "example": Example(articles=1), "language": "ar"}
    write_article_page(**files, out=[out], rounds=ROUNDS, **arguments)
    return out.read_text(encoding="utf-8")


def test_page_holds_the_data_and_no_text_as_markup(page, files, labels, script):
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1]
    held = json.loads(zlib.decompress(base64.b64decode(json.loads(block))))

    data = page_data(**files, labels=labels, rounds=ROUNDS, example=Example(articles=1))
    assert {name: held[name] for name in data} == data
    assert held["language"] == "ar" and [label for label, _ in held["labels"]] == [*labels]
    assert any(script in text for text in held["texts"])
    assert script not in page and "alert" not in page and "<img" not in page


def test_page_says_that_it_has_a_sample(page):
    said = re.findall(r"Of the (\d+) articles of a seed set, the page has (\d+) \(<code>example.articles", page)

    assert said == [("2", "1")]


def test_page_needs_no_other_file(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]

    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
    # The link that skips to the content.
    markup = page.split("<script")[0].replace('href="#content"', "")
    assert not re.findall(r"<(?:link|iframe|object|img)\b|\bsrc=|\bhref=", markup)
    assert "prefers-color-scheme: dark" in page
