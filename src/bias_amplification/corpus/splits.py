"""Divides what the seed sets leave: the classifier's articles with their splits, and the pretraining articles."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES
from bias_amplification.corpus.cleaning import body_key
from bias_amplification.corpus.seed_sets import apportion, shuffled_ids, take
from bias_amplification.study.seeds import derive_seed

PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)
#: Fewer articles of a label cannot stand in all three parts in a way that says anything.
MINIMUM_PER_LABEL = 10


def without_seed_articles(articles: pa.Table, seed_articles: pa.Table) -> pa.Table:
    """Leave out the articles of the seed sets, whatever has the same body as one of them, and repeated bodies.

    Parameters
    ----------
    articles, seed_articles
        Rows of `ARTICLES`.

    Returns
    -------
    pa.Table
        In the order given; of articles with the same body the first.
    """
    excluded = set(seed_articles["article_id"].to_pylist())
    seen = {body_key(body) for body in seed_articles["body"].to_pylist()}
    mask = []
    for article_id, body in zip(articles["article_id"].to_pylist(), articles["body"].to_pylist(), strict=True):
        key = body_key(body)
        mask.append(article_id not in excluded and key not in seen)
        seen.add(key)
    return articles.select(ARTICLES.names).filter(pa.array(mask, pa.bool_()))


def classifier_articles(
    articles: pa.Table,
    seed_articles: pa.Table,
    labels: Sequence[str],
    seed: int,
    *,
    resample: bool = True,
    resample_first: bool = False,
    minimum: int = MINIMUM_PER_LABEL,
) -> pa.Table:
    """Make the classifier's articles, split three ways (paper, section 3.4).

    The paper resamples, then splits, so that copies of one article can stand in training and test. Here articles are
    split first, 70/15/15, and a smaller label's are then copied up to the largest label's within each part of the
    random split: every copy has the parts of its article. Copies (`copy` above 0) balance training; they add nothing
    to a test. `resample_first` is the paper's order.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    seed_articles
        The articles of all seed sets, which are left out with everything that has the body of one.
    labels
        The study's labels.
    seed
        Fixes the splits, the copies and the order.
    resample
        Whether smaller labels are copied up.
    resample_first
        Whether they are copied before the random split, which then divides the copies of an article.
    minimum
        Articles of each label that there must be.

    Returns
    -------
    pa.Table
        Rows of `CLASSIFIER_ARTICLES`, in random order. `split_event` puts each event in one part and `split_outlet`
        each outlet; an unknown one is a group of its own. They are null where fewer than three groups are known.

    Raises
    ------
    StudyError
        If too few articles of a label are left.
    """
    left = without_seed_articles(articles, seed_articles)
    own = np.array(left["label"].to_pylist(), dtype=object)
    for label in labels:
        count = int(np.sum(own == label))
        if count < minimum:
            raise StudyError(
                f"seed_sets: {count} articles of {label} are left for the classifier, which needs {minimum} at least: "
                "make the size of the seed sets with that label smaller."
            )
    left = left.filter(pa.array(np.isin(own, list(labels)), pa.bool_()))
    own = np.array(left["label"].to_pylist(), dtype=object)
    splits = {
        "split_random": split_random(own, derive_seed(seed, "split_random")),
        "split_event": split_groups(left["event_id"].to_pylist(), own, derive_seed(seed, "split_event")),
        "split_outlet": split_groups(left["outlet"].to_pylist(), own, derive_seed(seed, "split_outlet")),
    }
    generator = np.random.default_rng(derive_seed(seed, "classifier_articles"))
    parts = np.full(len(own), PARTS[0]) if resample_first else splits["split_random"]
    rows = _resampled_rows(own, parts, generator) if resample else np.arange(len(own))
    rows = rows[generator.permutation(len(rows))]
    table = left.take(pa.array(rows))
    table = table.append_column("copy", pa.array(_copy_numbers(rows), pa.int32()))
    for name, parts in splits.items():
        values = [None] * len(rows) if parts is None else [parts[row] for row in rows]
        if resample_first and name == "split_random":
            values = split_random(own[rows], derive_seed(seed, name)).tolist()
        table = table.append_column(name, pa.array(values, pa.string()))
    return table.select(CLASSIFIER_ARTICLES.names).cast(CLASSIFIER_ARTICLES).combine_chunks()


def split_random(labels: Sequence[str], seed: int) -> np.ndarray:
    """Split at random, stratified by label.

    Parameters
    ----------
    labels
        Label of each article.
    seed
        Fixes the draw.

    Returns
    -------
    np.ndarray of str, [article]
        The part of each; of every label, each part has its share to within one article.
    """
    labels = np.asarray(labels, dtype=object)
    parts = np.empty(len(labels), dtype=object)
    generator = np.random.default_rng(seed)
    for label in sorted(set(labels)):
        rows = generator.permutation(np.flatnonzero(labels == label))
        bounds = np.cumsum(apportion(len(rows), SHARES))[:-1]
        for part, chosen in zip(PARTS, np.split(rows, bounds), strict=True):
            parts[chosen] = part
    return parts


def split_groups(groups: Sequence[str | None], labels: Sequence[str], seed: int) -> np.ndarray | None:
    """Split so that all articles of a group are in one part.

    Groups are dealt out from the largest to the smallest, each to the part that then comes closest to its share of
    every label (relative squared error). After that, a part that has none of a label gets the smallest group that
    has, from a part with several.

    Parameters
    ----------
    groups
        Event or outlet of each article; None where unknown, a group of its own.
    labels
        Label of each article.
    seed
        Fixes the order among groups of one size.

    Returns
    -------
    np.ndarray of str, [article], or None
        The part of each; None with fewer than three known groups.
    """
    known = [group for group in groups if group is not None]
    if len(set(known)) < len(PARTS):
        return None
    keys = [("known", group) if group is not None else ("unknown", str(row)) for row, group in enumerate(groups)]
    names, group_of = np.unique([" ".join(key) for key in keys], return_inverse=True)
    kinds, label_of = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))  # [group, label]
    np.add.at(counts, (group_of, label_of), 1)
    target = np.outer(SHARES, counts.sum(axis=0))  # [part, label]
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    filled = np.zeros_like(target)
    part_of = np.empty(len(names), dtype=int)
    for group in order:
        # Only the change of the error counts: the part that loses most of it, or gains least, takes the group.
        change = (((filled + counts[group] - target) ** 2 - (filled - target) ** 2) / target).sum(axis=1)
        part_of[group] = int(np.argmin(change))
        filled[part_of[group]] += counts[group]
    _fill_empty(part_of, counts, filled, order)
    return np.array(PARTS, dtype=object)[part_of[group_of]]


def _fill_empty(part_of: np.ndarray, counts: np.ndarray, filled: np.ndarray, order: np.ndarray) -> None:
    """Move groups, in place, so that every part has every label where that takes nothing away elsewhere."""
    for part, label in zip(*np.nonzero(filled == 0), strict=True):
        for group in order[::-1]:
            donor = part_of[group]
            rest = filled[donor] - counts[group]
            if counts[group, label] and filled[part, label] == 0 and not np.any((rest == 0) & (filled[donor] > 0)):
                filled[donor] -= counts[group]
                filled[part] += counts[group]
                part_of[group] = part
                break


def _resampled_rows(labels: np.ndarray, parts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """List rows so that, within each part, all labels have as many as the largest; no article twice before all once."""
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
    seen: dict[int, int] = defaultdict(int)
    numbers = []
    for row in rows.tolist():
        numbers.append(seen[row])
        seen[row] += 1
    return numbers


def pretraining_articles(
    articles: pa.Table,
    exclude_ids: Collection[str],
    label_mix: Mapping[str, float | None],
    count: int | None,
    seed: int,
) -> pa.Table:
    """Draw the articles that a base model is pretrained on, with a set mix of labels.

    They are none of the seed articles and have none of their bodies. They may be the classifier's: the classifier
    then judges texts of a model that has read its training articles, which can make it surer but turns no label into
    another.

    Parameters
    ----------
    articles
        Rows of `ARTICLES`.
    exclude_ids
        The articles of all seed sets.
    label_mix
        Share of each label, made to sum to 1; None or 0: no article of it.
    count
        Articles in all; None: as many as the mix allows.
    seed
        Fixes the draw and the order.

    Returns
    -------
    pa.Table
        Rows of `ARTICLES`, in random order.

    Raises
    ------
    StudyError
        If a label with a share has too few articles, or no label has a share.
    """
    key = "base_model.pretraining.label_mix"
    mix = {label: float(share) for label, share in sorted(label_mix.items()) if share}
    if not mix or min(mix.values()) < 0:
        raise StudyError(f"{key} has {'a negative share' if mix else 'no label with a share above 0'}: mend it.")
    ids = set(exclude_ids)
    is_seed = pa.array([article_id in ids for article_id in articles["article_id"].to_pylist()], pa.bool_())
    left = without_seed_articles(articles, articles.filter(is_seed))
    pools = {label: shuffled_ids(left, label, derive_seed(seed, "pretraining_articles")) for label in mix}
    for label, pool in pools.items():
        if not pool:
            raise StudyError(
                f"{key} gives {label} a share, but no article of it is left outside the seed sets: mend it."
            )
    total = sum(mix.values())
    largest = min(int(len(pools[label]) * total / share + 1e-9) for label, share in mix.items())
    counts = dict(zip(mix, apportion(largest if count is None else count, list(mix.values())), strict=True))
    for label, wanted in counts.items():
        if wanted > len(pools[label]):
            # Rounding may ask for one more than exists when the largest draw is wanted.
            if count is None:
                counts[label] = len(pools[label])
                continue
            raise StudyError(
                f"base_model.pretraining.articles {count} with {key} needs {wanted} articles of {label}, and "
                f"{len(pools[label])} are left outside the seed sets: ask for at most {largest}."
            )
    chosen = sorted(article_id for label, wanted in counts.items() for article_id in pools[label][:wanted])
    order = np.random.default_rng(derive_seed(seed, "pretraining_order")).permutation(len(chosen))
    return take(left, [chosen[index] for index in order])
