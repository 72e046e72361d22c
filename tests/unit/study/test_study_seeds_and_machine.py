"""Seeds and what the machine offers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.study import derive_seed, gpus_per_job

parts = st.lists(st.text() | st.integers(), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("arguments", "seed"),
    [
        # Pinned: another value here would change every published number. sha256sum of the tuple's text gives them.
        ((42, "finetune", "balanced_synthetic", 3), 779931089),
        ((42, "pretraining"), 401872005),
        ((0,), 1223360973),
    ],
)
def test_known_values(arguments: tuple, seed: int) -> None:
    assert derive_seed(*arguments) == seed


@given(seed=st.integers(0, 2**40), one=parts, other=parts)
def test_seeds_are_accepted_everywhere_and_differ(seed: int, one: list, other: list) -> None:
    found = derive_seed(seed, *one)

    np.random.RandomState(found)
    assert 0 <= found < 2**31
    assert found == derive_seed(seed, *one)
    assert (found == derive_seed(seed, *other)) == (one == other)
    assert found != derive_seed(seed + 1, *one)


def test_parts_do_not_run_together() -> None:
    assert len({derive_seed(1, "a", "b"), derive_seed(1, "ab"), derive_seed(1, "a", 1), derive_seed(1, "a", "1")}) == 4


@pytest.mark.parametrize(
    ("device", "visible", "gpus"),
    [("cuda", "", 1), ("cuda", None, 1), ("cpu", None, 0), ("auto", "", 0), ("auto", "-1", 0)],
)
def test_gpus_per_job(monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, gpus: int) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert gpus_per_job(device) == gpus
