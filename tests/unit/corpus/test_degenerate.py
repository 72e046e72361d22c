"""Repetition and copying. The right shares were counted by hand, or by a plain loop over all n-grams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.corpus.degenerate import STRETCH, copied_shares, repeated_shares

FAR = [f"w{place}" for place in range(200)]


def repeated(text: str) -> float:
    return float(repeated_shares([text.split()])[0])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("no", 0.0),
        ("no no", 0.0),
        ("no no no", 1.0),
        ("they said no no no again", 0.5),
        # Twice is no loop, three times are.
        ("and the vote and the vote was late", 0.0),
        ("and the vote and the vote and the vote was", 0.9),
        # A loop that ends within its words.
        ("a b c a b c a b c a b d e f", 11 / 14),
        # Eight words in two places, however far; seven are not enough.
        (" ".join(FAR[:8] + FAR[100:116] + FAR[:8]), 0.5),
        (" ".join(FAR[:7] + FAR[100:116] + FAR[:7]), 0.0),
    ],
)
def test_share_of_repeated_words(text, share):
    assert repeated(text) == pytest.approx(share, abs=1e-12)


def test_texts_do_not_touch_each_other():
    # The same words in two texts repeat nothing, nor does a loop over the end of a text.
    assert repeated_shares([FAR[:20], FAR[:20], ["no", "no"], ["no", "no"], []]).tolist() == [0.0] * 5


def test_share_of_copied_words():
    prompt, training = FAR[:50], [FAR[100:150], FAR[150:200]]
    texts = [
        FAR[10:20] + FAR[60:70],
        FAR[100:110] + FAR[60:70],
        FAR[10:20] + FAR[160:170],
        FAR[60:80],
        # Seven words are not enough, and a text of seven words is not judged.
        FAR[0:7] + FAR[60:70],
        FAR[0:7],
        [],
    ]

    from_prompt, copied = copied_shares(texts, [prompt] * len(texts), training)

    assert from_prompt.tolist() == [0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert copied.tolist() == [0.5, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_only_its_own_prompt_counts_as_the_prompt():
    from_prompt, copied = copied_shares([FAR[:20], FAR[20:40]], [FAR[20:60], FAR[20:60]], [])
    assert from_prompt.tolist() == copied.tolist() == [0.0, 1.0]


def slowly(text: list[str], sources: list[list[str]]) -> float:
    """Return the share of copied words by a plain loop over all stretches."""
    known = {tuple(words[k : k + STRETCH]) for words in sources for k in range(len(words) - STRETCH + 1)}
    marked = set()
    for k in range(len(text) - STRETCH + 1):
        if tuple(text[k : k + STRETCH]) in known:
            marked |= set(range(k, k + STRETCH))
    return len(marked) / max(1, len(text))


def slowly_repeated(text: list[str]) -> float:
    """Return the share of repeated words by plain loops over all stretches and all loops."""
    marked, size = set(), len(text)
    stretches = [tuple(text[k : k + STRETCH]) for k in range(size - STRETCH + 1)]
    for k, own in enumerate(stretches):
        if stretches.count(own) > 1:
            marked |= set(range(k, k + STRETCH))
    for period in range(1, STRETCH):
        for k in range(size - 3 * period + 1):
            if text[k : k + period] == text[k + period : k + 2 * period] == text[k + 2 * period : k + 3 * period]:
                marked |= set(range(k, k + 3 * period))
    return len(marked) / max(1, size)


word_lists = st.lists(st.lists(st.sampled_from("abc"), max_size=40), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(word_lists, word_lists)
def test_shares_equal_those_of_plain_loops(texts, training):
    prompts = [text[::-1] for text in texts]

    from_prompt, copied = copied_shares(texts, prompts, training)

    np.testing.assert_allclose(repeated_shares(texts), [slowly_repeated(text) for text in texts], atol=1e-12)
    expected = [slowly(text, [prompt]) for text, prompt in zip(texts, prompts, strict=True)]
    np.testing.assert_allclose(from_prompt, expected, atol=1e-12)
    expected = [slowly(text, [prompt, *training]) for text, prompt in zip(texts, prompts, strict=True)]
    np.testing.assert_allclose(copied, expected, atol=1e-12)
