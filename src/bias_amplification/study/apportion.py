"""Divide a number of articles by shares."""

from collections.abc import Sequence

import numpy as np


def apportion(size: int, shares: Sequence[float]) -> list[int]:
    """Divide a number by shares into whole numbers.

    They sum to `size`, and each differs by less than one from its exact part.
    """
    exact = size * np.asarray(shares, float) / np.sum(shares)
    counts = np.floor(exact + 1e-9).astype(int)
    # A stable sort, so that of equal remainders the first is rounded up.
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: size - counts.sum()]] += 1
    return counts.tolist()
