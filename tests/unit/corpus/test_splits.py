"""Splits into training, validation and test."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.corpus.splits import PARTS, SHARES, split_groups, split_random

LABELS = ["a", "b", "c"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=200), st.integers(0, 5))
def test_random_split_is_stratified_to_within_one_article(labels, seed):
    parts = split_random(labels, seed)

    for label in set(labels):
        own = [part for part, other in zip(parts, labels, strict=True) if other == label]
        for part, share in zip(PARTS, SHARES, strict=True):
            assert abs(own.count(part) - share * len(own)) < 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["x", "y", "z", "v", "w", None]), st.sampled_from(LABELS)), max_size=150),
    st.integers(0, 5),
)
def test_groups_are_never_divided(pairs, seed):
    groups, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    parts = split_groups(groups, labels, seed)

    if len(set(groups) - {None}) < 3:
        assert parts is None
        return
    where = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        if group is not None:
            where[group].add(part)
    assert set(map(len, where.values())) == {1}
    assert set(parts) <= set(PARTS)


def test_group_split_keeps_the_shares_of_all_labels_with_many_groups():
    generator = np.random.default_rng(0)
    groups = [f"g{number}" for number in generator.integers(0, 300, 3000)]
    labels = generator.choice(LABELS, 3000).tolist()

    parts = split_groups(groups, labels, 0)

    for label in LABELS:
        own = [part for part, other in zip(parts, labels, strict=True) if other == label]
        for part, share in zip(PARTS, SHARES, strict=True):
            assert abs(own.count(part) / len(own) - share) < 0.01
