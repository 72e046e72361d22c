"""Measure how a language model trained on its own output grows more biased, and which neurons go with it."""

from pathlib import Path

__version__ = "0.1.0"

#: What the project ships as data: the embedded press's grammar, outlets' names, published results.
RESOURCES = Path(__file__).resolve().parents[2] / "resources"
