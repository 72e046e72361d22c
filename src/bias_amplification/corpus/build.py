"""Build the corpus: read the source, clean its articles, and remove the identity of outlets and authors."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import ARTICLES, CLEANING
from bias_amplification.corpus.cleaning import clean, drop_unusable
from bias_amplification.corpus.findings import Finding, findings_table
from bias_amplification.corpus.identity import remove_identity
from bias_amplification.corpus.sources import read_source
from bias_amplification.study.sections import Corpus


class CorpusFiles(NamedTuple):
    """The files of a corpus."""

    articles: Path
    """The articles, cleaned: rows of `ARTICLES`."""
    cleaning: Path
    """The report of changes and losses: rows of `CLEANING`."""
    review: Path
    """The proposals for identity removal, a CSV for a person to review."""


def build_corpus(out: CorpusFiles, corpus: Corpus, seed: int, downloads: Path) -> None:
    """Read the source, clean its articles, remove the identity of outlets and authors, and write the three files.

    Parameters
    ----------
    out
        The files to make.
    corpus
        The config's section.
    seed
        Seed of the embedded press.
    downloads
        Folder for downloaded archives.

    Raises
    ------
    StudyError
        If the source cannot be read, or a label has no usable article.
    """
    articles, findings = read_source(corpus, seed, downloads)
    min_words = corpus.cleaning.min_words
    # A source without any titles holds short texts, which need none.
    require_title = any(title.strip() for title in articles["title"].to_pylist())
    articles, cleaned = clean(articles, min_words=min_words, require_title=require_title)
    _check_labels(articles, corpus.labels, "cleaning")
    articles, removed = remove_identity(articles, corpus.identity, out.review)
    articles, shortened = drop_unusable(
        articles, min_words=min_words, require_title=require_title, step="after identity removal"
    )
    _check_labels(articles, corpus.labels, "identity removal")
    counts = [
        Finding("result", f"articles of {label} in the corpus", True, count)
        for label, count in _counts(articles, corpus.labels)
    ]
    write_table(findings_table([*findings, *cleaned, *removed, *shortened, *counts]), out.cleaning, CLEANING)
    write_table(articles, out.articles, ARTICLES)


def _counts(articles: pa.Table, labels: Sequence[str]) -> list[tuple[str, int]]:
    own = articles["label"].to_pylist()
    return [(label, own.count(label)) for label in labels]


def _check_labels(articles: pa.Table, labels: Sequence[str], stage: str) -> None:
    if not articles.num_rows:
        raise StudyError(
            f"no article is left after {stage}: lower corpus.cleaning.min_words or correct corpus.columns."
        )
    for label, count in _counts(articles, labels):
        if not count:
            raise StudyError(
                f"no article of the label {label} is left after {stage}: correct corpus.label_map, or remove the label "
                "from corpus.labels."
            )
