"""The text quality index (paper, section 3.5): a detector of gibberish classifies every sentence of an article."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, QUALITY
from bias_amplification.corpus.splits import PARTS, SHARES
from bias_amplification.corpus.words import bare_words
from bias_amplification.measures.corruption import CLASSES, MIN_WORDS, REPETITION, grade_sentences
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoder_training import (
    LabelledTexts,
    score_encoder,
    train_encoder,
    warn_of_fast_training,
)
from bias_amplification.measures.encoders import (
    known_labels,
    load_encoder,
    load_given_encoder,
    obtain_encoder,
    write_encoder,
)
from bias_amplification.measures.sentences import SPLITTERS
from bias_amplification.study.sections import JobCompute, Quality

#: Value of each class (paper, section 3.5). Without a class for repetition, endless loops are word salad, so both have
#: the same value.
VALUES = {"clean": 3.0, "mild_gibberish": 2.0, "word_salad": 1.0, REPETITION: 1.0, "noise": 0.0}

#: Shares of the real sentences that go into training, into the choice of the epoch, and into the test.
_SHARES = dict(zip(PARTS, SHARES, strict=True))

#: Largest number of validation and of test sentences. With so many, an F1 of .9 is known to about .01.
_MOST_TESTED = 2000

#: An ending that completes a sentence; a body that ends in another way may have been cut off.
_COMPLETE = (*".!?\"”'’)»…", *"。！？」』”）", *"؟۔।॥;·၊။։።។៕།༎")

#: Languages without a mark that ends a sentence.
_WITHOUT_ENDS = frozenset({"lo", "th"})


def train_quality_detector(
    articles: Path | str, out: Path | str, quality: Quality, language: str, seed: int, compute: JobCompute
) -> None:
    """Train a detector on graded corruptions of real sentences and test it, or test a published one.

    It is trained from fresh weights or from those of a pretrained encoder. A published detector is tested on the same
    test sentences that a trained one would be.

    Parameters
    ----------
    articles
        Real articles (`CLASSIFIER_ARTICLES`), none of which is in a seed set. Copies of an article are left out.
    out
        The folder that `write_encoder` writes.
    quality
        Its `detector`, `training`, `sentences` and `splitter`. A published detector is not trained; of `training` it
        uses `max_tokens`.
    seed
        Seed of the corruptions, of fresh weights and of the order.
    compute
        Where to compute.
    language
        Language of the articles, an ISO 639 code.

    Raises
    ------
    StudyError
        If the articles hold too few sentences, or if a published detector lacks a file or has other classes.
    """
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    detector, training, key = quality.detector, quality.training, "quality.detector"
    classes = detector.classes
    table = read_table(articles, CLASSIFIER_ARTICLES, ["title", "body", "copy"])
    table = table.filter(pc.equal(table["copy"], 0))
    sentences = real_sentences(table["title"].to_pylist(), table["body"].to_pylist(), quality.splitter, language)
    parts = graded_parts(sentences, quality.sentences, seed, language, classes)
    if detector.trained_by_run:
        warn_of_fast_training(detector, training, "quality.training")
        model = obtain_encoder(detector, parts["train"].texts, classes, training.max_tokens, seed, key)
        scores, timing = train_encoder(model, parts, training, seed, compute, checkpoint, "quality.training")
    else:
        model = load_given_encoder(detector, classes, key, detector.labels, training.max_tokens)
        scores, timing = score_encoder(model, parts, training.max_tokens, compute), {}
    write_encoder(model, out, {"detector": detector.hub_id or detector.source} | scores, timing)
    checkpoint.remove()


def real_sentences(titles: Sequence[str], bodies: Sequence[str], splitter: str, language: str = "en") -> list[str]:
    """Return the different sentences of real articles, including titles, in the order of their first occurrence.

    The last sentence of a body is left out if no punctuation ends it, because it may have been cut off. In Thai and Lao
    it stays: sentences there end without punctuation.
    """
    split = SPLITTERS[splitter]
    found: dict[str, None] = {}
    for title, body in zip(titles, bodies, strict=True):
        sentences = split(body, language)
        if sentences and language not in _WITHOUT_ENDS and not body.rstrip().endswith(_COMPLETE):
            sentences = sentences[:-1]
        found.update(dict.fromkeys([*split(title, language), *sentences]))
    return list(found)


def graded_parts(
    sentences: Sequence[str], count: int, seed: int, language: str = "en", classes: Sequence[str] = CLASSES
) -> dict[str, LabelledTexts]:
    """Make graded sentences for training, validation and test, each part from real sentences of its own.

    Parameters
    ----------
    sentences
        Real sentences, all different.
    count
        Training sentences over all classes. The other parts have proportionally many, at most 2,000 each.
    seed
        Seed of the division into parts and of the corruptions.
    language
        Language of the sentences.
    classes
        The detector's classes.

    Returns
    -------
    dict
        The sentences and their classes, for each of `PARTS`.

    Raises
    ------
    StudyError
        If a part has too few sentences to corrupt.
    """
    order = np.random.default_rng(seed).permutation(len(sentences))
    ends = np.round(np.cumsum(list(_SHARES.values())) * len(sentences)).astype(int)
    parts = {}
    for number, (part, chosen) in enumerate(zip(_SHARES, np.split(order, ends[:-1]), strict=True)):
        wanted = round(count * _SHARES[part] / _SHARES["train"])
        wanted = wanted if part == "train" else min(wanted, _MOST_TESTED)
        graded = grade_sentences([sentences[p] for p in chosen], wanted, seed + number, language, classes)
        parts[part] = LabelledTexts(*graded)
    return parts


def score_quality(
    detector: Path | str,
    articles: Path | str,
    out: Path | str,
    quality: Quality,
    language: str,
    compute: JobCompute,
) -> None:
    """Write the text quality of one version's articles.

    A sentence that occurs many times, for example because a model repeats itself, is classified once. A sentence
    without a letter or digit is noise. If the detector has a class for repetition, a sentence that the same text has
    written before is in this class (see `said_before`).

    Parameters
    ----------
    detector
        The folder that `train_quality_detector` has written.
    articles
        Articles that a model has written (`GENERATED_ARTICLES`). Only the model's text is scored, not the real title.
    out
        `QUALITY`, in the order of `articles`.
    quality
        Its `splitter` and `training.max_tokens`.
    compute
        Where to compute.
    language
        Language of the articles, an ISO 639 code.

    Raises
    ------
    StudyError
        If the detector or the articles are missing or damaged, or if a probability is no finite number.
    """
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    classes = known_labels(detector, tuple(VALUES))
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "text"])
    sentences = [SPLITTERS[quality.splitter](text, language) for text in table["text"].to_pylist()]
    position = {sentence: i for i, sentence in enumerate(dict.fromkeys(s for found in sentences for s in found))}
    probabilities = predict_probabilities(
        load_encoder(detector, classes, quality.training.max_tokens),
        list(position),
        quality.training.max_tokens,
        compute,
        checkpoint,
    )
    rows = []
    for article_id, found in zip(table["article_id"].to_pylist(), sentences, strict=True):
        own = probabilities[[position[sentence] for sentence in found]]
        rows.append({"article_id": article_id} | article_quality(with_rules(own, found, classes, language), classes))
    names = [name for name in QUALITY.names if name.removeprefix("share_") not in set(VALUES) - set(classes)]
    write_table(pa.Table.from_pylist(rows, QUALITY).select(names), out, QUALITY)
    checkpoint.remove()


def with_rules(
    probabilities: np.ndarray, sentences: Sequence[str], classes: Sequence[str], language: str = "en"
) -> np.ndarray:
    """Return the class probabilities of a text's sentences, after what rules decide instead of the detector.

    A sentence without a letter or digit is noise: the detector has not learned what a lone full stop is, since no
    corrupted sentence is so short. Of a detector that has the class, sentences that were said before are repetition.

    Parameters
    ----------
    probabilities
        Shape [sentences, classes].
    sentences
        The sentences of one text.
    classes
        The detector's classes.
    language
        Language of the text, an ISO 639 code.
    """
    certain = dict(zip(classes, np.eye(len(classes)), strict=True))
    decided = probabilities.copy()
    if REPETITION in classes:
        decided[said_before(sentences, language)] = certain[REPETITION]
    decided[[not any(map(str.isalnum, sentence)) for sentence in sentences]] = certain["noise"]
    return decided


def said_before(sentences: Sequence[str], language: str = "en") -> np.ndarray:
    """Return which sentences of a text have the words of an earlier one, in the same order; shape [sentences].

    Sentences of fewer than `MIN_WORDS` words, such as "He said so", may recur in a sound text and do not count.
    """
    known: set[tuple[str, ...]] = set()
    before = np.zeros(len(sentences), bool)
    for place, sentence in enumerate(sentences):
        words = tuple(bare_words(sentence, language))
        before[place] = len(words) >= MIN_WORDS and words in known
        known.add(words)
    return before


def article_quality(probabilities: np.ndarray, classes: Sequence[str] = CLASSES) -> dict[str, float | int | None]:
    """Return the quality of an article from the class probabilities of its sentences.

    Parameters
    ----------
    probabilities
        Shape [sentences, classes].
    classes
        The detector's classes, in the order of the columns.

    Returns
    -------
    dict
        The columns of `QUALITY` without the article's id, for these classes. `quality` is the mean value (0 to 3) of
        each sentence's most likely class, `quality_weighted` the mean of that value times the class's probability
        (published code). Both are None for an article without a sentence.
    """
    names, values = [f"share_{name}" for name in classes], np.array([VALUES[name] for name in classes])
    if not len(probabilities):
        return {"sentences": 0} | dict.fromkeys(["quality", "quality_weighted", *names])
    likeliest = probabilities.argmax(axis=1)
    shares = np.bincount(likeliest, minlength=len(classes)) / len(likeliest)
    return {
        "sentences": len(likeliest),
        "quality": float(values[likeliest].mean()),
        "quality_weighted": float((values[likeliest] * probabilities.max(axis=1)).mean()),
        **dict(zip(names, shares.tolist(), strict=True)),
    }
