"""Words of texts in any language, counted and separated by ICU, which knows the scripts."""

import unicodedata

from icu4py.breakers import WordBreaker
from langcodes.data_dicts import MACROLANGUAGES

#: Languages whose words are not separated by spaces. Chinese languages such as Cantonese have codes of their own.
WITHOUT_SPACES = frozenset(
    {"bo", "dz", "ja", "km", "lo", "my", "th", "zh", *(code for code, macro in MACROLANGUAGES.items() if macro == "zh")}
)

#: Languages in which a zero-width space stands between words or shows where a line may be broken.
WITH_ZERO_WIDTH_SPACES = frozenset({"km", "lo", "my", "th"})

#: The language whose words are what stands between white space, as the embedded study has always counted them.
_ENGLISH = "en"


def count_words(text: str, language: str) -> int:
    """Count the words of a text.

    Parameters
    ----------
    text
        Any text.
    language
        ISO 639 code. In English, words are what stands between white space. In other languages they are ICU's words
        (UAX #29, with dictionaries for languages without spaces) that have a letter or digit.
    """
    if language == _ENGLISH:
        return len(text.split())
    return sum(_has_letter(piece) for piece in WordBreaker(text, language))


def split_words(text: str, language: str) -> list[str]:
    """Cut a text into words that `join_words` puts together again.

    In languages without spaces, a word includes the punctuation marks and the white space after it. So texts keep the
    few spaces that they have, for example between Latin words, and joining gives the text itself.
    """
    if language not in WITHOUT_SPACES:
        return text.split()
    words: list[str] = []
    for piece in WordBreaker(text, language):
        if words and not (_has_letter(piece) and _has_letter(words[-1])):
            words[-1] += piece
        else:
            words.append(piece)
    return words


def _has_letter(piece: str) -> bool:
    """Return whether a piece of a text has a letter or a digit, which makes it a word."""
    return any(map(str.isalnum, piece))


def join_words(words: list[str], language: str) -> str:
    """Join words as the language writes them: with a space, or with nothing between them."""
    return ("" if language in WITHOUT_SPACES else " ").join(words)


def only_words(text: str) -> str:
    """Return a text's letters, digits and vowel signs, with one space for whatever stands between them.

    Python's ``\\w`` lacks the signs that stand for vowels in Indic and other scripts. Without them, different words
    would be the same.
    """
    if text.isascii():
        return " ".join("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
    kept = (c if c.isalnum() or c == "_" or unicodedata.category(c)[0] == "M" else " " for c in text)
    return " ".join("".join(kept).split())


def bare_words(text: str, language: str) -> list[str]:
    """Return the words of a text as n-grams are made of them: without punctuation, in lower case.

    An apostrophe or a full stop inside a word divides it into two words. Underscores alone, as in a form, are no word.

    Parameters
    ----------
    text
        Any text.
    language
        ISO 639 code. In languages without spaces, words are found by a dictionary.
    """
    words = (word.strip() for word in split_words(only_words(text.casefold()), language))
    return [word for word in words if _has_letter(word)]
