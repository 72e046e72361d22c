"""Changes of label: from the label of a real article to that of the article that a model writes from its prompts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, predictions
from bias_amplification.artifacts.schemas.diversity import EVENT_SHARES, TRANSITIONS
from bias_amplification.measures.intervals import wilson_interval

#: Columns that describe a version.
_DESCRIPTION = ("round", "replicate", "generation", "seed_set")
#: Fewest articles of an event for which shares are computed.
EVENT_ARTICLES = 5


@dataclass(frozen=True, kw_only=True)
class ClassifiedVersion:
    """A model version whose articles are classified.

    Attributes
    ----------
    round, replicate, generation, seed_set
        The version, as in `schemas.metrics`. The base model has no generation.
    real
        Path of the real articles whose prompts it continued (`ARTICLES`).
    predictions
        Path of the labels of what it wrote (`schemas.predictions`).
    """

    round: str
    replicate: int
    generation: int | None
    seed_set: str
    real: Path | str
    predictions: Path | str


class _Article(NamedTuple):
    """A real article, and the label of what was written from its prompts."""

    label: str
    event_id: str | None
    predicted: str | None
    """None for a text without a label."""


def collect_transitions(
    versions: Sequence[ClassifiedVersion], out: Path | str, out_events: Path | str, labels: Sequence[str]
) -> None:
    """Write how often articles of each real label get each label, and the labels of the articles of each event.

    Parameters
    ----------
    versions
        All versions of the study.
    out
        `TRANSITIONS`, in the order of `versions` and `labels`.
    out_events
        `EVENT_SHARES`, for events or topics with at least `EVENT_ARTICLES` articles in the seed set. It has no rows if
        the seed sets have none.
    labels
        The study's labels.

    Raises
    ------
    StudyError
        If predictions are of other articles than the seed set. The message names both files.
    """
    transitions: list[dict] = []
    events: list[dict] = []
    for version in versions:
        articles = _read(version, labels)
        about = {column: getattr(version, column) for column in _DESCRIPTION}
        transitions += [about | row for row in transition_rows(articles, labels)]
        events += [about | row for row in event_rows(articles, labels)]
    write_table(pa.Table.from_pylist(transitions, TRANSITIONS), out, TRANSITIONS)
    write_table(pa.Table.from_pylist(events, EVENT_SHARES), out_events, EVENT_SHARES)


def transition_rows(articles: Sequence[_Article], labels: Sequence[str]) -> Iterator[dict]:
    """Yield the rows of `TRANSITIONS` of one version, without the columns that describe the version."""
    for label in labels:
        own = [article.predicted for article in articles if article.label == label]
        for predicted in labels if own else ():
            yield {"label": label, "predicted": predicted} | _share(Counter(own), predicted)


def event_rows(articles: Sequence[_Article], labels: Sequence[str]) -> Iterator[dict]:
    """Yield the rows of `EVENT_SHARES` of one version, without the columns that describe the version."""
    by_event: dict[str, list[_Article]] = {}
    for article in articles:
        if article.event_id is not None:
            by_event.setdefault(article.event_id, []).append(article)
    for event, own in sorted(by_event.items()):
        if len(own) >= EVENT_ARTICLES:
            real, found = (Counter(getattr(article, kind) for article in own) for kind in ("label", "predicted"))
            for label in labels:
                yield {"event_id": event, "predicted": label, "real_articles": real[label]} | _share(found, label)


def _share(counts: Mapping[str, int], label: str) -> dict[str, float]:
    """Return the count of a label, and its share of the texts with a label with Wilson's interval; None without any."""
    labelled = sum(count for found, count in counts.items() if found is not None)
    interval = wilson_interval(counts[label], labelled) if labelled else (None, None, None)
    return {"articles": counts[label]} | dict(zip(("share", "share_low", "share_high"), interval, strict=True))


def _read(version: ClassifiedVersion, labels: Sequence[str]) -> list[_Article]:
    """Join a version's predictions with its seed set, by article."""
    found = read_table(version.predictions, predictions(labels), ["article_id", "predicted"]).to_pylist()
    real = read_table(version.real, ARTICLES, ["article_id", "label", "event_id"]).to_pylist()
    predicted = {row["article_id"]: row["predicted"] for row in found}
    if len(found) != len(real) or set(predicted) != {row["article_id"] for row in real}:
        raise StudyError(
            f"{version.predictions} has other articles than {version.real}: delete it and run snakemake again."
        )
    return [_Article(row["label"], row["event_id"], predicted[row["article_id"]]) for row in real]
