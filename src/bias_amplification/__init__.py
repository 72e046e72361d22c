"""Measure how a language model trained on its own output grows more biased, and which neurons change with it."""

from pathlib import Path

__version__ = "0.2.0.dev0"

_PACKAGE = Path(__file__).resolve().parent

#: The folder of the workflow and its data: the package itself where it is installed, the checkout's root otherwise.
ROOT = _PACKAGE if (_PACKAGE / "workflow").is_dir() else _PACKAGE.parents[1]

#: Data that the project ships: the embedded press's grammar, outlets' names, published results.
RESOURCES = ROOT / "resources"
