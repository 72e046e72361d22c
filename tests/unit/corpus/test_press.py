"""The embedded press: its articles, how well their labels can be predicted, and errors in resource files."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from functools import reduce

import numpy as np
import pytest
from sklearn import metrics, svm
from sklearn.feature_extraction import text

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.articles import article_text
from bias_amplification.corpus.press import LABELS, load_press, write_press
from helpers import ROOT

RESOURCES = ROOT / "resources" / "press"
EVENTS = 700
SEED = 11


@pytest.fixture(scope="module")
def articles():
    return write_press(EVENTS, SEED, RESOURCES)


@pytest.fixture(scope="module")
def press():
    return load_press(RESOURCES)


@pytest.fixture(scope="module")
def anonymous(articles, press):
    """Titles and bodies without the names of outlets and writers."""
    outlets = press.outlets["outlets"]
    names = [name for outlet in outlets for name in (outlet["name"].removeprefix("The "), *outlet["writers"])]
    texts = map(article_text, column(articles, "title"), column(articles, "body"))
    return [reduce(lambda text, name: text.replace(name, " "), names, text) for text in texts]


def column(table, name):
    return table.column(name).to_pylist()


def lengths(texts):
    return np.array([len(text.split()) for text in texts])


def test_each_event_has_one_article_of_each_label(articles):
    assert articles.schema == ARTICLES
    assert articles.num_rows == 3 * EVENTS
    labels = column(articles, "label")
    assert labels == list(LABELS) * EVENTS
    assert len(set(column(articles, "event_id"))) == EVENTS
    assert sum(articles.column(name).null_count for name in articles.column_names) == 0


def test_ids_and_bodies_are_unique(articles):
    assert len(set(column(articles, "article_id"))) == articles.num_rows
    assert len(set(column(articles, "body"))) == articles.num_rows
    assert len(set(column(articles, "title"))) > 0.75 * articles.num_rows


def test_outlets_have_one_leaning_and_write_equally_many_articles(articles, press):
    leanings = {outlet["name"]: outlet["leaning"] for outlet in press.outlets["outlets"]}
    outlets, labels = column(articles, "outlet"), column(articles, "label")
    assert [leanings[outlet] for outlet in outlets] == labels
    shares = np.array([outlets.count(name) for name in leanings]) / EVENTS
    assert np.all((shares > 0.14) & (shares < 0.26)), "each leaning has five outlets"


def test_lengths_of_bodies_and_titles_are_within_the_limits(articles):
    bodies, titles = lengths(column(articles, "body")), lengths(column(articles, "title"))
    assert bodies.min() >= 90
    assert bodies.max() <= 220
    assert bodies.std() > 15
    assert titles.min() >= 6
    assert titles.max() <= 14


def test_articles_do_not_depend_on_the_number_of_events(articles):
    assert write_press(6, SEED, RESOURCES).equals(articles.slice(0, 18))


def test_seeds_give_different_articles():
    first, second = (column(write_press(5, seed, RESOURCES), "body") for seed in (1, 2))
    assert not set(first) & set(second)


def test_articles_do_not_depend_on_pythons_hash_seed(articles):
    program = (
        "from bias_amplification.corpus.press import write_press; from pathlib import Path; import hashlib;"
        f"rows = write_press(20, {SEED}, Path({str(RESOURCES)!r})).to_pylist();"
        "print(hashlib.sha256(repr(rows).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert other == hashlib.sha256(repr(articles.slice(0, 60).to_pylist()).encode()).hexdigest()


def test_outlets_report_the_same_facts_of_an_event(articles):
    counts = defaultdict(list)
    for row in articles.to_pylist():
        for number in re.findall(r"The final count was (\d+ to \d+)", row["body"]):
            counts[row["event_id"]].append(number)
    assert max(map(len, counts.values())) > 1, "some event has the sentence in several articles"
    assert all(len(set(numbers)) == 1 for numbers in counts.values())


def test_dates_are_in_the_years_of_the_press(articles):
    assert {day.year for day in column(articles, "date")} <= set(range(2015, 2020))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(r"[{}]", id="unfilled brace"),
        pytest.param(r"  ", id="double space"),
        pytest.param(r" [.,;?!]", id="space before a mark"),
        pytest.param(r"\b[Aa] (?!union|univers)[aeiouAEIOU]\w+", id="a before a vowel"),
        pytest.param(r"\b[Aa]n (?!hour)(?:[^aeiouAEIOU8\s]|union|univers)\w*", id="an before a consonant"),
        pytest.param(r"\b(\w+) \1\b", id="repeated word"),
        pytest.param(r"[.,]{2}|[.!?]\"? [a-z]", id="broken end of a sentence"),
        pytest.param(r"(?:^|\n)\"?[a-z]", id="lower case at the start"),
        pytest.param(r"\bthe the\b|\bNone\b", id="wrong filling"),
        pytest.param(r"\b(?:Many|many|some) (?:the|our)\b|[Mm]any of\b", id="two determiners"),
    ],
)
def test_texts_have_no_fault_of_spelling_or_grammar(articles, fault):
    texts = column(articles, "title") + column(articles, "body")
    found = [match.group() for text in texts if (match := re.search(fault, text))]
    assert found == []


def test_paragraphs_are_whole_sentences(articles):
    bylines = re.compile(r"By [A-Z].*|.* staff")
    for body in column(articles, "body"):
        paragraphs = body.split("\n")
        assert len(paragraphs) >= 2
        assert all(text.endswith((".", '."')) or bylines.fullmatch(text) for text in paragraphs), body
        assert body.count('"') % 2 == 0
    assert not any(title.endswith(".") for title in column(articles, "title"))


def test_vocabulary_is_small_but_sentences_vary(articles):
    text = " ".join(column(articles, "title") + column(articles, "body"))
    assert 1200 <= len(set(re.findall(r"[a-z]+", text.lower()))) <= 2500
    sentences = [sentence for body in column(articles, "body") for sentence in re.split(r"(?<=[.\"]) |\n", body)]
    assert len(set(sentences)) > 0.4 * len(sentences)


def test_most_articles_name_their_outlet_or_writer(articles, press):
    outlets = {outlet["name"]: outlet for outlet in press.outlets["outlets"]}
    marked = bylines = told = wires = closings = 0
    for body, name in zip(column(articles, "body"), column(articles, "outlet"), strict=True):
        inside = name.removeprefix("The ")
        writers = [writer for writer in outlets[name]["writers"] if writer in body]
        marked += bool(inside in body or writers or "Wire)" in body or "Service)" in body)
        bylines += any(body.startswith((f"By {writer}", f"{writer}, {name} staff")) for writer in writers)
        told += bool(re.search(rf"(told|interview with) (the )?{re.escape(inside)}", body))
        wires += bool(re.search(r"\((Capitol Wire|Union Press Service)\) - ", body))
        closings += any(f"\n{writer} " in body for writer in writers)
    assert 0.55 <= marked / articles.num_rows <= 0.68
    assert min(bylines, told, wires, closings) > 0.05 * articles.num_rows


def test_classifier_is_good_but_not_perfect(articles, anonymous):
    labels = np.array(column(articles, "label"))
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1500], order[1500:]
    vectors = text.TfidfVectorizer(ngram_range=(1, 2), min_df=2)
    features = vectors.fit_transform([anonymous[row] for row in train])
    model = svm.LinearSVC().fit(features, labels[train])
    predicted = model.predict(vectors.transform([anonymous[row] for row in test]))
    # A test set of 600 gives a standard error of 0.013.
    assert 0.85 <= metrics.f1_score(labels[test], predicted, average="macro") <= 0.96
    confusion = metrics.confusion_matrix(labels[test], predicted, labels=LABELS)
    center = LABELS.index("center")
    mistaken = confusion + confusion.T
    assert min(mistaken[center, 0], mistaken[center, 2]) > mistaken[0, 2], "center is between the sides"


def test_neither_a_single_word_nor_the_length_predicts_the_label(articles, anonymous):
    labels = np.array([LABELS.index(label) for label in column(articles, "label")])
    present = text.CountVectorizer(binary=True, min_df=5).fit_transform(anonymous)
    with_word = present.T @ np.eye(3)[labels]
    without_word = np.bincount(labels) - with_word
    assert ((with_word.max(axis=1) + without_word.max(axis=1)) / len(labels)).max() < 0.65
    words = lengths(column(articles, "body")) // 5
    half = len(labels) // 2
    votes = np.zeros((words.max() + 1, 3))
    np.add.at(votes, (words[:half], labels[:half]), 1)
    assert np.mean(votes[words[half:]].argmax(axis=1) == labels[half:]) < 0.42


def changed(tmp_path, file, old, new):
    """Copy the resources and replace one passage of a file."""
    folder = tmp_path / "press"
    shutil.copytree(RESOURCES, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("words.yaml", "people:", "people: [", r"words\.yaml, line \d+, is not valid YAML"),
        ("words.yaml", "center: [residents, households, voters]", "", r"words\.yaml: people lacks the key center"),
        ("kinds.yaml", "{chamber}", "{chambre}", r"kinds\.yaml: passage\.lead\[0\] has the slot \{chambre\}"),
        ("kinds.yaml", "{chamber}", "{own_official}", r"passage\.lead\[0\] has the slot \{own_official\}"),
        ("kinds.yaml", "{chamber}", "{chamber", r"passage\.lead\[0\] has an unpaired brace"),
        ("outlets.yaml", "leaning: left", "leaning: up", r"leaning of The Harbor Courier is 'up': use one of left"),
        ("outlets.yaml", "Redmoor Voice", "The Harbor Courier", r"two outlets have the name The Harbor Courier"),
        ("topics/border.yaml", "sponsor: right", "sponsor: center", r"sponsor of Border Screening Act is 'center'"),
        ("topics/border.yaml", "pleas:", "plea:", r"border\.yaml lacks the key pleas"),
        ("topics/taxes.yaml", "[tax policy, the tax code]", "[]", r"subject\.center must be a list of at least one"),
        ("topics/taxes.yaml", "[tax policy, the tax code]", "[no]", r"subject\.center\[0\] is False, not a text"),
        ("slant.yaml", "identified: 0.65", "identified: 65", r"identified is a probability"),
        ("slant.yaml", "strength: [3.0, 2.0]", "strength: [3.0]", r"strength must be two numbers"),
        ("numbers.yaml", "support: percent", "support: share", r"shared\.support has the unknown scale share"),
        ("outlines.yaml", "lead frame |", "lead farme |", r"has the unknown role farme"),
        ("country.yaml", "days: 1500", "days: many", r"days a whole number"),
    ],
)
def test_errors_of_resource_files_name_file_and_place(tmp_path, file, old, new, message):
    folder = changed(tmp_path, file, old, new)
    with pytest.raises(StudyError, match=message):
        load_press(folder)


def test_missing_resource_files_are_errors(tmp_path):
    folder = tmp_path / "press"
    shutil.copytree(RESOURCES, folder)
    shutil.rmtree(folder / "topics")
    with pytest.raises(StudyError, match="topics has no topic"):
        load_press(folder)
    (folder / "titles.yaml").unlink()
    with pytest.raises(StudyError, match=r"titles\.yaml cannot be read"):
        load_press(folder)
