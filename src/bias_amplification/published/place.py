"""Where the published numbers lie. Read by the workflow, so nothing heavy is imported."""

import os

from bias_amplification import RESOURCES


def trajectories_file() -> str:
    """Path of the per-generation results, relative, so that a project that has moved is still the same."""
    return os.path.relpath(RESOURCES / "published" / "trajectories.csv")


def statements_file() -> str:
    """Path of the numbers in the paper's text and Table 1, relative."""
    return os.path.relpath(RESOURCES / "published" / "statements.csv")
