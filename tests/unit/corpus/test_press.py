"""The embedded press: what it writes, how it can be told apart, and what it says about broken resources."""

import os
import re
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.press import LABELS, load_press, write_press

ROOT = Path(__file__).parents[3]
RESOURCES = ROOT / "resources" / "press"
EVENTS = 1400


@pytest.fixture(scope="module")
def articles():
    return write_press(EVENTS, 11, RESOURCES)


@pytest.fixture(scope="module")
def press():
    return load_press(RESOURCES)


@pytest.fixture(scope="module")
def anonymous(articles, press):
    """Titles and bodies without outlets and writers."""
    outlets = press.outlets["outlets"]
    names = [name for outlet in outlets for name in (outlet["name"].removeprefix("The "), *outlet["writers"])]
    texts = zip(column(articles, "title"), column(articles, "body"), strict=True)
    return [reduce(lambda text, name: text.replace(name, " "), names, f"{title}\n{body}") for title, body in texts]


def column(table, name):
    return table.column(name).to_pylist()


def lengths(texts):
    return np.array([len(text.split()) for text in texts])


def test_table_has_the_declared_schema_and_one_article_per_label_and_event(articles):
    assert articles.schema == ARTICLES
    assert articles.num_rows == 3 * EVENTS
    labels = column(articles, "label")
    assert [labels.count(label) for label in LABELS] == [EVENTS] * 3
    assert sum(articles.column(name).null_count for name in articles.column_names) == 0


def test_ids_and_bodies_are_distinct(articles):
    assert len(set(column(articles, "article_id"))) == articles.num_rows
    assert len(set(column(articles, "body"))) == articles.num_rows
    assert len(set(column(articles, "title"))) > 0.75 * articles.num_rows


def test_outlets_have_one_leaning_and_share_the_coverage(articles, press):
    leanings = {outlet["name"]: outlet["leaning"] for outlet in press.outlets["outlets"]}
    outlets, labels = column(articles, "outlet"), column(articles, "label")
    assert [leanings[outlet] for outlet in outlets] == labels
    shares = np.array([outlets.count(name) for name in leanings]) / EVENTS
    assert np.all((shares > 0.14) & (shares < 0.26)), "five outlets a leaning, so about a fifth each"


def test_length_of_bodies_and_titles(articles):
    bodies, titles = lengths(column(articles, "body")), lengths(column(articles, "title"))
    assert bodies.min() >= 90
    assert bodies.max() <= 220
    assert bodies.std() > 15
    assert titles.min() >= 6
    assert titles.max() <= 14


def test_articles_do_not_depend_on_how_many_are_written():
    few = write_press(6, 3, RESOURCES).to_pylist()
    later = write_press(3, 3, RESOURCES, first_event=3).to_pylist()
    more = write_press(6, 3, RESOURCES, articles_per_label_and_event={"center": 1, "right": 3}).to_pylist()
    assert few[9:] == later
    assert [row for row in few if row["label"] == "center"] == [row for row in more if row["label"] == "center"]
    assert [row for row in few if row["label"] == "right"] == [row for row in more if row["label"] == "right"][::3]
    assert len(more) == 24


def test_seeds_write_other_articles():
    first, second = (column(write_press(5, seed, RESOURCES), "body") for seed in (1, 2))
    assert not set(first) & set(second)


def test_same_seed_same_text_whatever_the_hash_seed():
    program = (
        "from bias_amplification.corpus.press import write_press; import hashlib;"
        f"print(hashlib.sha256(repr(write_press(20, 5, {str(RESOURCES)!r}).to_pylist()).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_an_event_has_the_same_facts_in_every_outlet(press):
    rows = write_press(30, 4, RESOURCES, articles_per_label_and_event=5).to_pylist()
    counts = {}
    for row in rows:
        for number in re.findall(r"The final count was (\d+ to \d+)", row["body"]):
            counts.setdefault(row["event_id"], set()).add(number)
    assert counts
    assert all(len(numbers) == 1 for numbers in counts.values())
    for row in rows:
        weekdays = {day for day in press.country["weekdays"] if day in row["body"]}
        assert press.country["weekdays"].index(next(iter(weekdays), "Monday")) < 5
        assert row["date"].year in range(2015, 2020)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(r"[{}]", id="unfilled brace"),
        pytest.param(r"  ", id="double space"),
        pytest.param(r" [.,;?!]", id="space before a mark"),
        pytest.param(r"\b[Aa] (?!union|univers)[aeiouAEIOU]\w+", id="a before a vowel"),
        pytest.param(r"\b[Aa]n (?!hour)(?:[^aeiouAEIOU8\s]|union|univers)\w*", id="an before a consonant"),
        pytest.param(r"\b(\w+) \1\b", id="a word twice"),
        pytest.param(r"[.,]{2}|[.!?]\"? [a-z]", id="broken end of a sentence"),
        pytest.param(r"(?:^|\n)\"?[a-z]", id="small letter at the start"),
        pytest.param(r"\bthe the\b|\bNone\b", id="wrong filling"),
        pytest.param(r"\b(?:Many|many|some) (?:the|our)\b|[Mm]any of\b", id="two determiners"),
    ],
)
def test_english(articles, fault):
    texts = column(articles, "title") + column(articles, "body")
    found = [match.group() for text in texts if (match := re.search(fault, text))]
    assert found == []


def test_paragraphs_end_with_a_full_stop(articles):
    bylines = re.compile(r"By [A-Z].*|.* staff")
    for body in column(articles, "body"):
        paragraphs = body.split("\n")
        assert len(paragraphs) >= 2
        assert all(text.endswith((".", '."')) or bylines.fullmatch(text) for text in paragraphs), body
        assert body.count('"') % 2 == 0
    assert not any(title.endswith(".") for title in column(articles, "title"))


def test_vocabulary_is_small_and_sentences_vary(articles):
    text = " ".join(column(articles, "title") + column(articles, "body"))
    assert 1200 <= len(set(re.findall(r"[a-z]+", text.lower()))) <= 2500
    sentences = [sentence for body in column(articles, "body") for sentence in re.split(r"(?<=[.\"]) |\n", body)]
    assert len(set(sentences)) > 0.4 * len(sentences)


def test_outlets_and_writers_stand_in_most_articles(articles, press):
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


def test_a_classifier_does_well_but_not_perfectly(articles, anonymous):
    text = pytest.importorskip("sklearn.feature_extraction.text")
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    labels = np.array(column(articles, "label"))
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:2500], order[2500:3100]
    vectors = text.TfidfVectorizer(ngram_range=(1, 2), min_df=2)
    features = vectors.fit_transform([anonymous[row] for row in train])
    model = linear.LogisticRegression(C=10, max_iter=200, tol=1e-3).fit(features, labels[train])
    predicted = model.predict(vectors.transform([anonymous[row] for row in test]))
    assert 0.87 <= metrics.f1_score(labels[test], predicted, average="macro") <= 0.96
    confusion = metrics.confusion_matrix(labels[test], predicted, labels=LABELS)
    center = LABELS.index("center")
    mistaken = confusion + confusion.T
    assert min(mistaken[center, 0], mistaken[center, 2]) > mistaken[0, 2], "center stands between the sides"


def test_no_single_word_and_not_the_length_gives_the_label_away(articles, anonymous):
    text = pytest.importorskip("sklearn.feature_extraction.text")
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
    """A copy of the resources in which one passage is another."""
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
        ("kinds.yaml", "{chamber}", "{chambre}", r"kinds\.yaml: passage\.lead\[0\] asks for \{chambre\}"),
        ("kinds.yaml", "{chamber}", "{own_official}", r"passage\.lead\[0\] asks for \{own_official\}"),
        ("kinds.yaml", "{chamber}", "{chamber", r"passage\.lead\[0\] has a brace without its partner"),
        ("outlets.yaml", "leaning: left", "leaning: up", r"leaning of The Harbor Courier is 'up': use one of left"),
        ("outlets.yaml", "Redmoor Voice", "The Harbor Courier", r"outlet The Harbor Courier stands there twice"),
        ("topics/border.yaml", "sponsor: right", "sponsor: center", r"sponsor of Border Screening Act is 'center'"),
        ("topics/border.yaml", "pleas:", "plea:", r"border\.yaml lacks the key pleas"),
        ("topics/taxes.yaml", "[tax policy, the tax code]", "[]", r"subject\.center must be a list of at least one"),
        ("topics/taxes.yaml", "[tax policy, the tax code]", "[no]", r"subject\.center\[0\] is False, not a text"),
        ("slant.yaml", "identified: 0.65", "identified: 65", r"identified is a probability"),
        ("slant.yaml", "strength: [3.0, 2.0]", "strength: [3.0]", r"strength must be two numbers"),
        ("numbers.yaml", "support: percent", "support: share", r"shared\.support names the unknown scale share"),
        ("outlines.yaml", "lead frame |", "lead farme |", r"names the unknown role farme"),
        ("country.yaml", "days: 1500", "days: many", r"days a whole number"),
    ],
)
def test_a_broken_resource_file_is_named_with_the_place(tmp_path, file, old, new, message):
    folder = changed(tmp_path, file, old, new)
    with pytest.raises(StudyError, match=message):
        write_press(1, 1, folder)


def test_missing_resource_files_are_named(tmp_path):
    folder = tmp_path / "press"
    shutil.copytree(RESOURCES, folder)
    shutil.rmtree(folder / "topics")
    with pytest.raises(StudyError, match="topics holds no topic"):
        load_press(folder)
    (folder / "titles.yaml").unlink()
    with pytest.raises(StudyError, match=r"titles\.yaml cannot be read"):
        load_press(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events": 0}, "asked for 0 events"),
        ({"seed": -1}, "with seed -1"),
        ({"articles_per_label_and_event": 6}, "6 articles of left: the press has 5 outlets"),
        ({"articles_per_label_and_event": {"green": 1}}, "names the label green"),
    ],
)
def test_impossible_requests(arguments, message):
    with pytest.raises(StudyError, match=message):
        write_press(**{"events": 1, "seed": 1, "resources": RESOURCES} | arguments)
