"""Fast, reproducible random draws."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


class Dice:
    """Random draws that depend on a key of whole numbers only.

    Parameters
    ----------
    key
        Non-negative whole numbers, such as the seed, the event's number and the article's number in the event. NumPy's
        seed sequence mixes them, in the same way on all machines.
    """

    def __init__(self, *key: int) -> None:
        self._generator = np.random.default_rng(key)
        self._uniform: list[float] = []

    def uniform(self) -> float:
        """Draw from [0, 1)."""
        if not self._uniform:
            self._uniform = self._generator.random(128).tolist()
        return self._uniform.pop()

    def whole(self, first: int, last: int) -> int:
        """Draw a whole number from `first` to `last`, both included."""
        return first + int(self.uniform() * (last - first + 1))

    def pick(self, options: Sequence[Choice]) -> Choice:
        """Draw one option. All are equally likely."""
        return options[int(self.uniform() * len(options))]

    def shuffle(self, options: Sequence[Choice]) -> list[Choice]:
        """Return the options in random order."""
        return [options[place] for place in self._generator.permutation(len(options))]

    def beta(self, first: float, second: float) -> float:
        """Draw from a Beta distribution."""
        return float(self._generator.beta(first, second))
