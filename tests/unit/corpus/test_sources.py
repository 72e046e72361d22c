"""Sources of articles that the config names, and their readers."""

from importlib import import_module

import pytest

from bias_amplification.study.sections import Corpus
from bias_amplification.study.sections.corpus import SOURCES


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "press"])
def test_every_source_has_a_reader_and_a_published_one_an_address(name: str) -> None:
    reader = import_module(f"bias_amplification.corpus.readers.{name}")

    assert reader.read.__annotations__["corpus"] is Corpus
    assert SOURCES[name].published == hasattr(reader, "URL")
