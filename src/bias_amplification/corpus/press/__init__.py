"""The embedded press: political news of an invented country, written by the project itself.

The vocabulary and the sentences are data (`resources/press/*.yaml`); this package is the small grammar engine that
puts them together. It is the only place of the package that knows labels by name: left, center and right.
"""

from bias_amplification.corpus.press.edition import write_press
from bias_amplification.corpus.press.resources import Press, load_press
from bias_amplification.corpus.press.slots import LABELS

__all__ = ["LABELS", "Press", "load_press", "write_press"]
