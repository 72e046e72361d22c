"""Which words and phrases of the press belong to one leaning, and how many of them a text has."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bias_amplification.corpus.press.resources import Press, load_press
from bias_amplification.corpus.press.slots import LABELS, SLOT

_WORD = re.compile(r"[^\W_]+")
#: Ends a phrase in the tree of phrases. No word is empty.
_END = ""
#: Lowest probability of a voice, so that its logarithm is finite.
_NEVER = 1e-9
#: Log-likelihoods that differ by less are regarded as equal.
_AS_LIKELY = 1e-9


@dataclass(frozen=True)
class Lexicon:
    """The markers of each label: words and phrases that the press writes in the voice of this label only."""

    labels: tuple[str, ...]
    """The study's labels."""
    markers: Mapping[str, str]
    """Label of each marker. A marker's words are in lower case and separated by spaces; `an` is written `a`."""
    voices: np.ndarray
    """Shape [labels, labels]: probability of each voice, among the voices of `labels`, in an article of each label."""

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The markers as nested dictionaries by word; the key "" holds the position of the label of a marker."""
        tree: dict[str, Any] = {}
        for marker, label in self.markers.items():
            node = tree
            for word in marker.split():
                node = node.setdefault(word, {})
            node[_END] = self.labels.index(label)
        return tree


def read_lexicon(resources: Path, labels: Sequence[str], label_map: Mapping[str, str | None]) -> Lexicon:
    """Derive the markers of each label from the resource files of the press.

    In the resource files, all texts under the key `left`, `center` or `right` are written in the voice of this label,
    and all other texts are shared. Candidates are the parts of the texts of one voice between their slots: whole words
    of words.yaml such as `working families`, and parts of sentences such as `this is what solidarity looks like`. A
    candidate becomes a marker if no shared text and no text of another label has it, even after a slot is filled.

    Parameters
    ----------
    resources
        The folder of the press's resource files.
    labels
        The study's labels.
    label_map
        `corpus.label_map`: the study's label for each label of the press. Labels of the press that it maps to one label
        share their markers; the texts of a label that it maps to None count as shared. Empty: the labels of the press
        are the study's.

    Returns
    -------
    Lexicon
        The markers, in alphabetical order, and the probabilities of voices (slant.yaml) at the mean strength and tilt.

    Raises
    ------
    StudyError
        If a resource file is missing or invalid.
    """
    press = load_press(resources)
    mapped = {label: label_map.get(label) if label_map else label for label in LABELS}
    texts = list(_texts(press))
    candidates = {" ".join(_words(part)) for voice, text in texts if voice for part in SLOT.split(text)[::2]} - {""}
    longest = max(len(phrase.split()) for phrase in candidates)
    writers: dict[str, set[str | None]] = {phrase: set() for phrase in candidates}
    for voice, text in {*texts, *_filled(press, texts)}:
        for part in SLOT.split(text)[::2]:
            words = _words(part)
            for first in range(len(words)):
                for last in range(first, min(first + longest, len(words))):
                    phrase = " ".join(words[first : last + 1])
                    if phrase in writers:
                        writers[phrase].add(mapped.get(voice))
    owned = ((phrase, *found) for phrase, found in sorted(writers.items()) if len(found) == 1)
    markers = {phrase: label for phrase, label in owned if label in labels}
    assigned = np.array([[mapped[own] == label for label in labels] for own in LABELS], dtype=np.float64)
    voices = assigned.T @ _voices(press.slant) @ assigned
    return Lexicon(tuple(labels), markers, voices / voices.sum(axis=1, keepdims=True))


def count_markers(texts: Iterable[str], lexicon: Lexicon) -> np.ndarray:
    """Count the markers of each label in each text.

    Markers are found from left to right, the longest one at each place. They do not overlap. Capitals and punctuation
    make no difference.

    Parameters
    ----------
    texts
        The texts.
    lexicon
        The markers.

    Returns
    -------
    np.ndarray
        Shape [texts, labels], whole numbers, with the labels in the order of the lexicon.
    """
    texts, tree = list(texts), lexicon.tree
    counts = np.zeros((len(texts), len(lexicon.labels)), dtype=np.int64)
    for row, text in zip(counts, texts, strict=True):
        words = _words(text)
        place = 0
        while place < len(words):
            node, after, end, found = tree, place, place + 1, None
            while after < len(words) and (node := node.get(words[after])) is not None:
                after += 1
                if _END in node:
                    end, found = after, node[_END]
            if found is not None:
                row[found] += 1
            place = end
    return counts


def lexicon_labels(counts: np.ndarray, lexicon: Lexicon) -> list[str | None]:
    """Return the most likely label of each text, given the voices of its markers.

    The voices of markers are regarded as independent draws, as the press draws them, and all labels as equally likely
    beforehand. A marker of a side says more than one of the center: articles of the center have few of each side, while
    articles of the sides have many of the center.

    Parameters
    ----------
    counts
        Shape [texts, labels]: markers of each label (`count_markers`).
    lexicon
        The probabilities of voices.

    Returns
    -------
    list
        A label of the lexicon; None if there are no markers or if two labels are equally likely.
    """
    likelihoods = counts @ np.log(np.maximum(lexicon.voices, _NEVER)).T
    best = likelihoods.max(axis=1, keepdims=True)
    single = (likelihoods > best - _AS_LIKELY).sum(axis=1) == 1
    return [
        lexicon.labels[place] if one else None for place, one in zip(likelihoods.argmax(axis=1), single, strict=True)
    ]


def _voices(slant: Mapping[str, Any]) -> np.ndarray:
    """Return the probability of each voice in an article of each label, [labels, voices], in the order of `LABELS`."""
    strength, tilt = (first / (first + second) for first, second in (slant["strength"], slant["tilt"]))
    side, center = (low + (high - low) * strength for low, high in (slant["own_voice"], slant["own_voice_center"]))
    middle = slant["rest_to_center"]
    left = side, (1 - side) * middle, (1 - side) * (1 - middle)
    return np.array([left, ((1 - center) * tilt, center, (1 - center) * (1 - tilt)), left[::-1]])


def _words(text: str) -> list[str]:
    """Cut a text into words in lower case. The press writes `an` for `a` before a vowel, so both are the same word."""
    return ["a" if word == "an" else word for word in _WORD.findall(text.lower())]


def _texts(press: Press) -> Iterator[tuple[str | None, str]]:
    """Yield all texts of the press that may have slots, each with its voice; None if all voices share it."""
    # All voices name both parties. Outlines are no texts.
    yield from ((None, name) for name in press.country["parties"].values())
    for part in (press.country, press.outlets, press.words, press.numbers, press.sentences, press.kinds, press.titles):
        yield from _strings(part)
    yield from _strings(press.topics)


def _strings(entry: Any, voice: str | None = None) -> Iterator[tuple[str | None, str]]:
    """Yield the strings of nested mappings and lists. A key that is a label is the voice of all that it holds."""
    if isinstance(entry, str):
        yield voice, entry
    elif isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _strings(value, key if key in LABELS else voice)
    elif isinstance(entry, list):
        for value in entry:
            yield from _strings(value, voice)


def _filled(press: Press, texts: Iterable[tuple[str | None, str]]) -> Iterator[tuple[str, str]]:
    """Yield each text once for each of its slots and each word for this slot, cut to the text around the slot."""
    slots = [
        press.words,
        *press.topics.values(),
        *(bill for topic in press.topics.values() for bill in topic["policies"]),
    ]
    options: dict[tuple[str, str], set[str]] = {}
    for entry in slots:
        for name, value in entry.items():
            for voice, word in _strings(value):
                for label in LABELS if voice is None else [voice]:
                    options.setdefault((label, name), set()).add(word)
    for voice, text in texts:
        parts = SLOT.split(text)
        for place in range(1, len(parts), 2):
            for label in LABELS if voice is None else [voice]:
                for word in options.get((label, parts[place]), ()):
                    yield label, f"{parts[place - 1]}{word}{parts[place + 1]}"
