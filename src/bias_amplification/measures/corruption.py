"""Graded corruptions of real sentences, on which the quality detector is trained.

The four classes are those of the published detector (paper, section 3.5): clean (the real sentence), mild gibberish
(broken grammar, repetitions), word salad (words in random order, endless loops) and noise (no words). A fifth class,
repetition, is optional. With it, phrases that are repeated and endless loops are in this class and in no other.
"""

import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.words import join_words, only_words, split_words
from bias_amplification.study.sections import Detector

#: The published detector's classes, best first.
CLASSES = Detector().classes

#: The optional class.
REPETITION = "repetition"

#: Fewest words of a sentence that is corrupted. A shorter one, such as "He said so", may be correct even if shuffled.
MIN_WORDS = 5

Words = list[str]

_FUNCTION_WORD_LIST = """
    a an and are as at be been but by can could did do does for from had has have he her him his if in into is it its
    may might more not of on or our she should so than that the their them then there these they this those to under up
    was we were what when which who will with would you
    """

_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())

_WRONG_FORMS = {
    "is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has", "does": "do", "do": "does",
    "he": "him", "she": "her", "they": "them", "we": "us", "his": "he", "their": "they", "its": "it", "a": "an",
    "an": "a", "this": "these", "these": "this", "that": "those", "will": "willed", "to": "of", "of": "to", "in": "at",
    "not": "no",
}  # fmt: skip

#: In languages without a list of function words, the most frequent words that make up this share of all words. The
#: English list makes up 34% of the embedded press, where 11 of the 15 most frequent words, 30% of all, are in the list.
_FREQUENT_SHARE = 0.3

#: Most words of a stretch that is repeated, so that three of them are within a detector's 64 tokens.
_LONGEST_REPEATED = 12

#: Fewest letters of a word that gets a wrong ending, and the number of letters that are exchanged.
_INFLECTED, _ENDING = 5, 2


class Wording(NamedTuple):
    """Parts of a language that corruptions need."""

    function_words: frozenset[str]
    """Small words, in lower case, without which a sentence is broken."""
    endings: Sequence[str] | None
    """Ends of words, which replace right ones; None: the wrong forms of English."""
    letters: Sequence[str]
    """Letters for words of noise."""


ENGLISH = Wording(_FUNCTION_WORDS, None, string.ascii_lowercase)


def wording(language: str, sentences: Sequence[Words]) -> Wording:
    """Return the parts of a language that corruptions need, for languages other than English from real sentences.

    Function words are the most frequent words. Endings are those of all longer words, so frequent ones occur often.

    Parameters
    ----------
    language
        ISO 639 code.
    sentences
        Real sentences in this language, cut into words.
    """
    if language == "en":
        return ENGLISH
    words = [only_words(word.lower()) for sentence in sentences for word in sentence]
    frequent: set[str] = set()
    covered = 0
    for word, count in Counter(words).most_common():
        covered += count
        if count < 2 or covered > _FREQUENT_SHARE * len(words):
            break
        frequent.add(word)
    endings = [word[-_ENDING:] for word in words if len(word) >= _INFLECTED and " " not in word]
    letters = sorted({letter for word in words for letter in word if letter.isalpha()})
    return Wording(frozenset(frequent - {""}), endings, letters or string.ascii_lowercase)


def drop_function_words(words: Words, generator: np.random.Generator, known: Wording = ENGLISH) -> Words:
    """Leave out most articles, prepositions, auxiliaries and pronouns."""
    return [word for word in words if not _is_function_word(word, known) or generator.random() < 0.15]


def _is_function_word(word: str, known: Wording) -> bool:
    # English words with a comma or a period are not taken for function words.
    return (word.lower() if known is ENGLISH else only_words(word.lower())) in known.function_words


def swap_neighbours(words: Words, generator: np.random.Generator) -> Words:
    """Exchange about a third of the words with the next word; keep the first and last word of long sentences."""
    words = list(words)
    swaps = max(2, round(len(words) / 3))
    first, last = (1, len(words) - 2) if len(words) > 4 else (0, len(words) - 1)
    for position in generator.integers(first, max(last, first + 1), swaps):
        words[position : position + 2] = words[position : position + 2][::-1]
    return words


def break_agreement(words: Words, generator: np.random.Generator, known: Wording = ENGLISH) -> Words:
    """Replace words by wrong forms: number, case, preposition, ending.

    In other languages than English, half of the longer words get the ending of another word.
    """
    if known.endings is not None:
        return [
            word[:-_ENDING] + known.endings[int(generator.integers(len(known.endings)))]
            if known.endings and len(word) >= _INFLECTED and only_words(word) == word and generator.random() < 0.5
            else word
            for word in words
        ]
    broken = []
    for word in words:
        if word.lower() in _WRONG_FORMS:
            word = _WRONG_FORMS[word.lower()] if generator.random() < 0.85 else word
        elif word.isalpha() and word.islower() and len(word) > 4 and generator.random() < 0.5:
            for ending, wrong in (("ing", ""), ("ed", ""), ("s", ""), ("", generator.choice(["s", "ing", "ed"]))):
                if word.endswith(ending):
                    word = word.removesuffix(ending) + str(wrong)
                    break
        broken.append(word)
    return broken


def repeat_words(words: Words, generator: np.random.Generator) -> Words:
    """Repeat two to five words."""
    chosen = set(generator.integers(0, len(words), int(generator.integers(2, 6))).tolist())
    return [word for position, word in enumerate(words) for word in [word] * (2 if position in chosen else 1)]


def repeat_phrase(words: Words, generator: np.random.Generator) -> Words:
    """Repeat a phrase, of two words up to the whole sentence, two or three times."""
    length = len(words) if generator.random() < 0.25 else int(generator.integers(2, max(3, len(words))))
    start = int(generator.integers(0, len(words) - length + 1))
    times = int(generator.integers(2, 4))
    return words[:start] + words[start : start + length] * times + words[start + length :]


def truncate(words: Words, generator: np.random.Generator, known: Wording = ENGLISH) -> Words:
    """Cut the sentence off, if possible after a function word, which needs another word after it."""
    dangling = [p for p in range(2, len(words) - 1) if _is_function_word(words[p], known)]
    end = int(generator.choice(dangling)) if dangling else int(generator.integers(2, len(words) - 1))
    return words[: end + 1]


def splice(words: Words, generator: np.random.Generator, donor: Words) -> Words:
    """Join a beginning of the sentence to an end of another one, as models do when they continue a cut text."""
    beginning = words[: int(generator.integers(2, len(words) - 1))]
    return beginning + donor[int(generator.integers(1, len(donor) - 1)) :]


def shuffle(words: Words, generator: np.random.Generator) -> Words:
    """Put the words in random order."""
    return [words[position] for position in generator.permutation(len(words))]


def draw_words(words: Words, generator: np.random.Generator, donors: Sequence[Words]) -> Words:
    """Draw as many words as the sentence has, each from a randomly drawn sentence."""
    drawn = (donors[int(generator.integers(len(donors)))] for _ in words)
    return [donor[int(generator.integers(len(donor)))] for donor in drawn]


def loop(words: Words, generator: np.random.Generator) -> Words:
    """Repeat one to five words many times, after the sentence's beginning or without it."""
    length = int(generator.integers(1, min(6, len(words))))
    start = int(generator.integers(0, len(words) - length))
    times = max(4, int(generator.integers(12, 50)) // length)
    beginning = words[:start] if generator.random() < 0.5 else []
    return beginning + words[start : start + length] * times


def repeat_again(words: Words, generator: np.random.Generator, donor: Words) -> Words:
    """Repeat three words or more at least three times, after the sentence's beginning or without it.

    In half of the cases one word is another one each time, as in "the man in the hat, the man in the car, the man in".
    """
    length = int(generator.integers(3, min(_LONGEST_REPEATED, len(words) - 1) + 1))
    start = int(generator.integers(0, len(words) - length))
    stretch, changed = words[start : start + length], int(generator.integers(length))
    changes = generator.random() < 0.5
    repeated = words[:start] if generator.random() < 0.5 else []
    for _ in range(int(generator.integers(3, max(4, 50 // length)))):
        other = donor[int(generator.integers(len(donor)))] if changes else stretch[changed]
        repeated = [*repeated, *stretch[:changed], other, *stretch[changed + 1 :]]
    return repeated


def make_repetition(words: Words, generator: np.random.Generator, donors: Sequence[Words]) -> Words:
    """Repeat a few words endlessly, or a longer stretch several times."""
    if generator.random() < 0.4:
        return loop(words, generator)
    return repeat_again(words, generator, donors[int(generator.integers(len(donors)))])


def make_noise(words: Words, generator: np.random.Generator, known: Wording = ENGLISH) -> Words:
    """Write characters without words, about as many as the sentence has."""
    length = max(4, min(200, len(" ".join(words))))
    kind = int(generator.integers(5))
    # A word of noise has about nine letters in any alphabet.
    spaces = " " * max(3, len(known.letters) // 9)
    if kind == 0:  # random letters
        text = "".join(generator.choice([*known.letters, *spaces], length))
    elif kind == 1:  # random printable characters
        text = "".join(generator.choice(list(string.printable[:94] + "     "), length))
    elif kind == 2:  # the sentence's own characters, shuffled
        text = "".join(generator.permutation(list(" ".join(words))))
    elif kind == 3:  # one or two characters, repeated
        text = "".join(generator.choice([*known.letters, *string.punctuation], 2)) * (length // 2)
    else:  # as from a broken encoding
        text = "".join(chr(int(code)) for code in generator.integers(0xA1, 0x24F, length))
    return text.split()


def make_mild(
    words: Words,
    generator: np.random.Generator,
    donors: Sequence[Words],
    known: Wording = ENGLISH,
    repeats: bool = True,
) -> Words:
    """Apply two or three corruptions that leave the meaning recognisable; `repeats`: a repeated phrase may be one."""
    donor = donors[int(generator.integers(len(donors)))]
    operations: list[Callable[[Words], Words]] = [
        lambda w: drop_function_words(w, generator, known),
        lambda w: swap_neighbours(w, generator),
        lambda w: break_agreement(w, generator, known),
        lambda w: repeat_words(w, generator),
        lambda w: truncate(w, generator, known),
        lambda w: splice(w, generator, donor),
    ]
    operations[4:4] = [lambda w: repeat_phrase(w, generator)] * (2 * repeats)
    result = words
    for choice in generator.permutation(len(operations))[: int(generator.integers(2, 4))]:
        if len(result) >= MIN_WORDS:
            result = operations[choice](result)
    return result if result and result != words else (repeat_phrase if repeats else repeat_words)(words, generator)


def make_salad(words: Words, generator: np.random.Generator, donors: Sequence[Words], repeats: bool = True) -> Words:
    """Shuffle the words, draw words from other sentences, or, with `repeats`, repeat words endlessly."""
    kind = int(generator.integers(2 + repeats))
    if kind == 0:
        return shuffle(words, generator)
    return draw_words(words, generator, donors) if kind == 1 else loop(words, generator)


def grade_sentences(
    sentences: Sequence[str], count: int, seed: int, language: str = "en", classes: Sequence[str] = CLASSES
) -> tuple[list[str], list[str]]:
    """Make equally many sentences of each class from real sentences.

    Parameters
    ----------
    sentences
        Real sentences. Only those of at least `MIN_WORDS` words are corrupted.
    count
        Number of sentences to make, rounded down to a multiple of the number of classes.
    seed
        Seed of every choice.
    language
        ISO 639 code, which decides how a sentence is cut into words. Function words, endings and letters of languages
        other than English are taken from the sentences (see `wording`).
    classes
        `CLASSES`, or these and `REPETITION`: the classes of a `Detector`.

    Returns
    -------
    texts : list[str]
        The classes in turn.
    graded : list[str]
        The class of each text.

    Raises
    ------
    StudyError
        If fewer than four sentences are long enough.
    """
    generator = np.random.default_rng(seed)
    donors = [words for words in (split_words(sentence, language) for sentence in sentences) if len(words) >= MIN_WORDS]
    if len(donors) < 4:
        raise StudyError(
            f"The articles have {len(donors)} sentences of {MIN_WORDS} or more words, but the quality detector needs "
            "at least 4: provide more articles."
        )
    known, repeats = wording(language, donors), REPETITION not in classes
    makers: dict[str, Callable[[Words], Words]] = {
        "mild_gibberish": lambda words: make_mild(words, generator, donors, known, repeats),
        "word_salad": lambda words: make_salad(words, generator, donors, repeats),
        REPETITION: lambda words: make_repetition(words, generator, donors),
        "noise": lambda words: make_noise(words, generator, known),
    }
    texts, graded = [], []
    for _ in range(count // len(classes)):
        texts.append(sentences[int(generator.integers(len(sentences)))])
        chosen = generator.integers(0, len(donors), len(classes) - 1)
        for name, place in zip(classes[1:], chosen, strict=True):
            texts.append(join_words(makers[name](donors[int(place)]), language))
        graded += classes
    return texts, graded
