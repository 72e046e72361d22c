import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from bias_amplification.artifacts.schemas.ground_truth import LEXICON_COLUMNS, LEXICON_SHARE
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


def test_shares_and_agreement_of_a_small_text_are_counted():
    row = ground_truth_measures(TEXTS, ["up", "down", "down", "up", "down", "up"], LEXICON)

    # Articles 1, 2, 3 and 6 have a label: up, up, down, up. The classifier agrees on articles 1, 3 and 6.
    assert row["articles_lexicon"] == 4
    for name, count in (("share_lexicon_up", 3), ("share_lexicon_down", 1), ("agreement_lexicon", 3)):
        assert row[name] == count / 4
        expected = proportion_confint(count, 4, method="wilson")
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(expected, abs=1e-12)
    # Wilson's interval of 3 of 4, by hand: (0.75 + z2/8 -+ z sqrt(0.75 0.25/4 + z2/64)) / (1 + z2/4), z2 = 3.8415.
    assert row["agreement_lexicon_low"] == pytest.approx(0.30064, abs=1e-5)
    assert row["agreement_lexicon_high"] == pytest.approx(0.95441, abs=1e-5)


def test_without_articles_that_have_a_label_shares_are_missing():
    row = ground_truth_measures(TEXTS[3:5], ["up", "down"], LEXICON)
    assert row.pop("articles_lexicon") == 0
    assert set(row.values()) == {None}


def test_columns_are_those_of_the_schema():
    row = ground_truth_measures(TEXTS, ["up"] * 6, LEXICON)
    shares = {f"{LEXICON_SHARE}_{label}{end}" for label in ("up", "down") for end in ("", "_low", "_high")}
    assert set(row) == shares | {field.name for field in LEXICON_COLUMNS}


def test_as_many_labels_as_texts_are_needed():
    with pytest.raises(ValueError, match="zip"):
        ground_truth_measures(TEXTS, ["up"], LEXICON)
