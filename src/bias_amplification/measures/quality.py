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
from bias_amplification.measures.corruption import CLASSES, grade_sentences
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoder_training import LabelledTexts, score_encoder, train_encoder
from bias_amplification.measures.encoders import load_encoder, load_given_encoder, obtain_encoder, write_encoder
from bias_amplification.measures.sentences import SPLITTERS
from bias_amplification.study.sections import JobCompute, Quality

#: Value of each class of `CLASSES` (paper, section 3.5): clean 3, mild gibberish 2, word salad 1, noise 0.
VALUES = np.array([3.0, 2.0, 1.0, 0.0])

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

    A published detector is tested on the same test sentences that a trained one would be.

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
    table = read_table(articles, CLASSIFIER_ARTICLES, ["title", "body", "copy"])
    table = table.filter(pc.equal(table["copy"], 0))
    sentences = real_sentences(table["title"].to_pylist(), table["body"].to_pylist(), quality.splitter, language)
    parts = graded_parts(sentences, quality.sentences, seed, language)
    if detector.source == "scratch":
        model = obtain_encoder(detector, parts["train"].texts, CLASSES, training.max_tokens, seed, key)
        scores, timing = train_encoder(model, parts, training, seed, compute, checkpoint, "quality.training")
    else:
        model = load_given_encoder(detector, CLASSES, key, detector.labels, training.max_tokens)
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


def graded_parts(sentences: Sequence[str], count: int, seed: int, language: str = "en") -> dict[str, LabelledTexts]:
    """Make graded sentences for training, validation and test, each part from real sentences of its own.

    Parameters
    ----------
    sentences
        Real sentences, all different.
    count
        Training sentences over the four classes. The other parts have proportionally many, at most 2,000 each.
    seed
        Seed of the division into parts and of the corruptions.
    language
        Language of the sentences.

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
        parts[part] = LabelledTexts(*grade_sentences([sentences[p] for p in chosen], wanted, seed + number, language))
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
    without a letter or digit is noise.

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
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "text"])
    sentences = [SPLITTERS[quality.splitter](text, language) for text in table["text"].to_pylist()]
    position = {sentence: i for i, sentence in enumerate(dict.fromkeys(s for found in sentences for s in found))}
    probabilities = predict_probabilities(
        load_encoder(detector, CLASSES, quality.training.max_tokens),
        list(position),
        quality.training.max_tokens,
        compute,
        checkpoint,
    )
    # The detector has not learned what a lone full stop is, since no corrupted sentence is so short.
    wordless = [place for sentence, place in position.items() if not any(map(str.isalnum, sentence))]
    probabilities[wordless] = np.eye(len(CLASSES))[CLASSES.index("noise")]
    rows = [
        {"article_id": article_id} | article_quality(probabilities[[position[sentence] for sentence in found]])
        for article_id, found in zip(table["article_id"].to_pylist(), sentences, strict=True)
    ]
    write_table(pa.Table.from_pylist(rows, QUALITY), out, QUALITY)
    checkpoint.remove()


def article_quality(probabilities: np.ndarray) -> dict[str, float | int | None]:
    """Return the quality of an article from the class probabilities of its sentences.

    Parameters
    ----------
    probabilities
        Shape [sentences, 4], columns in the order of `CLASSES`.

    Returns
    -------
    dict
        The columns of `QUALITY` without the article's id. `quality` is the mean value (0 to 3) of each sentence's most
        likely class, `quality_weighted` the mean of that value times the class's probability (published code). Both
        are None for an article without a sentence.
    """
    names = [f"share_{name}" for name in CLASSES]
    if not len(probabilities):
        return {"sentences": 0} | dict.fromkeys(["quality", "quality_weighted", *names])
    likeliest = probabilities.argmax(axis=1)
    shares = np.bincount(likeliest, minlength=len(CLASSES)) / len(likeliest)
    return {
        "sentences": len(likeliest),
        "quality": float(VALUES[likeliest].mean()),
        "quality_weighted": float((VALUES[likeliest] * probabilities.max(axis=1)).mean()),
        **dict(zip(names, shares.tolist(), strict=True)),
    }
