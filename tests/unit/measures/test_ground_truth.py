import numpy as np
import pytest

from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.corpus.press.lexicon import Lexicon
from bias_amplification.measures.ground_truth import ground_truth_measures

LEXICON = Lexicon(
    ("up", "down"), {"rises": "up", "big gain": "up", "falls": "down"}, np.array([[0.8, 0.2], [0.2, 0.8]])
)
TEXTS = [
    "It rises, and again it rises. Falls?",  # up: 2 to 1
    "A big gain.",  # up
    "Falls. Falls.",  # down
    "It rises and falls.",  # as many of both: no label
    "Nothing of the kind.",  # no marker: no label
    "It rises.",  # up
]


def test_labels_by_words_and_agreement_of_a_small_text():
    found = ground_truth_measures(TEXTS, ["up", "down", "down", "up", "down", "up"], LEXICON)

    # Articles 4 and 5 have no label by their words. The classifier agrees on articles 1, 3 and 6.
    nan = np.nan
    assert set(found) == {f"{LEXICON_SHARE}_up", f"{LEXICON_SHARE}_down", "agreement_lexicon"}
    np.testing.assert_array_equal(found["share_lexicon_up"], [1, 1, 0, nan, nan, 1])
    np.testing.assert_array_equal(found["share_lexicon_down"], [0, 0, 1, nan, nan, 0])
    np.testing.assert_array_equal(found["agreement_lexicon"], [1, 0, 1, nan, nan, 1])


def test_a_text_without_a_classifiers_label_has_one_by_its_words():
    found = ground_truth_measures(TEXTS[:1], [None], LEXICON)
    assert (found["share_lexicon_up"], found["agreement_lexicon"]) == (1, 0)


def test_as_many_labels_as_texts_are_needed():
    with pytest.raises(ValueError, match="zip"):
        ground_truth_measures(TEXTS, ["up"], LEXICON)
