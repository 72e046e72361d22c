"""The leaning classifier (paper, section 3.4): its training, and the classification of articles that models wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, predictions
from bias_amplification.corpus.articles import article_text
from bias_amplification.corpus.splits import PARTS
from bias_amplification.corpus.words import bare_words
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoder_training import (
    LabelledTexts,
    score_encoder,
    train_encoder,
    warn_of_fast_training,
)
from bias_amplification.measures.encoders import load_encoder, load_given_encoder, obtain_encoder, write_encoder
from bias_amplification.study.sections import Candidate, Classifier, Degeneration, JobCompute, Split


class SplitArticles(NamedTuple):
    """Labelled articles and the split that divides them into training, validation and test articles.

    Attributes
    ----------
    path
        The classifier's articles (`CLASSIFIER_ARTICLES`).
    split
        Articles that this split puts into no part are left out.
    labels
        The study's labels.
    """

    path: Path | str
    split: Literal["random", Split]
    labels: Sequence[str]


def classifier_text(title: str, body: str, *, remove_quotes: bool) -> str:
    """Return the text of an article as the classifier reads it, with or without its double quotes."""
    text = article_text(title, body)
    return text.replace('"', "").replace("“", "").replace("”", "") if remove_quotes else text


def classified_texts(articles: pa.Table, classifier: Classifier) -> list[str]:
    """Return the texts of a version's articles, or of a seed set, as the classifier reads them.

    Parameters
    ----------
    articles
        Rows of `GENERATED_ARTICLES` or `ARTICLES`, with at least the columns `title`, `head` and `text`, or `title` and
        `body`.
    classifier
        Its `remove_quotes`, and its `text`: whether the title and the head, which are real, are read before the text
        that the model wrote.
    """
    with_real = classifier.text == "title_and_text"
    return [
        classifier_text(
            row["title"] if with_real else "",
            (row.get("head", "") if with_real else "") + row.get("text", row.get("body")),
            remove_quotes=classifier.remove_quotes,
        )
        for row in articles.to_pylist()
    ]


def train_leaning_classifier(
    articles: SplitArticles,
    out: Path | str,
    candidate: Candidate,
    classifier: Classifier,
    seed: int,
    compute: JobCompute,
) -> None:
    """Train and test one candidate on one split, and write its folder.

    A candidate that was trained elsewhere (`train: false`) is only tested.

    Parameters
    ----------
    articles
        Labelled articles and their split.
    out
        The folder that `write_encoder` writes.
    candidate
        The candidate.
    classifier
        Its `training` and `remove_quotes`, and `resample_first` if the split is the random one.
    seed
        Seed of fresh weights, order and dropout.
    compute
        Where to compute.

    Raises
    ------
    StudyError
        If a part of the split has no article of a label, if the candidate cannot be loaded, or if an article or an
        untrained candidate has a label that is not one of the study's labels.
    """
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    parts = _read_parts(articles, classifier)
    key, max_tokens = f"classifier.candidates {candidate.name}", classifier.training.max_tokens
    if candidate.train:
        warn_of_fast_training(candidate, classifier.training, "classifier.training")
        model = obtain_encoder(candidate, parts["train"].texts, articles.labels, max_tokens, seed, key)
        scores, timing = train_encoder(
            model, parts, classifier.training, seed, compute, checkpoint, "classifier.training"
        )
    else:
        model = load_given_encoder(candidate, articles.labels, key, candidate.labels, max_tokens)
        scores, timing = score_encoder(model, parts, max_tokens, compute), {}
    about = {"candidate": candidate.name, "model": candidate.hub_id or candidate.name, "split": articles.split}
    write_encoder(model, out, about | scores, timing)
    checkpoint.remove()


def _read_parts(articles: SplitArticles, classifier: Classifier) -> dict[str, LabelledTexts]:
    """Return the texts and labels of each part of the split."""
    path, split, labels = articles
    column = f"split_{split}"
    rows = read_table(path, CLASSIFIER_ARTICLES, ["title", "body", "label", "copy", column]).to_pylist()
    unknown = sorted({row["label"] for row in rows} - set(labels))
    if unknown:
        raise StudyError(f"{path} has articles labelled {unknown[0]!r}, which corpus.labels lacks: add it or map it.")
    # Copies of an article balance the labels in training. Each article is tested once, except in the random split
    # with the paper's order of resampling.
    test_copies = split == "random" and classifier.resample_first
    parts = {}
    for part in PARTS:
        chosen = [row for row in rows if row[column] == part and (test_copies or part == "train" or row["copy"] == 0)]
        missing = sorted(set(labels) - {row["label"] for row in chosen})
        if missing:
            remedy = "delete it and run snakemake again"
            if split != "random":
                remedy = f"use more articles, or leave {split} out of classifier.splits"
            raise StudyError(
                f"{path} has no article labelled {missing[0]!r} in the {part} part of the {split} split: {remedy}."
            )
        quotes = classifier.remove_quotes
        texts = [classifier_text(row["title"], row["body"], remove_quotes=quotes) for row in chosen]
        parts[part] = LabelledTexts(texts, [row["label"] for row in chosen])
    return parts


def classify_articles(
    articles: Path | str,
    out: Mapping[str, Path | str],
    classifier: Classifier,
    degeneration: Degeneration,
    labels: Sequence[str],
    language: str,
    compute: JobCompute,
) -> None:
    """Write the label probabilities of one version's articles, by one classifier or several.

    A text that is too short has no label: a classifier gives a label to nothing, too, and always the same one.

    Parameters
    ----------
    articles
        Articles that a model has written (`GENERATED_ARTICLES`).
    out
        From the folder of a classifier to the file that it makes: `schemas.predictions(labels)`, in the order of
        `articles`.
    classifier
        Its `text`, `remove_quotes` and `max_tokens` (None: `training.max_tokens`).
    degeneration
        Its `labels` and `few_words`, which say which texts are too short.
    labels
        The study's labels.
    language
        Language of the articles, an ISO 639 code.
    compute
        Where to compute.

    Raises
    ------
    StudyError
        If a classifier's folder lacks a file, or if a classifier has other labels.
    """
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "title", "head", "text"])
    texts = classified_texts(table, classifier)
    fewest = degeneration.few_words if degeneration.labels == "written" else 0
    too_short = np.array([len(bare_words(text, language)) < fewest for text in table["text"].to_pylist()], dtype=bool)
    max_tokens = classifier.max_tokens or classifier.training.max_tokens
    for folder, file in out.items():
        checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
        encoder = load_encoder(folder, labels, max_tokens)
        probabilities = predict_probabilities(encoder, texts, max_tokens, compute, checkpoint)
        probabilities[too_short] = np.nan
        write_table(prediction_table(table["article_id"].to_pylist(), probabilities, labels), file, predictions(labels))
        checkpoint.remove()


def prediction_table(article_ids: Sequence[str], probabilities: np.ndarray, labels: Sequence[str]) -> pa.Table:
    """Return a table of `schemas.predictions(labels)`; of equal probabilities, the first label is predicted.

    NaN is an unknown probability, of a text without a label.

    Parameters
    ----------
    article_ids
        Length n.
    probabilities
        Shape [n, labels].
    labels
        Names of the columns.
    """
    unknown = np.isnan(probabilities).any(axis=1)
    likeliest = [labels[index] for index in probabilities.argmax(axis=1)]
    predicted = [None if none else label for label, none in zip(likeliest, unknown, strict=True)]
    columns = {
        f"probability_{label}": pa.array(probabilities[:, index], mask=unknown) for index, label in enumerate(labels)
    }
    return pa.table({"article_id": list(article_ids), "predicted": pa.array(predicted, pa.string()), **columns})
