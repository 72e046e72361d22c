"""Draw the seed sets: the real articles that rounds start from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.articles import take_articles
from bias_amplification.corpus.cleaning import body_key
from bias_amplification.corpus.sampling import sampled_ids, shuffled_ids
from bias_amplification.corpus.sizes import articles_per_label, reserved
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import SeedSet


def draw_seed_sets(
    articles: Path, out: Mapping[str, Path], seed_sets: Mapping[str, SeedSet], seed: int, random_state: int
) -> None:
    """Write the seed sets. They may share articles with each other.

    A one-label set with fewer articles than its `size` is reported in the log.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    out
        The files to make, by name of the seed set: rows of `ARTICLES`.
    seed_sets
        The seed sets of the config, by name.
    seed
        Seed of the sets with ``draw: shuffled``.
    random_state
        Seed of the sets with ``draw: pandas``.

    Raises
    ------
    StudyError
        If the corpus has too few articles for a seed set.
    """
    table = read_table(articles, ARTICLES)
    drawn = {name: draw_seed_set(table, seed_set, seed, random_state) for name, seed_set in seed_sets.items()}
    for name, seed_articles in drawn.items():
        write_table(seed_articles, out[name], ARTICLES)
        if seed_articles.num_rows < seed_sets[name].size:
            print(_shortage(seed_sets[name], seed_articles.num_rows, table))


def _shortage(seed_set: SeedSet, drawn: int, articles: pa.Table) -> str:
    """Explain in a sentence why a one-label seed set is smaller than its size."""
    label = seed_set.labels[0]
    available = articles["label"].to_pylist().count(label)
    kept = reserved(available, seed_set)
    return (
        f"seed_sets {seed_set.name}: {drawn} articles instead of {seed_set.size}, because the corpus has {available} "
        f"articles of {label}{f' and {kept} of them stay for the classifier' if kept else ''}"
    )


def draw_seed_set(articles: pa.Table, seed_set: SeedSet, seed: int, random_state: int) -> pa.Table:
    """Draw a seed set: equally many articles of each label, or articles of one label.

    A one-label set leaves `reserved` articles to the classifier. It is smaller than its `size` if the corpus has too
    few articles.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_set
        Name, labels, size and kind of draw.
    seed
        Seed of the draw and of the order, for ``draw: shuffled``.
    random_state
        The same for ``draw: pandas``, which draws as the published code does.

    Returns
    -------
    pa.Table
        Rows of `ARTICLES`, in random order.

    Raises
    ------
    StudyError
        If the corpus has too few articles of a label.
    """
    labels = seed_set.labels
    count = articles_per_label(seed_set, Counter(articles["label"].to_pylist()))
    if seed_set.draw == "pandas":
        asked = seed_set.size // len(labels)
        pools = {label: sampled_ids(articles, label, random_state, asked) for label in labels}
        # The published code draws by label in alphabetical order (a pandas groupby), then shuffles the whole set.
        ids = [article_id for label in sorted(pools) for article_id in pools[label][:count]]
        return take_articles(articles, pd.Series(ids).sample(frac=1, random_state=random_state))
    pools = {label: shuffled_ids(articles, label, seed) for label in labels}
    ids = sorted(article_id for pool in pools.values() for article_id in pool[:count])
    order = np.random.default_rng(derive_seed(seed, "draw_seed_set", *labels)).permutation(len(ids))
    return take_articles(articles, [ids[index] for index in order])


def read_seed_sets(paths: Sequence[Path]) -> pa.Table:
    """Read the articles of several seed sets into one table. An article of two sets is there twice."""
    tables = [read_table(path, ARTICLES) for path in paths]
    return pa.concat_tables(tables) if tables else ARTICLES.empty_table()


def without_seed_articles(articles: pa.Table, seed_articles: pa.Table) -> pa.Table:
    """Leave out the seed articles, articles with the same body as a seed article, and repeated bodies.

    Parameters
    ----------
    articles, seed_articles
        Rows of `ARTICLES`.

    Returns
    -------
    pa.Table
        The other articles, in the order given. Of articles with the same body the first is kept.
    """
    excluded = set(seed_articles["article_id"].to_pylist())
    seen = {body_key(body) for body in seed_articles["body"].to_pylist()}
    mask = []
    for article_id, body in zip(articles["article_id"].to_pylist(), articles["body"].to_pylist(), strict=True):
        key = body_key(body)
        mask.append(article_id not in excluded and key not in seen)
        seen.add(key)
    return articles.select(ARTICLES.names).filter(pa.array(mask, pa.bool_()))
