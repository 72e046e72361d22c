"""Draw articles at random."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.seeds import derive_seed


def _ids_with_label(articles: pa.Table, label: str) -> list[str]:
    pairs = zip(articles["article_id"].to_pylist(), articles["label"].to_pylist(), strict=True)
    return [article_id for article_id, own in pairs if own == label]


def shuffled_ids(articles: pa.Table, label: str, seed: int) -> list[str]:
    """Return the ids of a label's articles in random order.

    The order depends on the ids, the label and the seed, and not on the order of the articles in the table. All seed
    sets take the first ids of this order: each is a simple random sample, and together they overlap as much as they
    can, which leaves most articles to the classifier.
    """
    ids = sorted(_ids_with_label(articles, label))
    order = np.random.default_rng(derive_seed(seed, "shuffled_ids", label)).permutation(len(ids))
    return [ids[index] for index in order]


def sampled_ids(articles: pa.Table, label: str, random_state: int, count: int) -> list[str]:
    """Return the ids of a label's articles: first those that pandas samples, then the others.

    The sample is that of `DataFrame.sample(n=count, random_state=random_state)`. Unlike `shuffled_ids`, it depends on
    the order of the articles in the table and on `count`.
    """
    ids = pd.Series(_ids_with_label(articles, label))
    drawn = ids.sample(n=min(count, len(ids)), random_state=random_state)
    return [*drawn, *ids.drop(drawn.index)]


def sample_articles(articles: pa.Table, counts: Mapping[str, int], seed: int) -> pa.Table:
    """Draw the given number of articles of each label. They stay in the order of the table.

    The articles of a label are the first of `shuffled_ids`.
    """
    drawn = {
        article_id for label, count in counts.items() for article_id in shuffled_ids(articles, label, seed)[:count]
    }
    return articles.filter(
        pa.array([article_id in drawn for article_id in articles["article_id"].to_pylist()], pa.bool_())
    )
