"""Draw the seed sets: the real articles that rounds start from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.articles import take_articles
from bias_amplification.corpus.cleaning import body_key
from bias_amplification.corpus.sampling import sampled_ids, shuffled_ids
from bias_amplification.corpus.sizes import (
    MINIMUM_PER_LABEL,
    RESERVED_SHARE,
    articles_per_label,
    repeatable,
    reserved,
)
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import SeedSet


def draw_seed_sets(
    articles: Path,
    out: Mapping[str, Path],
    seed_sets: Mapping[str, SeedSet],
    seed: int,
    random_state: int,
    replicate: int = 1,
) -> None:
    """Write a draw of each seed set. Different seed sets may share articles with each other.

    A one-label set with fewer articles than its `size`, and articles that an earlier replicate has too, are reported in
    the log.

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
    replicate
        The replicate that the draw is for, from 1.

    Raises
    ------
    StudyError
        If the corpus has too few articles for a seed set.
    """
    table = read_table(articles, ARTICLES)
    for name, path in out.items():
        seed_set = seed_sets[name]
        drawn = draw_seed_set(table, seed_set, seed, random_state, replicate)
        write_table(drawn, path, ARTICLES)
        if drawn.num_rows < seed_set.size:
            print(_shortage(seed_set, drawn.num_rows, table))
        if repeated := _repeated(seed_set, Counter(table["label"].to_pylist()), replicate):
            print(
                f"seed_sets {name}, replicate {replicate}: {repeated} of {drawn.num_rows} articles are in earlier "
                "replicates too, because the corpus has too few others"
            )


def _shortage(seed_set: SeedSet, drawn: int, articles: pa.Table) -> str:
    """Explain in a sentence why a one-label seed set is smaller than its size."""
    label = seed_set.labels[0]
    available = articles["label"].to_pylist().count(label)
    kept = reserved(available, seed_set)
    return (
        f"seed_sets {seed_set.name}: {drawn} articles instead of {seed_set.size}, because the corpus has {available} "
        f"articles of {label}{f' and {kept} of them stay for the classifier' if kept else ''}"
    )


def draw_seed_set(articles: pa.Table, seed_set: SeedSet, seed: int, random_state: int, replicate: int = 1) -> pa.Table:
    """Draw a seed set for a replicate: equally many articles of each label, or articles of one label.

    A one-label set leaves `reserved` articles to the classifier. It is smaller than its `size` if the corpus has too
    few articles. The draws of different replicates are successive parts of one random order of each label's articles,
    so that they overlap only if the corpus has too few (`repeatable`). The order then begins again.

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
    replicate
        The replicate, from 1.

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
    available = Counter(articles["label"].to_pylist())
    count = articles_per_label(seed_set, available)
    pandas_draw = seed_set.draw == "pandas"
    asked = seed_set.size // len(labels)
    ids = []
    # The published code draws by label in alphabetical order (a pandas groupby), then shuffles the whole set.
    for label in sorted(labels) if pandas_draw else labels:
        order = (
            sampled_ids(articles, label, random_state, asked) if pandas_draw else shuffled_ids(articles, label, seed)
        )
        if pandas_draw and replicate > 1:
            # Behind the first replicate's sample, pandas leaves the articles in the order of the file.
            order = order[:count] + pd.Series(order[count:]).sample(frac=1, random_state=random_state).tolist()
        pool = repeatable(available[label], seed_set, count)
        ids += [order[place % pool] for place in range((replicate - 1) * count, replicate * count)]
    if pandas_draw:
        return take_articles(articles, pd.Series(ids).sample(frac=1, random_state=random_state))
    ids.sort()
    parts = [f"replicate {replicate}"] if replicate > 1 else []
    order = np.random.default_rng(derive_seed(seed, "draw_seed_set", *labels, *parts)).permutation(len(ids))
    return take_articles(articles, [ids[index] for index in order])


def _repeated(seed_set: SeedSet, available: Mapping[str, int], replicate: int) -> int:
    """Return how many articles of a replicate's draw are in the draws of earlier replicates too."""
    count = articles_per_label(seed_set, available)
    before = (replicate - 1) * count
    pools = (repeatable(available[label], seed_set, count) for label in seed_set.labels)
    return sum(max(0, before + count - max(pool, before)) for pool in pools)


class RealSets(NamedTuple):
    """The sets of real articles that a chain of strategy `real` needs.

    Attributes
    ----------
    sets
        Their number, one for each generation after 0.
    replicate
        The replicate that they are for, from 1.
    distinct
        The number of replicates, from the first on, whose generations must not have an article in common. Later
        replicates, or all if it is 0, use articles again if the corpus has too few.
    """

    sets: int
    replicate: int
    distinct: int


def draw_real_articles(
    articles: Path,
    seed_articles: Path,
    taken: Sequence[Path],
    out: Path,
    need: RealSets,
    seed: int,
) -> None:
    """Write the real articles that the generations of strategy `real` are trained on, one set after the other.

    Each set has as many articles of each label as the seed set. No article is in a seed set. The classifier keeps a
    quarter of each label's articles. Replicates take successive parts of one random order, so that they overlap only if
    the corpus has too few articles, which is reported in the log. The order is the same for all seed sets, so that the
    articles taken beside different seed sets overlap as much as they can.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_articles
        The seed set of the chains, rows of `ARTICLES`.
    taken
        All draws of seed sets, whose articles are not used: rows of `ARTICLES`.
    out
        The file to make, rows of `ARTICLES`.
    need
        How many sets, and for which replicate.
    seed
        Seed of the draw, the same for all seed sets.

    Raises
    ------
    StudyError
        If the corpus has too few articles and they may not be used again.
    """
    sets, replicate, distinct = need
    table = read_table(articles, ARTICLES)
    left = without_seed_articles(table, read_seed_sets(taken))
    all_of, left_of = (Counter(t["label"].to_pylist()) for t in (table, left))
    wanted = Counter(read_table(seed_articles, ARTICLES, ["label"])["label"].to_pylist())
    ids: list[list[str]] = [[] for _ in range(sets)]
    for label, count in sorted(wanted.items()):
        free = max(0, left_of[label] - max(MINIMUM_PER_LABEL, round(RESERVED_SHARE * all_of[label])))
        if free < max(count, distinct * sets * count):
            raise StudyError(_too_few_real_articles(label, free, count, need))
        order = shuffled_ids(left, label, derive_seed(seed, "real articles"))
        places = range((replicate - 1) * sets * count, replicate * sets * count)
        for number, own in enumerate(ids):
            own += [order[place % free] for place in places[number * count : (number + 1) * count]]
        if repeated := sum(place >= free for place in places):
            print(
                f"strategy real, replicate {replicate}: {repeated} of {len(places)} articles of {label} are in earlier "
                f"generations or replicates too, because the corpus has only {free}"
            )
    write_table(take_articles(left, [article_id for own in ids for article_id in sorted(own)]), out, ARTICLES)


def _too_few_real_articles(label: str, free: int, count: int, need: RealSets) -> str:
    """Explain in a sentence why the sets of real articles cannot be drawn, and what to change."""
    sets, _, distinct = need
    wanted, remedy = f"{count} articles of {label} for a generation", ""
    if distinct:
        of_replicates, or_replicates = "", ""
        if distinct > 1:
            of_replicates = f" of {distinct} replicates"
            or_replicates = ", replicates.reserve (and replicates.number, if it is not below it)"
        wanted = f"{distinct * sets * count} articles of {label} for {sets} generations{of_replicates}"
        remedy = f", lower generations{or_replicates}, or set strategies.real_articles to begin_again"
    return (
        f"rounds of strategy real need {wanted}, but the corpus has {free} outside the seed sets and the classifier's "
        f"part: make the seed sets smaller{remedy}."
    )


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
