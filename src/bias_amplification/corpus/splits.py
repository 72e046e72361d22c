"""Split articles into training, validation and test: at random, or so that groups of articles stay together."""

from collections.abc import Sequence

import numpy as np

from bias_amplification.study.apportion import apportion

#: The parts of a split: articles for training, for the choice of the epoch, and for the test; and their shares.
PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)


def split_random(labels: Sequence[str], seed: int) -> np.ndarray:
    """Split at random, stratified by label.

    Parameters
    ----------
    labels
        Label of each article.
    seed
        Seed of the draw.

    Returns
    -------
    np.ndarray of str, [article]
        The part of each article. The articles of each label are divided by `SHARES`, to within one article.
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

    Groups are assigned from the largest to the smallest. Each goes to the part whose label counts then come closest
    to their targets (`SHARES` of each label, by relative squared error). Afterwards, a part without any article of a
    label receives the smallest group that has one, from a part that can spare it.

    Parameters
    ----------
    groups
        Event or outlet of each article. None means unknown: the article is then a group of its own.
    labels
        Label of each article.
    seed
        Seed of the order among groups of the same size.

    Returns
    -------
    np.ndarray of str, [article], or None
        The part of each article; None if fewer than three groups are known.
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
        # Assigning a group changes the error of one part only, so the part with the lowest change gives the lowest
        # total error.
        change = (((filled + counts[group] - target) ** 2 - (filled - target) ** 2) / target).sum(axis=1)
        part_of[group] = int(np.argmin(change))
        filled[part_of[group]] += counts[group]
    _fill_empty(part_of, counts, filled, order)
    return np.array(PARTS, dtype=object)[part_of[group_of]]


def _fill_empty(part_of: np.ndarray, counts: np.ndarray, filled: np.ndarray, order: np.ndarray) -> None:
    """Move groups, in place, to parts that lack a label, unless the other part would lose its last of a label."""
    for part, label in zip(*np.nonzero(filled == 0), strict=True):
        for group in order[::-1]:
            donor = part_of[group]
            rest = filled[donor] - counts[group]
            if counts[group, label] and filled[part, label] == 0 and not np.any((rest == 0) & (filled[donor] > 0)):
                filled[donor] -= counts[group]
                filled[part] += counts[group]
                part_of[group] = part
                break
