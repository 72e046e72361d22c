"""Makes the corpus's files: articles, cleaning report, review file, seed sets, classifier and pretraining articles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from bias_amplification import RESOURCES
from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES, CLEANING
from bias_amplification.corpus.cleaning import clean, drop_unusable
from bias_amplification.corpus.download import checksum_of, download
from bias_amplification.corpus.findings import Finding, findings_table
from bias_amplification.corpus.seed_sets import draw_seed_set
from bias_amplification.corpus.splits import MINIMUM_PER_LABEL, classifier_articles, pretraining_articles


def build_corpus(
    out_articles: Path,
    out_cleaning: Path,
    out_review: Path,
    *,
    source: str,
    path: Path | None,
    url: str | None,
    checksum: str | None,
    columns: Mapping[str, str | None],
    label_map: Mapping[str, str | None],
    labels: Sequence[str],
    cleaning: Mapping[str, Any],
    identity: Mapping[str, Any],
    press: Mapping[str, Any],
    downloads: Path,
) -> None:
    """Read a source, clean its articles, remove what identifies outlets and authors, and write all three tables.

    Parameters
    ----------
    out_articles, out_cleaning, out_review
        Files to make: `ARTICLES`, `CLEANING`, and the review file (CSV), which always holds the proposals.
    source
        "press", "webis", "article_bias_prediction" or "table".
    path, url, checksum
        A local copy; else the archive's address (None: the source's own) and "md5:..." or "sha256:..." of it.
    columns, label_map
        How a table's columns and a source's label values are called; see the readers.
    labels
        The study's labels. Each must have articles.
    cleaning
        ``min_words``.
    identity
        ``remove`` (bool), ``review_file`` (path or None), ``outlets_file`` (path or None).
    press
        Arguments of `write_press`: ``events``, ``seed``, ...
    downloads
        Folder where downloaded archives are kept.

    Raises
    ------
    StudyError
        If the source cannot be read, or a label has no usable article.
    """
    articles, findings = read_source(
        source,
        path=path,
        url=url,
        checksum=checksum,
        columns=columns,
        label_map=label_map,
        labels=labels,
        press=press,
        downloads=downloads,
    )
    min_words = int(cleaning["min_words"])
    # A source without any titles is one of short texts: its articles are not at fault.
    require_title = any(title.strip() for title in articles["title"].to_pylist())
    articles, cleaned = clean(articles, min_words=min_words, require_title=require_title)
    findings += cleaned
    _check_labels(articles, labels, "cleaning")
    articles, removed = _remove_identity(articles, out_review, identity)
    findings += removed
    articles, shortened = drop_unusable(
        articles, min_words=min_words, require_title=require_title, step="after identity removal"
    )
    findings += shortened
    _check_labels(articles, labels, "identity removal")
    findings += [
        Finding("result", f"articles of {label} in the corpus", True, n) for label, n in _counts(articles, labels)
    ]
    write_table(findings_table(findings), out_cleaning, CLEANING)
    write_table(articles, out_articles, ARTICLES)


def read_source(
    source: str,
    *,
    path: Path | None,
    url: str | None,
    checksum: str | None,
    columns: Mapping[str, str | None],
    label_map: Mapping[str, str | None],
    labels: Sequence[str],
    press: Mapping[str, Any],
    downloads: Path,
) -> tuple[pa.Table, list[Finding]]:
    """Read the source that the config names; see `build_corpus` for the arguments.

    Returns
    -------
    articles, findings
        Rows of `ARTICLES`, not cleaned.
    """
    if source == "press":
        from bias_amplification.corpus.press import write_press

        articles = write_press(**{"resources": RESOURCES / "press", **press})
        return articles, [Finding("reading", "articles written by the embedded press", True, articles.num_rows)]
    if source == "table":
        from bias_amplification.corpus.readers import delimited

        if path is None:
            raise StudyError("corpus.path is empty, and source table needs it: name a CSV, JSONL or Parquet file.")
        return delimited.read(Path(path), columns=columns, label_map=label_map, labels=labels)
    if source == "webis":
        from bias_amplification.corpus.readers import webis as reader
    elif source == "article_bias_prediction":
        from bias_amplification.corpus.readers import article_bias_prediction as reader
    else:
        raise StudyError(f"corpus.source {source!r} is not known: use press, webis, article_bias_prediction or table.")
    notes = []
    if path is None:
        address = url or reader.URL
        path = download(address, Path(downloads), checksum)
        # Said in the report, so that a run without a checksum can be repeated with one.
        digest = checksum or f"sha256:{checksum_of(path, 'sha256')}, not checked: corpus.checksum is empty"
        notes.append(Finding("reading", f"downloaded {address} ({digest})", True, 0))
    articles, findings = reader.read(Path(path), label_map=label_map, labels=labels)
    return articles, [*notes, *findings]


def _remove_identity(
    articles: pa.Table, out_review: Path, identity: Mapping[str, Any]
) -> tuple[pa.Table, list[Finding]]:
    from bias_amplification.corpus.identity import apply_review, propose, read_review, write_review
    from bias_amplification.corpus.identity.removal import review_finding

    outlets_file = Path(identity["outlets_file"]) if identity.get("outlets_file") else None
    review_file = Path(identity["review_file"]) if identity.get("review_file") else None
    # Read before the long search, so that a fault in it shows at once.
    reviewed = read_review(review_file) if review_file else None
    proposals = propose(articles, outlets_file=outlets_file)
    write_review(proposals, out_review)
    if not identity["remove"]:
        return articles, [Finding("identity", "nothing removed: corpus.identity.remove is off", True, 0)]
    review = proposals if reviewed is None else reviewed
    said = review_finding(review, proposals, review_file)
    articles, findings = apply_review(articles, review, proposals=proposals, outlets_file=outlets_file)
    return articles, [said, *findings]


def _counts(articles: pa.Table, labels: Sequence[str]) -> list[tuple[str, int]]:
    own = articles["label"].to_pylist()
    return [(label, own.count(label)) for label in labels]


def _check_labels(articles: pa.Table, labels: Sequence[str], stage: str) -> None:
    if not articles.num_rows:
        raise StudyError(f"no article is left after {stage}: lower corpus.cleaning.min_words or mend corpus.columns.")
    for label, count in _counts(articles, labels):
        if not count:
            raise StudyError(
                f"no article of the label {label} is left after {stage}: mend corpus.label_map, or remove it from "
                "corpus.labels."
            )


def draw_seed_sets(
    articles: Path,
    out: Mapping[str, Path],
    seed_sets: Mapping[str, Mapping[str, Any]],
    seed: int,
    *,
    random_state: int | None = None,
    reserve_share: float = 0.25,
    out_findings: Path | None = None,
) -> None:
    """Draw the seed sets, which may share articles with each other and share none with the classifier.

    Parameters
    ----------
    articles
        The corpus.
    out
        File of each seed set, `ARTICLES`, by name.
    seed_sets
        ``labels`` and ``size`` of each, by name; ``draw`` ("shuffled" if absent) and ``shared_with_classifier``.
    seed
        Fixes the draws. Seed sets are drawn from one order of each label, so they overlap as far as they can.
    random_state
        For sets whose ``draw`` is "pandas".
    reserve_share
        Share of a label's articles that a one-label set leaves to the classifier when it takes as many as exist.
    out_findings
        `CLEANING` table of seed sets that are smaller than asked; they are printed in any case.

    Raises
    ------
    StudyError
        If a seed set asks for more than there is.
    """
    table = read_table(articles, ARTICLES)
    own = table["label"].to_pylist()
    findings = []
    drawn = {}
    for name, wanted in seed_sets.items():
        labels = list(wanted["labels"])
        alone = len(labels) == 1 and not wanted.get("shared_with_classifier")
        reserve = max(MINIMUM_PER_LABEL, round(reserve_share * own.count(labels[0]))) if alone else 0
        state = random_state if wanted.get("draw") == "pandas" else None
        drawn[name], found = draw_seed_set(
            table, labels, int(wanted["size"]), seed, name=name, reserve=reserve, random_state=state
        )
        findings += found
    for found in findings:
        print(f"{found.step}: {found.finding}")
    if out_findings is not None:
        write_table(findings_table(findings), out_findings, CLEANING)
    for name, seed_set in drawn.items():
        write_table(seed_set, out[name], ARTICLES)


def _seed_articles(seed_sets: Sequence[Path]) -> pa.Table:
    tables = [read_table(path, ARTICLES) for path in seed_sets]
    return pa.concat_tables(tables) if tables else ARTICLES.empty_table()


def split_classifier_articles(
    articles: Path,
    seed_sets: Sequence[Path],
    out: Path,
    *,
    labels: Sequence[str],
    seed: int,
    resample: bool = True,
    resample_first: bool = False,
) -> None:
    """Write the classifier's articles, which share none with the seed sets given.

    Parameters
    ----------
    articles, seed_sets
        The corpus and the files of the seed sets, but for those that may share articles with the classifier.
    out
        `CLASSIFIER_ARTICLES`.
    labels, seed, resample, resample_first
        See `classifier_articles`.

    Raises
    ------
    StudyError
        If too few articles of a label are left, or one is in a seed set.
    """
    seed_articles = _seed_articles(seed_sets)
    table = classifier_articles(
        read_table(articles, ARTICLES), seed_articles, labels, seed, resample=resample, resample_first=resample_first
    )
    shared = set(table["article_id"].to_pylist()) & set(seed_articles["article_id"].to_pylist())
    if shared:
        raise StudyError(
            f"{out}: {min(shared)} is in a seed set too: delete the corpus's files and run snakemake again."
        )
    write_table(table, out, CLASSIFIER_ARTICLES)


def draw_pretraining(
    articles: Path,
    seed_sets: Sequence[Path],
    out: Path,
    *,
    label_mix: Mapping[str, float | None],
    count: int | None,
    seed: int,
) -> None:
    """Write the articles that the base model is pretrained on; see `pretraining_articles`.

    Parameters
    ----------
    articles, seed_sets
        The corpus and the files of all seed sets.
    out
        `ARTICLES`.
    label_mix, count, seed
        See `pretraining_articles`.
    """
    exclude = set(_seed_articles(seed_sets)["article_id"].to_pylist())
    table = pretraining_articles(read_table(articles, ARTICLES), exclude, label_mix, count, seed)
    write_table(table, out, ARTICLES)
