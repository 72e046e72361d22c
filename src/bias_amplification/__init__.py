"""Measure how a language model trained on its own output grows more biased, and which neurons go with it."""

__version__ = "0.1.0"
