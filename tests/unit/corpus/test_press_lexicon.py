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
from bias_amplification.corpus.press.writer import Writer, write_article
from helpers import ROOT

RESOURCES = ROOT / "resources" / "press"
SEED = 23


@pytest.fixture(scope="module")
def lexicon():
    return read_lexicon(RESOURCES, LABELS, {})


@pytest.fixture(scope="module")
def partisan():
    """The lexicon of a study that gives the left and the right of the press one label."""
    label_map = {"left": "partisan", "center": "neutral", "right": "partisan"}
    return read_lexicon(RESOURCES, ("partisan", "neutral"), label_map)


@pytest.fixture(scope="module")
def left_out():
    """The lexicon of a study without the center of the press. Its labels are not in the order of the press."""
    return read_lexicon(RESOURCES, ("b", "a"), {"left": "a", "center": None, "right": "b"})


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
    lexicon = Lexicon(("up", "down"), markers, np.eye(2))
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
        assert lexicon_labels(counts, lexicon) == [label] * len(counts)
        # A marker of another label can arise where two sentences or slots meet.
        assert counts[:, place].sum() > 0.998 * counts.sum()
        assert counts[:, place].mean() > 8


def test_most_press_articles_are_assigned_to_their_label(lexicon, articles):
    true = np.array(articles["label"].to_pylist())
    found = np.array(lexicon_labels(count_markers(articles["body"].to_pylist(), lexicon), lexicon))
    for label in LABELS:
        assert np.mean(found[true == label] == label) > 0.86
        # Mistakes are balanced: each label has a third of the articles.
        assert np.mean(found == label) == pytest.approx(1 / 3, abs=0.03)


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


def test_labels_of_the_study_replace_those_of_the_press(partisan, left_out):
    assert partisan.markers["working families"] == partisan.markers["taxpayers"] == "partisan"
    assert partisan.markers["conservatives"] == "partisan", "left and right write it, the center does not"
    assert partisan.markers["residents"] == "neutral"
    assert left_out.markers["working families"] == "a"
    assert left_out.markers["taxpayers"] == "b"
    assert "residents" not in left_out.markers
    assert "supporters" not in left_out.markers, "the center writes it in articles of the right"
    assert count_markers(["Taxpayers, taxpayers and working families."], left_out).tolist() == [[2, 1]]


def test_probabilities_of_voices_are_the_means_of_the_writers_draws(lexicon):
    press = load_press(RESOURCES)
    event = draw_event(press, SEED, 0)
    for place, label in enumerate(LABELS):
        outlet = press.outlets_of(label)[0]
        voices = Counter()
        for number in range(1500):
            writer = Writer(press, event, outlet, Dice(SEED, number, place))
            voices.update(writer.voice() for _ in range(4))
        # The standard error of a share of 6,000 draws, four for each strength, is below 0.008.
        np.testing.assert_allclose([voices[voice] / 6000 for voice in LABELS], lexicon.voices[place], atol=0.025)


def test_label_is_the_most_likely_one(lexicon):
    # At the mean strength, 3 / 5, an article has its own voice with 0.48 + 0.47 * 3 / 5 = 0.762, or in the center with
    # 0.76. The rest of a side, 0.238, is center with 0.85 of it, 0.2023, and the other side with 0.0357.
    np.testing.assert_allclose(
        lexicon.voices, [[0.762, 0.2023, 0.0357], [0.12, 0.76, 0.12], [0.0357, 0.2023, 0.762]], rtol=1e-12
    )
    expected = {
        (0, 0, 0): None,
        (1, 1, 0): "left",  # 0.762 * 0.2023 = 0.154 against 0.12 * 0.76 = 0.091
        (1, 2, 0): "center",  # 0.762 * 0.2023 ** 2 = 0.031 against 0.12 * 0.76 ** 2 = 0.069
        (2, 3, 0): "center",  # 0.762 ** 2 * 0.2023 ** 3 = 0.0048 against 0.12 ** 2 * 0.76 ** 3 = 0.0063
        (2, 2, 0): "left",
        (3, 0, 3): None,  # left and right are equally likely
        (2, 5, 2): "center",
        (0, 1, 2): "right",
    }
    assert lexicon_labels(np.array(list(expected)), lexicon) == list(expected.values())


def test_probabilities_of_voices_follow_the_labels_of_the_study(partisan, left_out):
    np.testing.assert_allclose(partisan.voices, [[0.7977, 0.2023], [0.24, 0.76]], rtol=1e-12)
    own = 0.762 / (0.762 + 0.0357)
    np.testing.assert_allclose(left_out.voices, [[own, 1 - own], [1 - own, own]], rtol=1e-12)


def test_missing_resources_are_reported(tmp_path):
    with pytest.raises(StudyError, match=r"country\.yaml cannot be read"):
        read_lexicon(tmp_path, LABELS, {})
