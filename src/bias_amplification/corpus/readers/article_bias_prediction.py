"""Article-Bias-Prediction (Baly et al. 2020): one JSON file an article, in a folder or in the GitHub archive."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.archives import is_archive, read_members
from bias_amplification.corpus.findings import Finding
from bias_amplification.corpus.readers.rows import RowCollector, decode

URL = "https://github.com/ramybaly/Article-Bias-Prediction/archive/refs/heads/main.zip"
FOLDER = "data/jsons"
#: The natural text; `content` is masked and cut into tokens.
TEXT = "content_original"
NEEDED = ("ID", "bias", "title", TEXT)


def read(
    path: Path, *, label_map: Mapping[str, str | None], labels: Sequence[str] = ()
) -> tuple[pa.Table, list[Finding]]:
    """Read the corpus, in the order of the file names.

    Parameters
    ----------
    path
        The GitHub archive (zip or tar), or a folder that holds ``data/jsons`` or the JSON files themselves.
    label_map
        From the values of the field ``bias`` (0, 1, 2) to the study's labels.
    labels
        The study's labels; empty allows any.

    Returns
    -------
    articles, findings
        The topic is the event. A file that is cut short or lacks a field is counted as lost, by its name.

    Raises
    ------
    StudyError
        If no such file is there or none can be read, or a label is unknown.
    """
    path = Path(path)
    collector = RowCollector(label_map, labels, str(path))
    files = 0
    for name, content in _files(path):
        files += 1
        article = _article(content, name)
        if article is None:
            collector.note("file that is not whole JSON", False, name)
            continue
        missing = [field for field in NEEDED if article.get(field) is None]
        if missing:
            collector.note(f"file without the field {missing[0]}", False, name)
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
        raise StudyError(f"{path} (corpus.path) holds no {FOLDER}/*.json: name the archive or the folder that does.")
    if not table.num_rows:
        raise StudyError(f"{path} (corpus.path): none of its {files} JSON files gave an article: download it again.")
    return table, findings


def _article(content: bytes, name: str) -> dict | None:
    try:
        article = json.loads(decode(content, name)[0])
    except ValueError:
        return None
    return article if isinstance(article, dict) else None


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        folder = next((part for part in (path / FOLDER, path / "jsons", path) if any(part.glob("*.json"))), None)
        if folder is None:
            # An unpacked archive has one folder more, named after the branch.
            folder = next(iter(sorted(path.glob(f"*/{FOLDER}"))), path)
        for file in sorted(folder.glob("*.json")):
            yield file.name, file.read_bytes()
        return
    if not path.is_file():
        raise StudyError(
            f"{path} (corpus.path) does not exist: name the Article-Bias-Prediction archive or its folder."
        )
    if not is_archive(path):
        raise StudyError(f"{path} (corpus.path) is neither a folder nor a zip or tar archive: name one of these.")
    for name, content in read_members(path, lambda name: f"/{FOLDER}/" in f"/{name}" and name.endswith(".json")):
        yield name.rsplit("/", 1)[-1], content
