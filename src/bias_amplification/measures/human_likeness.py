"""The detector of machine text: which articles it takes for written by people.

The strategy `human_likeness` resamples its training texts by this detector, after Drayson, Yilmaz and Lampos
(arXiv 2502.15654). The detector is an encoder that is trained as a candidate for the leaning classifier is, with the
labels "human" and "machine": the same real articles as people wrote them, and as the base model continues them.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES, GENERATED_ARTICLES, HUMAN_LIKENESS
from bias_amplification.corpus.articles import replace_texts, take_articles
from bias_amplification.corpus.splits import PARTS
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoders import load_encoder
from bias_amplification.measures.leaning import classifier_text
from bias_amplification.study.sections import Classifier, JobCompute

#: The detector's labels.
WRITERS = ("human", "machine")


def draw_detector_articles(classifier_articles: Path | str, out: Path | str, number: int, seed: int) -> None:
    """Write the real articles that the base model continues, so that the detector can be trained.

    Parameters
    ----------
    classifier_articles
        The classifier's articles (`CLASSIFIER_ARTICLES`).
    out
        The file to make (`ARTICLES`), in random order.
    number
        Number of articles; all if the classifier has fewer. Each part of the random split keeps its share.
    seed
        Seed of the draw.
    """
    table = read_table(classifier_articles, CLASSIFIER_ARTICLES)
    table = table.filter(pa.compute.equal(table["copy"], 0))
    rng = np.random.default_rng(seed)
    parts, ids = np.array(table["split_random"].to_pylist()), np.array(table["article_id"].to_pylist())
    chosen: list[str] = []
    for part in PARTS:
        own = rng.permutation(ids[parts == part])
        chosen += own[: max(1, round(number * len(own) / len(ids)))].tolist()
    write_table(take_articles(table, rng.permutation(chosen)), out, ARTICLES)


def label_detector_articles(
    real: Path | str, machine: Path | str, classifier_articles: Path | str, out: Path | str
) -> None:
    """Write the detector's labelled articles: each article as people and as the base model wrote it, in one part.

    Titles are left out, because a synthetic article has the real one. A head stays: with it, both begin as a text does.

    Parameters
    ----------
    real
        The articles (`ARTICLES`) of `draw_detector_articles`.
    machine
        What the base model wrote from their prompts (`GENERATED_ARTICLES`).
    classifier_articles
        The classifier's articles (`CLASSIFIER_ARTICLES`), whose random split divides the detector's articles.
    out
        The file to make (`CLASSIFIER_ARTICLES`).
    """
    articles = read_table(real, ARTICLES)
    ids = articles["article_id"].to_pylist()
    written = read_table(machine, GENERATED_ARTICLES, ["article_id", "head", "text"]).to_pylist()
    texts = {row["article_id"]: row["head"] + row["text"] for row in written}
    if set(texts) != set(ids):
        raise StudyError(f"{machine} has other articles than {real}: delete it and run snakemake again.")
    split = read_table(classifier_articles, CLASSIFIER_ARTICLES, ["article_id", "split_random"])
    parts = dict(zip(split["article_id"].to_pylist(), split["split_random"].to_pylist(), strict=True))
    count, nothing = len(ids), [""] * len(ids)
    bodies = {"human": articles["body"].to_pylist(), "machine": [texts[i] for i in ids]}
    both = pa.concat_tables(
        replace_texts(articles, title=nothing, body=bodies[writer], label=[writer] * count) for writer in WRITERS
    )
    both = both.append_column("copy", pa.array([0] * 2 * count, pa.int32()))
    both = both.append_column("split_random", pa.array([parts[i] for i in ids] * 2, pa.string()))
    for name in ("split_event", "split_outlet"):
        both = both.append_column(name, pa.nulls(2 * count, pa.string()))
    write_table(both, out, CLASSIFIER_ARTICLES)


def score_human_likeness(
    articles: Path | str, detector: Path | str, out: Path | str, classifier: Classifier, compute: JobCompute
) -> None:
    """Write the detector's probability that people wrote each article.

    Parameters
    ----------
    articles
        Articles that a model wrote (`GENERATED_ARTICLES`), or a seed set (`ARTICLES`).
    detector
        The detector's folder.
    out
        The file to make (`HUMAN_LIKENESS`).
    classifier
        Its `remove_quotes` and `training.max_tokens`, with which the detector was trained.
    compute
        Where to compute.
    """
    table = read_table(articles, GENERATED_ARTICLES, or_schema=ARTICLES)
    bodies = [row["body"] if "body" in row else row["head"] + row["text"] for row in table.to_pylist()]
    texts = [classifier_text("", body, remove_quotes=classifier.remove_quotes) for body in bodies]
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    max_tokens = classifier.training.max_tokens
    probabilities = predict_probabilities(
        load_encoder(detector, WRITERS, max_tokens), texts, max_tokens, compute, checkpoint
    )
    human = pa.array(probabilities[:, WRITERS.index("human")].astype(float))
    write_table(pa.table({"article_id": table["article_id"], "probability_human": human}), out, HUMAN_LIKENESS)
    checkpoint.remove()
    print(f"the detector takes {100 * np.mean(human.to_numpy() > 0.5):.0f}% for written by people", flush=True)
