"""The study's own word for one of its texts: article, post, review.

Captions, axes and tables are written about articles, the paper's texts. `with_unit` puts the study's word in.
"""

import re

#: The word, with an indefinite article before it. In names such as news-articles.csv it stays.
_ARTICLE = re.compile(r"(?<![\w./-])(?:([Aa])n )?([Aa])rticle(s?)(?![\w/]|[.-]\w)")
#: Words that are written with a vowel and spoken with a consonant at their start.
_SPOKEN_WITH_CONSONANT = re.compile(r"eu|one|u(?:s[ei]|t[ei]|ni(?!n))", re.IGNORECASE)


def plural(noun: str) -> str:
    """Return the plural of an English noun by the regular rules: posts, stories, speeches."""
    if re.search(r"[^aeiou]y$", noun, re.IGNORECASE):
        return f"{noun[:-1]}ies"
    if noun.endswith("sis"):
        return f"{noun[:-2]}es"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def with_unit(text: str, unit: str) -> str:
    """Return a text about articles with the study's word for them.

    Parameters
    ----------
    text
        An English text. Put names into it afterwards: a label or a round may be called article.
    unit
        The word, in the singular (`corpus.unit`).
    """

    def replace(match: re.Match[str]) -> str:
        before, first, many = match.groups()
        word = plural(unit) if many else unit
        if first.isupper():
            word = word[0].upper() + word[1:]
        if before:
            vowel = word[0].lower() in "aeiou" and not _SPOKEN_WITH_CONSONANT.match(word)
            word = f"{before}{'n' if vowel else ''} {word}"
        return word

    return _ARTICLE.sub(replace, text)
