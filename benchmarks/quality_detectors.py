"""Quality detectors, from fresh weights and from a pretrained encoder, beside each other on real sentences.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/quality_detectors.py --articles TABLE.parquet --encoder
FOLDER``. The table has the columns title and body. Two Markdown tables are written: the answers to held-out sentences
of each class, and the mean index of texts that are made by rules. docs/degenerate-texts.md has them.
"""

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoder_training import train_encoder
from bias_amplification.measures.encoders import TextClassifier, obtain_encoder
from bias_amplification.measures.quality import article_quality, graded_parts, real_sentences, with_rules
from bias_amplification.measures.sentences import split_sentences
from bias_amplification.study.sections import Detector, DetectorTraining, JobCompute, Quality

SEED = 1

#: Texts of each rule.
TEXTS = 60

#: Sentences of all five are tested. Detectors of four classes have to put repetition elsewhere.
ALL_CLASSES = Detector(repetition=True).classes


class Trained(NamedTuple):
    """A detector and how long its training took, in seconds."""

    model: TextClassifier
    quality: Quality
    seconds: float


def settings(encoder: Path, sentences: int, fewer: int) -> dict[str, Quality]:
    """Return the detectors that are compared, by name, with so many training sentences; the encoder has `fewer`."""
    small = {"layers": 2, "width": 128, "heads": 4, "vocabulary": 8000}
    fresh = DetectorTraining(epochs=2, learning_rate=1.0e-3)
    pretrained = DetectorTraining(epochs=2, learning_rate=5.0e-5)
    given = Detector(source="folder", path=str(encoder), train=True, repetition=True)
    return {
        "fresh, four classes": Quality(detector=Detector(**small), training=fresh, sentences=sentences),
        "fresh, five classes": Quality(
            detector=Detector(**small, repetition=True), training=fresh, sentences=sentences
        ),
        "pretrained, five classes": Quality(detector=given, training=pretrained, sentences=fewer),
    }


def train(quality: Quality, sentences: Sequence[str], compute: JobCompute) -> Trained:
    """Train a detector as the run does."""
    detector, most = quality.detector, quality.training.max_tokens
    parts = graded_parts(sentences, quality.sentences, SEED, "en", detector.classes)
    start = time.perf_counter()
    model = obtain_encoder(detector, parts["train"].texts, detector.classes, most, SEED, "quality.detector")
    train_encoder(model, parts, quality.training, SEED, compute)
    return Trained(model, quality, time.perf_counter() - start)


def answers(trained: Trained, sentences: Sequence[str], compute: JobCompute) -> dict[str, dict[str, float]]:
    """Return for each of all classes which share of its test sentences a detector puts into which class."""
    test = graded_parts(sentences, 10_000, SEED, "en", ALL_CLASSES)["test"]
    own = trained.quality.detector.classes
    found = predict_probabilities(trained.model, test.texts, trained.quality.training.max_tokens, compute).argmax(
        axis=1
    )
    truth = np.array(test.labels)
    return {
        name: {answer: float((found[truth == name] == place).mean()) for place, answer in enumerate(own)}
        for name in ALL_CLASSES
    }


Rule = Callable[[list[str], random.Random], str]


def again(sentences: Sequence[str], words: int, dice: random.Random, slip: bool = False) -> str:
    """Return about 100 words: successive words of a text, again and again, perhaps with one other word each time."""
    text = " ".join(sentences).split()
    start = dice.randrange(max(1, len(text) - words))
    looped, found = text[start : start + words], []
    while len(found) < 100:
        changed = list(looped)
        if slip:
            changed[dice.randrange(len(changed))] = dice.choice(text)
        found += changed
    return " ".join(found)


def shuffled(sentences: Sequence[str], dice: random.Random) -> str:
    """Return the sentences, each with its words in random order."""
    return " ".join(" ".join(dice.sample(words, len(words))) + "." for words in map(str.split, sentences))


#: Ways to make a text from eight successive sentences of a real article. None of these rules makes training sentences.
RULES: dict[str, Rule] = {
    "real articles": lambda s, d: " ".join(s),
    "the second sentence of each, eight times": lambda s, d: " ".join([s[1]] * 8),
    "two sentences of each, four times": lambda s, d: " ".join(s[1:3] * 4),
    "three words again and again": lambda s, d: again(s, 3, d),
    "seven words again and again": lambda s, d: again(s, 7, d),
    "seven words, with one other word each time": lambda s, d: again(s, 7, d, slip=True),
    "twenty words again and again": lambda s, d: again(s, 20, d),
    "the words of each sentence in random order": lambda s, d: shuffled(s, d),
}


def mean_index(trained: Trained, texts: Sequence[str], compute: JobCompute) -> tuple[float, float]:
    """Return the mean index of texts, and the share of their sentences that are called clean."""
    detector, most = trained.quality.detector, trained.quality.training.max_tokens
    rows = []
    for text in texts:
        sentences = split_sentences(text)
        probabilities = predict_probabilities(trained.model, sentences, most, compute)
        probabilities = with_rules(probabilities, sentences, detector.classes)
        rows.append(article_quality(probabilities, detector.classes))
    return float(np.mean([row["quality"] for row in rows])), float(np.mean([row["share_clean"] for row in rows]))


def report(detectors: Mapping[str, Trained], held_out: Sequence[list[str]], sentences: Sequence[str]) -> list[str]:
    """Return the lines of both tables."""
    compute = JobCompute(device="cpu", batch_tokens=4096)
    head = ["| Class | " + " | ".join(detectors) + " |", "|---" * (len(detectors) + 1) + "|"]
    found = [answers(one, sentences, compute) for one in detectors.values()]
    lines = list(head)
    for name in ALL_CLASSES:
        cells = [
            ", ".join(
                f"{100 * share:.0f} {answer}"
                for answer, share in sorted(own[name].items(), key=_most)
                if share >= 0.005
            )
            for own in found
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("| training, s | " + " | ".join(f"{one.seconds:.0f}" for one in detectors.values()) + " |")
    lines += ["", head[0].replace("Class", "Texts"), head[1]]
    for name, rule in RULES.items():
        dice = random.Random(SEED)
        texts = [rule(own, dice) for own in held_out]
        cells = ["{:.2f} ({:.0%} clean)".format(*mean_index(one, texts, compute)) for one in detectors.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _most(entry: tuple[str, float]) -> float:
    return -entry[1]


def main() -> None:
    """Read the articles, train the detectors, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--articles", type=Path, required=True, help="a Parquet file with the columns title and body")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of a pretrained encoder")
    parser.add_argument("--sentences", type=int, default=24_000, help="training sentences of fresh detectors")
    parser.add_argument("--fewer", type=int, default=6_000, help="training sentences of the pretrained encoder")
    given = parser.parse_args()
    rows = pq.read_table(given.articles, columns=["title", "body"]).to_pylist()
    random.Random(0).shuffle(rows)
    # The texts by rules are made of other articles than the sentences.
    texts = [own for row in rows[2000:] if len(own := split_sentences(row["body"] or "")[:8]) == 8][:TEXTS]
    sentences = real_sentences(
        [row["title"] or "" for row in rows[:2000]], [row["body"] for row in rows[:2000]], "sentence"
    )
    compute = JobCompute(device="cpu", batch_tokens=4096)
    ways = settings(given.encoder, given.sentences, given.fewer)
    print("\n".join(report({name: train(one, sentences, compute) for name, one in ways.items()}, texts, sentences)))


if __name__ == "__main__":
    main()
