"""Split the articles outside the seed sets for the leaning classifier, and resample smaller labels."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES
from bias_amplification.corpus.seed_sets import read_seed_sets, without_seed_articles
from bias_amplification.corpus.sizes import check_left
from bias_amplification.corpus.splits import PARTS, split_groups, split_random
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Classifier


def split_classifier_articles(
    articles: Path, seed_sets: Sequence[Path], out: Path, labels: Sequence[str], classifier: Classifier, seed: int
) -> None:
    """Write the classifier's articles. None of them is in the given seed sets.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_sets
        The seed sets, except those that may share articles with the classifier: rows of `ARTICLES`.
    out
        The file to make, rows of `CLASSIFIER_ARTICLES`.
    labels
        The study's labels.
    classifier
        Whether and when smaller labels are resampled (`resample`, `resample_first`).
    seed
        Seed of the splits, the copies and the order.

    Raises
    ------
    StudyError
        If too few articles of a label are left.
    """
    table = classifier_articles(read_table(articles, ARTICLES), read_seed_sets(seed_sets), labels, classifier, seed)
    write_table(table, out, CLASSIFIER_ARTICLES)


def classifier_articles(
    articles: pa.Table, seed_articles: pa.Table, labels: Sequence[str], classifier: Classifier, seed: int
) -> pa.Table:
    """Split articles three ways and resample smaller labels (paper, section 3.4).

    The paper resamples before it splits, so that copies of an article can be in both training and test
    (`resample_first`). By default, articles are split first, 70/15/15. Smaller labels are then copied up to the size
    of the largest label within each part of the random split, so that all copies of an article are in one part.
    Copies (`copy` above 0) balance the training labels; without `resample_first`, tests leave them out.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_articles
        Articles of the seed sets, rows of `ARTICLES`. They are left out, with all articles that have the same body.
    labels
        The study's labels.
    classifier
        Uses `resample` and `resample_first`.
    seed
        Seed of the splits, the copies and the order.

    Returns
    -------
    pa.Table
        Rows of `CLASSIFIER_ARTICLES`, in random order. `split_event` keeps the articles of an event in one part,
        `split_outlet` those of an outlet. Both are null if fewer than three events or outlets are known.

    Raises
    ------
    StudyError
        If too few articles of a label are left.
    """
    left = without_seed_articles(articles, seed_articles)
    left = left.filter(pa.array([label in labels for label in left["label"].to_pylist()], pa.bool_()))
    own = np.array(left["label"].to_pylist(), dtype=object)
    _check_counts(own, labels)
    splits = {
        "split_random": split_random(own, derive_seed(seed, "split_random")),
        "split_event": split_groups(left["event_id"].to_pylist(), own, derive_seed(seed, "split_event")),
        "split_outlet": split_groups(left["outlet"].to_pylist(), own, derive_seed(seed, "split_outlet")),
    }
    generator = np.random.default_rng(derive_seed(seed, "classifier_articles"))
    parts = np.full(len(own), PARTS[0]) if classifier.resample_first else splits["split_random"]
    rows = _resampled_rows(own, parts, generator) if classifier.resample else np.arange(len(own))
    rows = rows[generator.permutation(len(rows))]
    table = left.take(pa.array(rows)).append_column("copy", pa.array(_copy_numbers(rows), pa.int32()))
    for name, parts in splits.items():
        values = None if parts is None else parts[rows]
        if classifier.resample_first and name == "split_random":
            values = split_random(own[rows], derive_seed(seed, name))
        column = pa.nulls(len(rows), pa.string()) if values is None else pa.array(values.tolist(), pa.string())
        table = table.append_column(name, column)
    return table.select(CLASSIFIER_ARTICLES.names).cast(CLASSIFIER_ARTICLES).combine_chunks()


def _check_counts(own: np.ndarray, labels: Sequence[str]) -> None:
    for label in labels:
        check_left(label, int(np.sum(own == label)))


def _resampled_rows(labels: np.ndarray, parts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return row numbers that contain, within each part, equally many articles of each label.

    Rows of smaller labels are repeated. All rows of a label are used once more before one of them is used again.
    """
    rows = []
    for part in PARTS:
        members = {label: np.flatnonzero((labels == label) & (parts == part)) for label in sorted(set(labels))}
        size = max(map(len, members.values()))
        if not size:
            continue
        for own in members.values():
            if len(own):
                passes = [own, *(generator.permutation(own) for _ in range(-(-size // len(own)) - 1))]
                rows.append(np.concatenate(passes)[:size])
    return np.concatenate(rows)


def _copy_numbers(rows: np.ndarray) -> list[int]:
    """Number the occurrences of each row from 0."""
    seen: dict[int, int] = defaultdict(int)
    numbers = []
    for row in rows.tolist():
        numbers.append(seen[row])
        seen[row] += 1
    return numbers
