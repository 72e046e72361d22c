"""Division of a number by shares."""

from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.study.apportion import apportion


@given(st.integers(0, 500), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_apportioned_counts_sum_to_the_number_and_differ_by_less_than_one_from_their_shares(size, shares):
    counts = apportion(size, shares)

    assert sum(counts) == size
    assert all(abs(count - size * share / sum(shares)) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))
