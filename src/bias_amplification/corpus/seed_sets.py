"""Draws the real articles that rounds start from."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.findings import Finding
from bias_amplification.study.seeds import derive_seed

STEP = "seed_sets"


def shuffled_ids(articles: pa.Table, label: str, seed: int, exclude_ids: Collection[str] = ()) -> list[str]:
    """List the ids of a label's articles in an order that depends on the ids, the label and the seed alone.

    Every seed set takes the first ids of this order, so that seed sets overlap each other as far as they can and
    leave the classifier as many articles as possible. Each of them alone is still a simple random sample.
    """
    pairs = zip(articles["article_id"].to_pylist(), articles["label"].to_pylist(), strict=True)
    ids = sorted(article_id for article_id, own in pairs if own == label and article_id not in exclude_ids)
    order = np.random.default_rng(derive_seed(seed, "shuffled_ids", label)).permutation(len(ids))
    return [ids[index] for index in order]


def sampled_ids(
    articles: pa.Table, label: str, random_state: int, count: int, exclude_ids: Collection[str] = ()
) -> list[str]:
    """List a label's articles as pandas draws them, `DataFrame.sample(n=count, random_state=...)`, then the others.

    Unlike `shuffled_ids` this depends on the order of the articles in the file and on `count`.
    """
    pairs = zip(articles["article_id"].to_pylist(), articles["label"].to_pylist(), strict=True)
    ids = pd.Series([article_id for article_id, own in pairs if own == label and article_id not in exclude_ids])
    drawn = ids.sample(n=min(count, len(ids)), random_state=random_state)
    return [*drawn, *ids.drop(drawn.index)]


def draw_seed_set(
    articles: pa.Table,
    labels: Sequence[str],
    size: int,
    seed: int,
    exclude_ids: Collection[str] = (),
    *,
    name: str = "seed_set",
    reserve: int = 0,
    random_state: int | None = None,
) -> tuple[pa.Table, list[Finding]]:
    """Draw a seed set: equally many articles of each label, or articles of one label.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    labels
        The labels drawn.
    size
        Articles in all. With one label, as many as there are if there are fewer.
    seed
        Fixes the draw and the order.
    exclude_ids
        Articles that must not be drawn.
    name
        The seed set's name, for messages.
    reserve
        Articles of a single label that must be left for the classifier.
    random_state
        Draw as the published code does (`sampled_ids`), with this state; None: by `seed`.

    Returns
    -------
    articles, findings
        In random order. One finding if the set is smaller than asked.

    Raises
    ------
    StudyError
        If `size` does not divide by the labels, or there are too few articles.
    """
    each, rest = divmod(size, len(labels))
    if rest or not each:
        raise StudyError(
            f"seed_sets {name}: size {size} cannot be shared equally by {len(labels)} labels: make it a multiple of "
            f"{len(labels)}."
        )
    excluded = set(exclude_ids)
    if random_state is None:
        pools = {label: shuffled_ids(articles, label, seed, excluded) for label in labels}
    else:
        pools = {label: sampled_ids(articles, label, random_state, each, excluded) for label in labels}
    findings = []
    if len(labels) == 1:
        available = len(pools[labels[0]]) - reserve
        if 0 < available < each:
            text = f"{name} has {available} articles of {labels[0]} and not {each}: no more exist"
            findings.append(Finding(STEP, f"{text}, {reserve} left to the classifier", True, available))
            each = available
    for label, pool in pools.items():
        free = len(pool) - (reserve if len(labels) == 1 else 0)
        if free < each:
            raise StudyError(
                f"seed_sets {name} needs {each} articles of {label}, and {max(free, 0)} are there"
                f"{f' beside {reserve} kept for the classifier' if reserve and len(labels) == 1 else ''}: "
                "make size smaller."
            )
    if random_state is not None:
        # In the order that pandas groups them in, then shuffled as a whole.
        ids = [article_id for label in sorted(pools) for article_id in pools[label][:each]]
        return take(articles, pd.Series(ids).sample(frac=1, random_state=random_state)), findings
    ids = sorted(article_id for pool in pools.values() for article_id in pool[:each])
    order = np.random.default_rng(derive_seed(seed, "draw_seed_set", *labels)).permutation(len(ids))
    return take(articles, [ids[index] for index in order]), findings


def take(articles: pa.Table, ids: Iterable[str]) -> pa.Table:
    """Take articles by id, in the order of the ids, which may occur more than once."""
    rows = {article_id: row for row, article_id in enumerate(articles["article_id"].to_pylist())}
    indices = pa.array([rows[article_id] for article_id in ids], pa.int64())
    return articles.select(ARTICLES.names).take(indices).combine_chunks()


def apportion(size: int, shares: Sequence[float]) -> list[int]:
    """Divide a count by shares: whole numbers that sum to it, each less than one from its exact part."""
    exact = size * np.asarray(shares, float) / np.sum(shares)
    counts = np.floor(exact + 1e-9).astype(int)
    # Stable, so that equal remainders go to the first.
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: size - counts.sum()]] += 1
    return counts.tolist()
