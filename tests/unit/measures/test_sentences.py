import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.measures.sentences import SPLITTERS, split_periods, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Sen. Ana Ruiz met Mr. J. K. Bolt on Nov. 8.", "He paid $3.5 million."],
        ["She lives in the U.S. Virgin Islands.", "The U.S. said no."],
        ["They left at 5 p.m.", "The hall was empty."],
        ['"It is over."', "She left."],
        ["“No,” he said.", "“Never!”", "(Then he left.)", "Nobody spoke."],
        ["Is it true?", "Yes!", "It is..."],
        ["He said no.", "5 people left.", "Bill No. 5 passed."],
        ["So am I.", "Bob is not."],
        ["Acme Inc. The firm closed."[:9], "The firm closed."],
        ["He was ill.", "Barbara was not."],
        ["R-Ky. Sen. Lee spoke vs. Dr. Roe."],
        ["it has no capitals. nor an end"],
    ],
)
def test_joined_sentences_are_split_again(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


def test_line_ends_end_sentences():
    assert split_sentences("A title without a stop\nA first. A second\n\n  \nThird") == [
        "A title without a stop",
        "A first.",
        "A second",
        "Third",
    ]


@given(st.text(alphabet=st.sampled_from("ab CD.?!\"”1)\n'"), max_size=60))
def test_no_character_is_lost(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


def test_the_published_splitter_cuts_at_every_period():
    assert split_periods("Sen. Ruiz paid 3.5. Why? Yes.") == ["Sen", "Ruiz paid 3", "5", "Why? Yes"]
    assert split_periods(" . . ") == []


def test_splitters_have_the_names_in_the_config():
    assert {"sentence": split_sentences, "period": split_periods} == SPLITTERS
