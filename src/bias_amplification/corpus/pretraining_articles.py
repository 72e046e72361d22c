"""Draw the articles that the base model is pretrained on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.articles import take_articles
from bias_amplification.corpus.sampling import shuffled_ids
from bias_amplification.corpus.seed_sets import read_seed_sets, without_seed_articles
from bias_amplification.seeds import derive_seed
from bias_amplification.study.apportion import apportion
from bias_amplification.study.sections import Pretraining

_LABEL_MIX = "base_model.pretraining.label_mix"


def draw_pretraining_articles(
    articles: Path, seed_sets: Sequence[Path], out: Path, pretraining: Pretraining, seed: int
) -> None:
    """Write the articles that the base model is pretrained on, and count them in the log.

    None of them is in a seed set. All of them are among the classifier's articles (see `pretraining_articles`).

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_sets
        All seed sets, rows of `ARTICLES`.
    out
        The file to make, rows of `ARTICLES`.
    pretraining
        Label mix and number of articles (`label_mix`, `articles`).
    seed
        Seed of the draw and the order.

    Raises
    ------
    StudyError
        If a label with a share has too few articles.
    """
    table = pretraining_articles(read_table(articles, ARTICLES), read_seed_sets(seed_sets), pretraining, seed)
    write_table(table, out, ARTICLES)
    counts = Counter(table["label"].to_pylist())
    listed = ", ".join(f"{counts[label]:,} {label}" for label in pretraining.label_mix if counts[label])
    # The terminal shows the last line of the log.
    print(f"each of the {table.num_rows:,} articles is one of the classifier's too ({listed})")


def pretraining_articles(articles: pa.Table, seed_articles: pa.Table, pretraining: Pretraining, seed: int) -> pa.Table:
    """Draw articles with a given mix of labels.

    Seed articles, and articles with the same body, are left out. All others are the classifier's training, validation
    and test articles, so the classifier judges texts of a language model that has read a part of these. This can make
    its probabilities more extreme, but it favours no label.

    Parameters
    ----------
    articles
        The corpus, rows of `ARTICLES`.
    seed_articles
        Articles of all seed sets, rows of `ARTICLES`.
    pretraining
        Uses `label_mix`, the share of each label (scaled to sum to 1), and `articles`, the number of articles (None:
        as many as the mix allows).
    seed
        Seed of the draw and the order.

    Returns
    -------
    pa.Table
        Rows of `ARTICLES`, in random order.

    Raises
    ------
    StudyError
        If a label with a share has too few articles.
    """
    mix = {label: share for label, share in sorted(pretraining.label_mix.items()) if share}
    left = without_seed_articles(articles, seed_articles)
    pools = {label: shuffled_ids(left, label, derive_seed(seed, "pretraining_articles")) for label in mix}
    counts = _counts(mix, {label: len(pool) for label, pool in pools.items()}, pretraining.articles)
    chosen = sorted(article_id for label, count in counts.items() for article_id in pools[label][:count])
    order = np.random.default_rng(derive_seed(seed, "pretraining_order")).permutation(len(chosen))
    return take_articles(left, [chosen[index] for index in order])


def _counts(mix: Mapping[str, float], available: Mapping[str, int], asked: int | None) -> dict[str, int]:
    """Return the number of articles of each label; `asked` is their sum, None for the largest sum the mix allows."""
    for label, count in available.items():
        if not count:
            raise StudyError(
                f"{_LABEL_MIX} gives {label} a share, but the corpus has no article of {label} outside the seed sets: "
                "set that share to 0 or make the seed sets smaller."
            )
    total = sum(mix.values())
    largest = min(int(available[label] * total / share + 1e-9) for label, share in mix.items())
    counts = dict(zip(mix, apportion(largest if asked is None else asked, list(mix.values())), strict=True))
    if asked is None:
        # Rounding can ask for one article more than the label has.
        return {label: min(count, available[label]) for label, count in counts.items()}
    for label, count in counts.items():
        if count > available[label]:
            raise StudyError(
                f"base_model.pretraining.articles {asked} with {_LABEL_MIX} needs {count} articles of {label}, but the "
                f"corpus has {available[label]} outside the seed sets: set it to at most {largest}."
            )
    return counts
