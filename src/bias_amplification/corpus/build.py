"""Build the corpus: read the source, clean its articles, and remove the identity of outlets and authors."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import ARTICLES, CLEANING
from bias_amplification.corpus.cleaning import clean, drop_unusable
from bias_amplification.corpus.findings import (
    BY_CONFIG,
    LOST,
    MENDED,
    UNCHOSEN,
    UNDRAWN,
    Finding,
    findings_table,
    losses_in_words,
)
from bias_amplification.corpus.identity import remove_identity
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.sampling import sample_articles
from bias_amplification.corpus.sizes import sample_counts
from bias_amplification.corpus.sources import read_source
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Corpus


class CorpusFiles(NamedTuple):
    """The files of a corpus."""

    articles: Path
    """The articles, cleaned: rows of `ARTICLES`."""
    cleaning: Path
    """The report of changes and losses: rows of `CLEANING`."""
    review: Path
    """The proposals for identity removal, a CSV for a person to review."""


def build_corpus(out: CorpusFiles, corpus: Corpus, wanted: Mapping[str, int], seed: int, downloads: Path) -> None:
    """Read the source, clean its articles, remove the identity of outlets and authors, and write the three files.

    A sample (`corpus.sample`) is drawn between cleaning and identity removal. The log lists what is left out.

    Parameters
    ----------
    out
        The files to make.
    corpus
        The config's section.
    wanted
        Number of articles of each label that the rounds take (`articles_wanted`). A sample has them.
    seed
        Seed of the embedded press and of a sample.
    downloads
        Folder for downloaded archives.

    Raises
    ------
    StudyError
        If the source cannot be read, more than `most_lost` of its rows are left out or mended, a label has no usable
        article, or the sample is too small.
    """
    articles, findings = read_source(corpus, seed, downloads)
    words = {"min_words": corpus.cleaning.min_words, "language": corpus.language}
    articles, cleaned = clean(articles, **words)
    findings += cleaned
    _check_losses(findings, articles.num_rows, corpus)
    _check_labels(articles, corpus.labels, "cleaning")
    if corpus.sample is not None:
        before = articles.num_rows
        sizes = sample_counts(dict(_counts(articles, corpus.labels)), corpus.sample, wanted)
        articles = sample_articles(articles, sizes, derive_seed(seed, "sample"))
        findings.append(Finding("sample", UNDRAWN, False, before - articles.num_rows))
    articles, removed = remove_identity(articles, corpus.identity, out.review)
    articles, shortened = drop_unusable(articles, **words, step="after identity removal")
    findings += [*removed, *shortened]
    _check_losses(findings, articles.num_rows, corpus)
    _check_labels(articles, corpus.labels, "identity removal")
    counts = [
        Finding("result", f"articles of {label} in the corpus", True, count)
        for label, count in _counts(articles, corpus.labels)
    ]
    write_table(findings_table([*findings, *counts]), out.cleaning, CLEANING)
    write_table(articles, out.articles, ARTICLES)
    for item in sorted((item for item in findings if not item.kept), key=lambda item: -item.articles):
        such = f", such as {short('; '.join(item.examples))}" if item.examples else ""
        print(f"left out ({item.step}): {item.finding}: {item.articles:,}{such}")
    # The terminal shows the last line of the log.
    print(losses_in_words(findings, articles.num_rows))


def _check_losses(findings: Sequence[Finding], left: int, corpus: Corpus) -> None:
    """Stop if more than the allowed share of the source's rows were left out or mended, or have lost characters.

    A file that is read in a wrong way shows itself by many such rows. Rows that `where` leaves out are no rows of the
    corpus: with them, a small part of a large table could be lost unnoticed.
    """
    left_out = (item for item in findings if not item.kept and item.finding != UNCHOSEN)
    losses = sorted(left_out, key=lambda item: -item.articles)
    rows = left + sum(item.articles for item in losses)
    losses = [item for item in losses if item.finding not in BY_CONFIG]
    lost = sum(item.articles for item in losses)
    most_lost = corpus.cleaning.most_lost
    # Words are counted between spaces in English only, and other scripts may have none.
    counted = f" Words are counted as in the language {corpus.language} (corpus.language)."
    counted *= any("words" in item.finding for item in losses)
    # Titles and bodies are counted by themselves.
    mended, broken = (
        max((item.articles for item in findings if item.finding.endswith(end)), default=0) for end in (MENDED, LOST)
    )
    reasons = "; ".join(f"{short(item.finding)}: {item.articles}, such as {short(item.examples[0])}" for item in losses)
    for count, fate in (
        (lost, f"are left out ({reasons})"),
        (mended, "have broken characters, which were mended"),
        (broken, "have characters that were lost before (U+FFFD), because a program read them in a wrong encoding"),
    ):
        if count > most_lost * rows:
            raise StudyError(
                f"{count} of the corpus's {rows} rows {fate}. This is more than corpus.cleaning.most_lost allows "
                f"({most_lost:g}).{counted} Correct the file or the section corpus of the config, or set "
                f"corpus.cleaning.most_lost to {math.ceil(100 * count / rows) / 100:g}."
            )


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
