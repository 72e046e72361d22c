"""The words and phrases of the press that belong to one leaning, and their counts in texts."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.press import LABELS, load_press, write_press
from bias_amplification.corpus.press.dice import Dice
from bias_amplification.corpus.press.events import draw_event
from bias_amplification.corpus.press.lexicon import Lexicon, count_markers, lexicon_labels, read_lexicon
from bias_amplification.corpus.press.writer import write_article
from helpers import ROOT

RESOURCES = ROOT / "resources" / "press"
SEED = 23


@pytest.fixture(scope="module")
def lexicon():
    return read_lexicon(RESOURCES, LABELS, {})


@pytest.fixture(scope="module")
def articles():
    return write_press(300, SEED, RESOURCES)


@pytest.fixture(scope="module")
def one_voice():
    """Texts by label of articles in which every word and sentence with a voice has the voice of the label."""
    press = load_press(RESOURCES)
    press = replace(press, slant={**press.slant, "own_voice": [1.0, 1.0], "own_voice_center": [1.0, 1.0]})
    texts = {label: [] for label in LABELS}
    for number in range(150):
        event = draw_event(press, SEED, number)
        for place, label in enumerate(LABELS):
            dice = Dice(SEED, number, place)
            texts[label].append(write_article(press, event, press.outlets_of(label)[0], dice)["body"])
    return texts


def test_markers_of_a_small_text_are_counted(lexicon):
    # Left: reformers, cruel, this is what solidarity looks like. Right: taxpayers, hardworking families. Center: the
    # proposal. All leanings write "the plan", so it counts for none.
    text = (
        "REFORMERS told taxpayers and hard\u00adworking hardworking families that the plan was cruel.\n"
        '"This is what solidarity looks like," said the authors of the proposal.'
    )
    assert count_markers([text, "", "The plan."], lexicon).tolist() == [[3, 1, 2], [0, 0, 0], [0, 0, 0]]


def test_longest_marker_counts_once_at_word_boundaries():
    markers = {"tax": "up", "tax relief now": "down", "relief": "up", "a unfair act": "down"}
    lexicon = Lexicon(("up", "down"), markers)
    texts = [
        "Tax relief now: tax, relief and more.",  # "tax relief now"; "tax", "relief"
        "Tax relief nowhere for taxes.",  # "tax", "relief"
        "An unfair act, a unfair act, an act.",  # twice "a unfair act"
        "tax tax relief",  # "tax", "tax", "relief"
    ]
    assert count_markers(texts, lexicon).tolist() == [[2, 1], [2, 0], [0, 2], [3, 0]]


def test_counts_equal_those_of_a_regular_expression(lexicon, articles):
    texts = articles["body"].to_pylist()[:90]
    longest_first = sorted(lexicon.markers, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, longest_first))})(?!\S)")
    expected = []
    for text in texts:
        plain = re.sub(r"\ban\b", "a", " ".join(re.sub(r"[^a-z0-9]", " ", text.lower()).split()))
        found = Counter(lexicon.markers[marker] for marker in pattern.findall(plain))
        expected.append([found[label] for label in LABELS])
    assert np.sum(expected) > 500
    assert count_markers(texts, lexicon).tolist() == expected


def test_articles_in_one_voice_are_assigned_to_it(lexicon, one_voice):
    for place, label in enumerate(LABELS):
        counts = count_markers(one_voice[label], lexicon)
        assert lexicon_labels(counts, LABELS) == [label] * len(counts)
        # A marker of another label can arise where two sentences or slots meet.
        assert counts[:, place].sum() > 0.998 * counts.sum()
        assert counts[:, place].mean() > 8


def test_most_press_articles_are_assigned_to_their_label(lexicon, articles):
    found = lexicon_labels(count_markers(articles["body"].to_pylist(), lexicon), LABELS)
    pairs = [(label, own) for label, own in zip(articles["label"].to_pylist(), found, strict=True) if own]
    assert len(pairs) > 0.93 * articles.num_rows
    for label in LABELS:
        own = [found == label for true, found in pairs if true == label]
        assert np.mean(own) > 0.85


def test_words_of_several_leanings_and_shared_words_are_no_markers(lexicon):
    assert lexicon.markers["working families"] == "left"
    assert lexicon.markers["residents"] == "center"
    assert lexicon.markers["hand a tax break to the rich"] == "left"
    assert lexicon.markers["citizens for order"] == "right"
    shared = {
        "supporters",  # words of the center and the right
        "conservatives",  # words of the left about opponents and of the right about supporters
        "overdue",  # both sides, for a bill
        "the government",  # a word of the center, and in sentences that all share
        "the civic union",  # all name both parties
        "restore order at the border",  # both the right and the center write what a bill would gain
        "supporters say",  # a frame of the center, and "{backers} say" of the right
        "separately",  # phrases of outlets
    }
    assert not shared & set(lexicon.markers)
    assert set(lexicon.markers.values()) == set(LABELS)


def test_no_marker_is_in_a_shared_text(lexicon):
    press = load_press(RESOURCES)
    shared = [*press.sentences["background"]]
    shared += [text for topic in press.topics.values() for text in topic["facts"]]
    shared += [text for kind in press.kinds.values() for texts in kind.values() for text in texts]
    shared += [text for bill in policies(press) for key in ("gain", "harm") for text in bill[key]]
    shared += [bill["name"] for bill in policies(press)]
    shared += [name for outlet in press.outlets["outlets"] for name in (outlet["name"], *outlet["writers"])]
    assert count_markers([re.sub(r"\{\w+\}", "/", text) for text in shared], lexicon).sum() == 0


def policies(press):
    return [bill for topic in press.topics.values() for bill in topic["policies"]]


def test_labels_of_the_study_replace_those_of_the_press():
    merged = read_lexicon(
        RESOURCES, ("partisan", "neutral"), {"left": "partisan", "center": "neutral", "right": "partisan"}
    )
    assert merged.markers["working families"] == merged.markers["taxpayers"] == "partisan"
    assert merged.markers["conservatives"] == "partisan", "left and right write it, the center does not"
    assert merged.markers["residents"] == "neutral"
    left_out = read_lexicon(RESOURCES, ("b", "a"), {"left": "a", "center": None, "right": "b"})
    assert left_out.markers["working families"] == "a"
    assert left_out.markers["taxpayers"] == "b"
    assert "residents" not in left_out.markers
    assert "supporters" not in left_out.markers, "the center writes it in articles of the right"
    assert count_markers(["Taxpayers, taxpayers and working families."], left_out).tolist() == [[2, 1]]


def test_ties_and_texts_without_markers_have_no_label():
    counts = np.array([[2, 1, 0], [0, 0, 0], [1, 1, 0], [0, 3, 3], [0, 0, 1]])
    assert lexicon_labels(counts, LABELS) == ["left", None, None, None, "right"]


def test_missing_resources_are_reported(tmp_path):
    with pytest.raises(StudyError, match=r"country\.yaml cannot be read"):
        read_lexicon(tmp_path, LABELS, {})
