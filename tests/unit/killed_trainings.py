"""Trainings that are killed after some of their steps."""

from pathlib import Path

from bias_amplification.artifacts.checkpoint import Checkpoint


class Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


class KilledAfter(Checkpoint):
    """Saves the state after every step, and kills the training after some saves.

    It adds `earlier_seconds` to the time of the training.
    """

    def __init__(self, path: Path, saves: int, earlier_seconds: float = 0.0) -> None:
        super().__init__(path, seconds=0)
        self.left = saves
        self.earlier_seconds = earlier_seconds

    def save(self, tensors, facts) -> None:
        super().save(tensors, facts)
        self.left -= 1
        if not self.left:
            raise Killed
