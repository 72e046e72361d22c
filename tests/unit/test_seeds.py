"""Seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.seeds import derive_seed

parts = st.lists(st.text() | st.integers(), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("arguments", "seed"),
    [
        # Fixed: with other values, all results change. They are the first 4 bytes of `sha256sum` of the tuple's text,
        # halved.
        ((42, "finetune", "balanced_synthetic", 3), 779931089),
        ((42, "pretraining"), 401872005),
        ((0,), 1223360973),
    ],
)
def test_known_values(arguments: tuple, seed: int) -> None:
    assert derive_seed(*arguments) == seed


@given(seed=st.integers(0, 2**40), one=parts, other=parts)
def test_seeds_differ_and_are_accepted_by_numpy(seed: int, one: list, other: list) -> None:
    found = derive_seed(seed, *one)

    np.random.RandomState(found)
    assert 0 <= found < 2**31
    assert found == derive_seed(seed, *one)
    assert (found == derive_seed(seed, *other)) == (one == other)
    assert found != derive_seed(seed + 1, *one)


def test_parts_are_kept_apart() -> None:
    assert len({derive_seed(1, "a", "b"), derive_seed(1, "ab"), derive_seed(1, "a", 1), derive_seed(1, "a", "1")}) == 4
