"""Trainings that are killed after some of their steps."""

from pathlib import Path

from bias_amplification.artifacts.checkpoint import Checkpoint


class Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


class KilledAfter(Checkpoint):
    """Saves the state after every step, and kills the training after some saves."""

    def __init__(self, path: Path, saves: int) -> None:
        super().__init__(path, seconds=0)
        self.left = saves

    def save(self, tensors, facts) -> None:
        super().save(tensors, facts)
        self.left -= 1
        if not self.left:
            raise Killed
