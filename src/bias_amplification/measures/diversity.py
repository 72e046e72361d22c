"""Diversity of the articles that a model version wrote: words, n-grams, compression, and the spread of embeddings."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.artifacts.schemas.diversity import DIVERSITY, DIVERSITY_MEASURES
from bias_amplification.corpus.words import bare_words
from bias_amplification.measures.article_measures import MEASURES
from bias_amplification.measures.encoder_prediction import over_batches, tokenize
from bias_amplification.measures.encoders import TextClassifier, load_encoder
from bias_amplification.measures.leaning import classified_texts
from bias_amplification.measures.ngrams import (
    BLEU_ORDER,
    Interval,
    count_ngrams,
    distinct,
    entropy,
    jackknife_interval,
    repeated,
    self_bleu,
)
from bias_amplification.study.sections import Classifier, JobCompute

#: Number of groups of articles that the jackknife of the compression ratio leaves out, one after another. Each takes a
#: new compression, so that leaving out single articles would take too long.
_GROUPS = 20
#: zlib's level with the smallest output.
_COMPRESSION_LEVEL = 9


@dataclass(frozen=True)
class Diversity:
    """Settings of the measures of diversity."""

    language: str = "en"
    """ISO 639 code of the articles' language."""
    drawn: int = 1000
    """Number of n-grams among which distinct ones are counted."""
    sample: int = 100
    """Number of articles for self-BLEU."""


class SelectedEncoder(NamedTuple):
    """The classifier whose encoder embeds articles: its folder, and the study's labels."""

    folder: Path | str
    labels: Sequence[str]


def measure_diversity(
    articles: Path | str,
    encoder: SelectedEncoder,
    out: Path | str,
    settings: Diversity,
    classifier: Classifier,
    seed: int,
    compute: JobCompute,
) -> None:
    """Write the diversity of one version's articles.

    Parameters
    ----------
    articles
        Articles that a model wrote (`GENERATED_ARTICLES`), or a seed set (`ARTICLES`).
    encoder
        The classifier whose encoder embeds the articles.
    out
        The file to make (`DIVERSITY`).
    settings
        Language and sizes of samples.
    classifier
        Its `text`, `remove_quotes` and `max_tokens` (None: `training.max_tokens`), as for `classify_articles`.
    seed
        Seed of the sample for self-BLEU. Versions with the same seed and articles have the same sample.
    compute
        Where to compute the embeddings.

    Raises
    ------
    StudyError
        If the classifier's folder lacks a file, or if it has other labels.
    """
    table = read_table(articles, GENERATED_ARTICLES, or_schema=ARTICLES).sort_by("article_id")
    texts = table["text" if "text" in table.column_names else "body"].to_pylist()
    words = [bare_words(text, settings.language) for text in texts]
    with_words = [row for row, own in enumerate(words) if own]
    sample = np.random.default_rng(seed).permutation(len(texts))[: settings.sample]
    found = word_measures([words[row] for row in with_words], settings.drawn)
    sampled = [words[row] for row in sorted(sample) if words[row]]
    found["self_bleu"] = self_bleu(count_ngrams(sampled, BLEU_ORDER)), len(sampled)
    found["compression_ratio"] = compression_ratio([texts[row] for row in with_words]), len(with_words)
    as_classified = classified_texts(table, classifier)
    read = [as_classified[row] for row in with_words]
    max_tokens = classifier.max_tokens or classifier.training.max_tokens
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    embeddings = embed_texts(load_encoder(*encoder, max_tokens), read, max_tokens, compute, checkpoint)
    found["embedding_spread"] = embedding_spread(embeddings), len(with_words)
    found |= {name: measure.mean(texts, settings.language) for name, measure in MEASURES.items()}
    rows = [
        {"measure": name, "articles": found[name][1]}
        | {end: None if math.isnan(x) else x for end, x in zip(("value", "low", "high"), found[name][0], strict=True)}
        for name in DIVERSITY_MEASURES
    ]
    write_table(pa.Table.from_pylist(rows, DIVERSITY), out, DIVERSITY)
    checkpoint.remove()


def diversity_columns(path: Path | str) -> dict[str, float | None]:
    """Return the measures of a table (`DIVERSITY`) as columns of the metrics table: each with `_low` and `_high`."""
    return {
        row["measure"] + ending: row[end]
        for row in read_table(path, DIVERSITY).to_pylist()
        for ending, end in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def word_measures(articles: Sequence[Sequence[str]], drawn: int) -> dict[str, tuple[Interval, int]]:
    """Return the measures of n-grams, each with its interval and the number of articles that have such n-grams.

    Parameters
    ----------
    articles
        Words of each article.
    drawn
        Number of n-grams among which distinct ones are counted.
    """
    counts = [order[np.diff(order.indptr) > 0] for order in count_ngrams(articles, 4)]
    found: dict[str, tuple[Interval, int]] = {}
    for n in (1, 2, 3):
        found[f"distinct_{n}"] = distinct(counts[n - 1], drawn), counts[n - 1].shape[0]
    for n in (2, 3):
        found[f"entropy_{n}"] = entropy(counts[n - 1]), counts[n - 1].shape[0]
    found["repeated_4"] = repeated(counts[3]), counts[3].shape[0]
    return found


def compression_ratio(texts: Sequence[str]) -> Interval:
    """Return the bytes of the texts divided by the bytes of their compression (Shaib et al., 2024, arXiv 2403.00553).

    zlib, which compresses as gzip does, finds repetitions within 32 KB. Up to several times this size, the ratio grows
    with the set.

    Parameters
    ----------
    texts
        Texts in a fixed order. They are compressed together, with a newline between them.

    Returns
    -------
    tuple[float, float, float]
        With a jackknife interval that leaves out groups of successive texts. All are NaN without texts.
    """
    if not texts:
        return math.nan, math.nan, math.nan
    lines = [f"{text}\n".encode() for text in texts]
    groups = [
        b"".join(lines[row] for row in rows) for rows in np.array_split(range(len(lines)), min(_GROUPS, len(lines)))
    ]
    before, done, read, without = zlib.compressobj(_COMPRESSION_LEVEL), 0, 0, []
    for place, group in enumerate(groups):
        # What stands before the group is compressed once, for all groups.
        rest, after = before.copy(), b"".join(groups[place + 1 :])
        if read + len(after):
            without.append((read + len(after)) / (done + len(rest.compress(after)) + len(rest.flush())))
        done += len(before.compress(group))
        read += len(group)
    return jackknife_interval(read / (done + len(before.flush())), np.array(without))


def embed_texts(
    encoder: TextClassifier,
    texts: Sequence[str],
    max_tokens: int,
    compute: JobCompute,
    checkpoint: Checkpoint | None = None,
) -> np.ndarray:
    """Return an embedding of each text: the mean of the encoder's last hidden states over the text's tokens.

    Parameters
    ----------
    encoder
        A classifier. Its classification head is not used.
    texts, max_tokens
        Texts, and the number of tokens that each is cut to, special tokens included.
    compute
        Device and largest number of tokens of a batch, padding included.
    checkpoint
        Where finished batches are saved. The caller removes it.

    Returns
    -------
    np.ndarray
        Shape [texts, width], float64.
    """
    import torch

    def embed(input_ids: torch.Tensor, mask: torch.Tensor, **attention: torch.Tensor) -> torch.Tensor:
        states = encoder.model.base_model(input_ids=input_ids, **attention).last_hidden_state  # [texts, tokens, width]
        return (states * mask[..., None]).sum(dim=1).double() / mask.sum(dim=1, keepdim=True)

    token_ids = tokenize(encoder, texts, max_tokens)
    width = encoder.model.config.hidden_size
    return over_batches(encoder, token_ids, width, embed, compute, checkpoint, "embeddings")


def embedding_spread(embeddings: np.ndarray) -> Interval:
    """Return the mean cosine distance between two articles (Tevet and Berant, 2021, arXiv 2004.02990).

    Parameters
    ----------
    embeddings
        Shape [articles, width].

    Returns
    -------
    tuple[float, float, float]
        Mean over all pairs of 1 - cosine, from 0 to 2, with its jackknife interval. All are NaN with fewer than two
        articles, the ends with fewer than three.
    """
    count = len(embeddings)
    if count < 2:
        return math.nan, math.nan, math.nan
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    total = units.sum(axis=0)
    squared = float(total @ total)
    value = 1 - (squared - count) / (count * (count - 1))
    if count < 3:
        return value, math.nan, math.nan
    # Without an article of unit length e, |total - e|^2 = |total|^2 - 2 total e + 1.
    without = 1 - (squared - 2 * units @ total + 1 - (count - 1)) / ((count - 1) * (count - 2))
    return jackknife_interval(value, without)
