"""Texts that have fallen apart: how much of a text repeats itself, and how much of it is copied.

A text is a list of words as n-grams are made of them (`corpus.words.bare_words`). All texts of a set are compared at
once: words become numbers, and n-grams become numbers of pairs of shorter n-grams.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bias_amplification.artifacts.schemas import DEGENERATE_KINDS
from bias_amplification.study.sections import Degeneration

#: Length of the n-grams by which stretches of text are the same, in words. Shorter ones recur by chance.
STRETCH = 8
#: How often in a row fewer words than `STRETCH` must stand to be a loop. Twice is an emphasis, or a slip.
_TIMES = 3


def repeated_shares(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return how much of each text repeats itself.

    A word is repeated if it is in a loop (up to seven words, such as "and the vote", three or more times in a row), or
    in eight successive words that the text has in two places or more.

    Parameters
    ----------
    texts
        Words of each text.

    Returns
    -------
    np.ndarray
        Share of repeated words, [texts], from 0 to 1; 0 for a text without words.
    """
    words, text = _numbered(texts)
    marked = _loops(words, text)
    grams, starts = _stretches(words, text)
    marked |= _covered(starts[pd.Series(_pair(text[starts], grams)).duplicated(keep=False)], len(words))
    return _shares(marked, text, len(texts))


def copied_shares(
    texts: Sequence[Sequence[str]], prompts: Sequence[Sequence[str]], training: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each text is copied from its own prompts, and from the texts that its model was trained on.

    A word is copied if it is in eight successive words that the source has too. A text of fewer words is not judged,
    because short phrases recur by chance.

    Parameters
    ----------
    texts
        Words of each text.
    prompts
        Words of the real article that each text continues, in the same order.
    training
        Words of the training texts, in any order; none if they are not known.

    Returns
    -------
    tuple of np.ndarray
        Share of words copied from the prompts, and from either, each [texts], from 0 to 1; 0 for a text of fewer than
        eight words.
    """
    count = len(texts)
    words, text = _numbered([*texts, *prompts, *training])
    grams, starts = _stretches(words, text)
    own, source = text[starts] < count, text[starts] - count
    in_prompt = np.isin(_pair(text[starts], grams)[own], _pair(source, grams)[(source >= 0) & (source < count)])
    in_training = np.isin(grams[own], grams[source >= count])
    size = int(np.searchsorted(text, count))
    shares = [
        _shares(_covered(starts[own][copied], size), text[:size], count)
        for copied in (in_prompt, in_prompt | in_training)
    ]
    return shares[0], shares[1]


def degenerate_kinds(
    words: np.ndarray, repeated: np.ndarray, copied: np.ndarray, degeneration: Degeneration
) -> dict[str, np.ndarray]:
    """Return which texts are degenerate, by kind.

    Parameters
    ----------
    words
        Number of words of each text, [texts].
    repeated, copied
        Shares of its words that are repeated and copied, [texts], from 0 to 1.
    degeneration
        `few_words`, and the largest shares `repeated` and `copied` of a text that is not degenerate.

    Returns
    -------
    dict
        For each of `schemas.DEGENERATE_KINDS`, whether each text is so, [texts]. No text is both empty and short; a
        text may be repetitive and copied.
    """
    found = (
        words == 0,
        (words > 0) & (words < degeneration.few_words),
        repeated > degeneration.repeated,
        copied > degeneration.copied,
    )
    return dict(zip(DEGENERATE_KINDS, found, strict=True))


def _numbered(texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each word of all texts in a row, and the text that each is in, both [words]."""
    words, _ = pd.factorize(np.array([word for text in texts for word in text], dtype=object))
    return words, np.repeat(np.arange(len(texts)), [len(text) for text in texts])


def _pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return one number for each pair of numbers; both at least 0, and [pairs]."""
    return first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second


def _stretches(words: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each n-gram of `STRETCH` words within a text, and where it starts, both [n-grams]."""
    grams, length = words, 1
    while length < STRETCH:
        # Numbered anew at each length, so that pairs of numbers stay far below 2^63.
        grams, _ = pd.factorize(_pair(grams[:-length], grams[length:]))
        length *= 2
    starts = np.flatnonzero(text[: len(grams)] == text[length - 1 :])
    return grams[starts], starts


def _loops(words: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Return which words are in a loop of fewer than `STRETCH` words, [words]."""
    marked = np.zeros(len(words), dtype=bool)
    for period in range(1, min(STRETCH, len(words))):
        same = (words[:-period] == words[period:]) & (text[:-period] == text[period:])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            if end - start >= (_TIMES - 1) * period:
                marked[start : end + period] = True
    return marked


def _covered(starts: np.ndarray, size: int) -> np.ndarray:
    """Return which of `size` words are in an n-gram of `STRETCH` words that starts at one of `starts`."""
    change = np.zeros(size + 1, dtype=np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + STRETCH, -1)
    return np.cumsum(change[:size]) > 0


def _shares(marked: np.ndarray, text: np.ndarray, count: int) -> np.ndarray:
    """Return the share of marked words in each of `count` texts."""
    words, found = np.bincount(text, minlength=count), np.bincount(text[marked], minlength=count)
    return found / np.maximum(words, 1)
