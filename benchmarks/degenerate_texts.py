"""Detection of repetitive and copied texts among 200 texts that are made by rules, so that the right answer is known.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/degenerate_texts.py [--articles TABLE.parquet]``. It writes a
Markdown table; docs/degenerate-texts.md has it. The material is the embedded press, or real articles from a table with
the column `body`.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from bias_amplification import RESOURCES
from bias_amplification.corpus.degenerate import copied_shares, degenerate_kinds, repeated_shares
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.corpus.words import bare_words
from bias_amplification.study.sections import Degeneration

TEXTS = 200


class Material(NamedTuple):
    """What a text is made from, as lists of words."""

    own: list[str]
    """An article that is in no source."""
    prompt: list[str]
    training: list[list[str]]


def stretch(words: Sequence[str], length: int, dice: random.Random) -> list[str]:
    """Return successive words from a random place."""
    start = dice.randrange(max(1, len(words) - length))
    return list(words[start : start + length])


def loop(material: Material, dice: random.Random, unit: int, share: float, slip: bool = False) -> list[str]:
    """Return some words of the article, and then a few words again and again, for a share of the text."""
    length = dice.randrange(60, 140)
    looped, words = stretch(material.own, unit, dice), []
    while len(words) < share * length:
        again = list(looped)
        if slip:
            again[dice.randrange(unit)] = dice.choice(material.own)
        words += again
    return stretch(material.own, round((1 - share) * length), dice) + words


def copy(material: Material, dice: random.Random, source: Sequence[str], share: float, every: int = 0) -> list[str]:
    """Return a text of which a share is a stretch of a source; `every` so many words of it, one is replaced."""
    length = dice.randrange(60, 140)
    copied = stretch(source, round(share * length), dice)
    for place in range(every - 1, len(copied), every) if every else ():
        copied[place] = dice.choice(material.own)
    rest = stretch(material.own, round((1 - share) * length), dice)
    return rest[: len(rest) // 2] + copied + rest[len(rest) // 2 :]


def mosaic(material: Material, dice: random.Random) -> list[str]:
    """Return stretches of 15 words from six training texts, one after the other."""
    return [word for text in dice.sample(material.training, 6) for word in stretch(text, 15, dice)]


Rule = Callable[[Material, random.Random], list[str]]

#: Rules by name, with the right answer: "repetitive", "copied" or "sound".
RULES: dict[str, tuple[str, Rule]] = {
    "one word again and again": ("repetitive", lambda m, d: loop(m, d, 1, d.uniform(0.6, 1))),
    "three words again and again": ("repetitive", lambda m, d: loop(m, d, 3, d.uniform(0.6, 1))),
    "seven words again and again": ("repetitive", lambda m, d: loop(m, d, 7, d.uniform(0.6, 1))),
    "a sentence again and again": ("repetitive", lambda m, d: loop(m, d, 14, d.uniform(0.6, 1))),
    "forty words twice": ("repetitive", lambda m, d: 2 * stretch(m.own, 40, d)),
    "twenty words again, with one other word each time": ("repetitive", lambda m, d: loop(m, d, 20, 0.9, slip=True)),
    "six words again, with one other word each time": ("repetitive", lambda m, d: loop(m, d, 6, 0.9, slip=True)),
    "60 to 100% from the prompt": ("copied", lambda m, d: copy(m, d, m.prompt, d.uniform(0.6, 1))),
    "60 to 100% from a training text": ("copied", lambda m, d: copy(m, d, d.choice(m.training), d.uniform(0.6, 1))),
    "six stretches of 15 words": ("copied", mosaic),
    "a training text, every 12th word replaced": ("copied", lambda m, d: copy(m, d, d.choice(m.training), 1, 12)),
    "a training text, every 7th word replaced": ("copied", lambda m, d: copy(m, d, d.choice(m.training), 1, 7)),
    "another article": ("sound", lambda m, d: stretch(m.own, d.randrange(60, 140), d)),
    "20 to 40% a loop of three words": ("sound", lambda m, d: loop(m, d, 3, d.uniform(0.2, 0.4))),
    "20 to 40% a sentence again and again": ("sound", lambda m, d: loop(m, d, 14, d.uniform(0.2, 0.4))),
    "20 to 40% from the prompt": ("sound", lambda m, d: copy(m, d, m.prompt, d.uniform(0.2, 0.4))),
    "the prompt's words in another order": ("sound", lambda m, d: d.sample(m.prompt, min(100, len(m.prompt)))),
    "sentences that begin with the same five words": (
        "sound",
        lambda m, d: [word for _ in range(6) for word in (*m.own[:5], *stretch(m.own, 15, d))],
    ),
}


def make_texts(articles: Sequence[list[str]], seed: int) -> list[tuple[str, list[str], list[str]]]:
    """Return the rule, the words and the prompt of each of 200 texts; the last 60 articles are the training texts."""
    dice, training = random.Random(seed), list(articles[-60:])
    own = articles[:-60]
    made = []
    for place in range(TEXTS):
        name = list(RULES)[place % len(RULES)]
        material = Material(own[2 * place], own[2 * place + 1], training)
        made.append((name, RULES[name][1](material, dice), material.prompt))
    return made


def found(made: Sequence[tuple[str, list[str], list[str]]], training: Sequence[list[str]]) -> dict[str, np.ndarray]:
    """Return which texts are found to be repetitive and copied, [texts], by the default settings."""
    texts = [words for _, words, _ in made]
    _, copied = copied_shares(texts, [prompt for _, _, prompt in made], training)
    words = np.array([len(text) for text in texts])
    return degenerate_kinds(words, repeated_shares(texts), copied, Degeneration())


def table(articles: Sequence[list[str]], seed: int = 1) -> list[str]:
    """Return the lines of a Markdown table: each rule with the share of its texts that is found to be of each kind."""
    made = make_texts(articles, seed)
    kinds = found(made, articles[-60:])
    names = np.array([name for name, _, _ in made])
    right = np.array([RULES[name][0] for name in names])
    lines = ["| Rule | Right answer | Texts | Found repetitive | Found copied |", "|---|---|---|---|---|"]
    for name, (answer, _) in RULES.items():
        own = names == name
        shares = [f"{100 * kinds[kind][own].mean():.0f}%" for kind in ("repetitive", "copied")]
        lines.append(f"| {name} | {answer} | {own.sum()} | {' | '.join(shares)} |")
    for kind in ("repetitive", "copied"):
        hits = (kinds[kind] & (right == kind)).sum()
        lines.append(f"{kind}: precision {hits / kinds[kind].sum():.3f}, recall {hits / (right == kind).sum():.3f}")
    return lines


def main() -> None:
    """Read or write the material, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--articles", type=Path, help="a Parquet file with the column body")
    given = parser.parse_args()
    bodies = (
        pq.read_table(given.articles, columns=["body"])["body"].to_pylist()
        if given.articles
        else [row["body"] for row in write_press(400, 1, RESOURCES / "press").to_pylist()]
    )
    different = list(dict.fromkeys(bodies))
    random.Random(0).shuffle(different)
    words = [own for body in different if len(own := bare_words(body, "en")) >= 140]
    print("\n".join(table(words[: 2 * TEXTS + 60])))


if __name__ == "__main__":
    main()
