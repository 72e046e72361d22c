"""The embedded press: political news of an invented country, written by a small grammar.

The vocabulary and the sentences are data (`resources/press/*.yaml`); the modules here combine them into articles. They
are the only modules of the package that contain the names of labels: left, center and right.
"""

from bias_amplification.corpus.press.edition import write_press
from bias_amplification.corpus.press.resources import Press, load_press
from bias_amplification.corpus.press.slots import LABELS

__all__ = ["LABELS", "Press", "load_press", "write_press"]
