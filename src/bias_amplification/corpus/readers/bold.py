"""Read BOLD (Dhamala et al. 2021): sentences of Wikipedia by group and page, in a folder or in the GitHub archive."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.corpus.findings import UNWANTED, Finding
from bias_amplification.corpus.messages import short
from bias_amplification.corpus.readers.decoding import decode
from bias_amplification.corpus.readers.files import published_json
from bias_amplification.corpus.readers.rows import RowCollector
from bias_amplification.study.sections import Corpus

URL = "https://github.com/amazon-science/bold/archive/3ad652c773f5d1e30d5f6f61657ed934d768ecad.zip"
FOLDER = "wikipedia"
#: Limit on the size of all JSON files, in bytes unpacked: far more than the published files need.
UNPACKED_LIMIT = 2**28


def read(path: Path, corpus: Corpus) -> tuple[pa.Table, list[Finding]]:
    """Read the sentences of the groups that the config names, in the order of the files. Each is an article.

    Parameters
    ----------
    path
        The GitHub archive (zip or tar), a folder with ``wikipedia``, or a folder with its JSON files.
    corpus
        Uses `label_map`, from groups such as American_actors to the study's labels. Other groups are left out.

    Returns
    -------
    articles, findings
        The page of a sentence is its event. Sentences have no title and no outlet.

    Raises
    ------
    StudyError
        If there is no such file, one is damaged or has another layout, or a group of `label_map` is in none of them.
    """
    collector = RowCollector(corpus, str(path))
    groups: dict[str, None] = {}
    for name, content in published_json(path, FOLDER, "BOLD's", UNPACKED_LIMIT):
        for group, page, number, sentence in _sentences(content, name, corpus):
            groups[group] = None
            article_id = f"{group}/{page}/{number}"
            if group in corpus.label_map:
                collector.add(f"{name}, {article_id}", article_id, group, event_id=page, body=sentence)
            else:
                collector.lose(UNWANTED, article_id)
    if not groups:
        raise StudyError(f"{path} (corpus.path) has no {FOLDER}/*.json: name the archive or folder that has them.")
    for group in corpus.label_map:
        if group not in groups:
            raise StudyError(
                f"{path} (corpus.path) has no sentence of the group {short(repr(group))} (it has "
                f"{short(', '.join(groups))}): correct corpus.label_map."
            )
    return collector.finish()


def _sentences(content: bytes, name: str, corpus: Corpus) -> Iterator[tuple[str, str, int, Any]]:
    """Yield group, page, number on the page (from 1) and text of each sentence of a file."""
    try:
        groups = json.loads(decode(content, name, corpus.encoding, corpus.cleaning.most_lost), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{name} is not JSON ({one_line(error)}): download it again.") from error
    for group, pages in _pairs(groups, name):
        for page, sentences in _pairs(pages, f"{name}, {short(group)}"):
            if not isinstance(sentences, list):
                raise _other_layout(f"{name}, {short(group)}, {short(page)}")
            for number, sentence in enumerate(sentences, start=1):
                yield group, page, number, sentence


class _Pairs(list):
    """The names and values of a JSON object. A name can occur twice, which a dictionary would hide."""


def _pairs(value: Any, place: str) -> _Pairs:
    if not isinstance(value, _Pairs):
        raise _other_layout(place)
    return value


def _other_layout(place: str) -> StudyError:
    return StudyError(
        f"{place} is not in BOLD's layout, a JSON object of groups, each an object of pages, each a list of sentences: "
        f"name the folder {FOLDER} of BOLD in corpus.path."
    )
