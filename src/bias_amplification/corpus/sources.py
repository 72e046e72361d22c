"""Read the source of labelled articles that the config names."""

from importlib import import_module
from pathlib import Path

import pyarrow as pa

from bias_amplification import RESOURCES
from bias_amplification.corpus.download import checksum_of, download
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.press import write_press
from bias_amplification.corpus.readers import table
from bias_amplification.corpus.readers.choice import choose_articles
from bias_amplification.corpus.readers.rows import STEP
from bias_amplification.study.sections import Corpus


def read_source(corpus: Corpus, seed: int, downloads: Path) -> tuple[pa.Table, list[Finding]]:
    """Read the part of the source that `corpus.where` chooses, or write the embedded press and choose from it.

    Parameters
    ----------
    corpus
        The config's section.
    seed
        Seed of the embedded press.
    downloads
        Folder for downloaded archives.

    Returns
    -------
    articles, findings
        Rows of `ARTICLES`, not cleaned.

    Raises
    ------
    StudyError
        If the source cannot be downloaded or read, or has no row that `corpus.where` names.
    """
    if corpus.source == "table":
        # The conditions may name columns that do not become a part of the articles.
        return table.read(Path(corpus.path), corpus)
    articles, findings = _whole_source(corpus, seed, downloads)
    chosen, left_out = choose_articles(articles, corpus.where, corpus.source)
    return chosen, [*findings, *left_out]


def _whole_source(corpus: Corpus, seed: int, downloads: Path) -> tuple[pa.Table, list[Finding]]:
    """Return all articles of a source that is no table."""
    if corpus.source == "press":
        articles = write_press(corpus.press.events, seed, RESOURCES / "press")
        return articles, [Finding(STEP, "articles written by the embedded press", True, articles.num_rows)]
    reader = import_module(f"bias_amplification.corpus.readers.{corpus.source}")
    if corpus.path is not None:
        return reader.read(Path(corpus.path), corpus)
    address = corpus.url or reader.URL
    path = download(address, downloads, corpus.checksum)
    # The report gives the checksum, so that a later run can be held to the same archive.
    digest = corpus.checksum or f"sha256:{checksum_of(path, 'sha256')}, not checked: corpus.checksum is empty"
    articles, findings = reader.read(path, corpus)
    return articles, [Finding(STEP, f"downloaded {address} ({digest})", True, 0), *findings]
