"""Read Article-Bias-Prediction (Baly et al. 2020): one JSON file per article, in a folder or in the GitHub archive."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.readers.decoding import decode
from bias_amplification.corpus.readers.files import published_json
from bias_amplification.corpus.readers.rows import RowCollector
from bias_amplification.study.sections import Corpus

URL = "https://github.com/ramybaly/Article-Bias-Prediction/archive/refs/heads/main.zip"
FOLDER = "data/jsons"
#: Limit on the size of all JSON files, in bytes unpacked: far more than the published files need.
UNPACKED_LIMIT = 2**31
#: The field with the text as published. The field `content` has it with masked names, cut into tokens.
TEXT = "content_original"
NEEDED = ("ID", "bias", "title", TEXT)


def read(path: Path, corpus: Corpus) -> tuple[pa.Table, list[Finding]]:
    """Read the articles, in the order of the file names.

    Parameters
    ----------
    path
        The GitHub archive (zip or tar), a folder with ``data/jsons``, or a folder with the JSON files.
    corpus
        Uses `label_map`, from the values of the field ``bias`` (0, 1, 2) to the study's labels.

    Returns
    -------
    articles, findings
        The topic of an article is its event. Files that are cut short or lack a field are counted as lost.

    Raises
    ------
    StudyError
        If there is no such file, none can be read, or a label is unknown.
    """
    collector = RowCollector(corpus, str(path))
    files = 0
    for name, content in published_json(path, FOLDER, "the Article-Bias-Prediction", UNPACKED_LIMIT):
        files += 1
        article = _article(content, name, corpus)
        if article is None:
            collector.lose("file that is not whole JSON, or has a field twice", name)
            continue
        missing = [field for field in NEEDED if article.get(field) is None]
        if missing:
            collector.lose(f"file without the field {missing[0]}", name)
            continue
        collector.add(
            name,
            str(article["ID"]),
            str(article["bias"]),
            event_id=article.get("topic"),
            outlet=article.get("source"),
            date=article.get("date"),
            title=article["title"],
            body=article[TEXT],
        )
    table, findings = collector.finish()
    if not files:
        raise StudyError(f"{path} (corpus.path) has no {FOLDER}/*.json: name the archive or folder that has them.")
    if not table.num_rows:
        raise StudyError(
            f"{path} (corpus.path) has {files} JSON files, but none has a complete article: download it again."
        )
    return table, findings


def _article(content: bytes, name: str, corpus: Corpus) -> dict | None:
    try:
        # A line with bytes of another encoding makes one article unreadable, not the source.
        article = json.loads(decode(content, name, corpus.encoding, most_lost=1), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return article if isinstance(article, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. One with a name twice has two values, of which none is the right one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found
