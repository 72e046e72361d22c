"""What model versions wrote from seed articles: the rows of one version, and the data of the page of articles."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, PERPLEXITY, QUALITY, predictions
from bias_amplification.study.sections import Example

#: Number of tables of a version that tell about its articles.
_TABLES = 4
#: Digits after the point of the numbers on the page.
_DIGITS = {"probability": 3, "quality": 2, "perplexity": 1}


def choose_article(seed_set: pa.Table, example: Example) -> dict[str, Any]:
    """Return the seed article to show, as a row of the article table.

    Parameters
    ----------
    seed_set
        The round's seed set.
    example
        Names the article, or the label of the first one to take. If the seed set has no article of this label, or if
        neither is given, the first article is taken.

    Raises
    ------
    StudyError
        If the seed set lacks the article that `example` names.
    """
    if example.article_id is not None:
        rows = seed_set.filter(pc.equal(seed_set["article_id"], example.article_id))
        if not rows.num_rows:
            raise StudyError(
                f"the seed set has no article {example.article_id!r}: name another one in example.article_id."
            )
    elif example.label is not None:
        rows = seed_set.filter(pc.equal(seed_set["label"], example.label))
    else:
        rows = seed_set
    return (rows if rows.num_rows else seed_set).slice(0, 1).to_pylist()[0]


def sample_articles(seed_set: Sequence[Mapping[str, Any]], number: int, chosen: str) -> list[Mapping[str, Any]]:
    """Return some articles of a seed set: the chosen one if it is among them, then the first of each label in turn.

    Parameters
    ----------
    seed_set
        Rows of an article table.
    number
        The number of articles to return, in the order of the seed set; all if there are no more.
    chosen
        Id of an article that is always returned.
    """
    by_label: dict[str, list[str]] = {}
    for row in sorted(seed_set, key=lambda row: row["article_id"] != chosen):
        by_label.setdefault(row["label"], []).append(row["article_id"])
    in_turn = [identifier for turn in zip_longest(*by_label.values()) for identifier in turn if identifier is not None]
    kept = set(in_turn[:number])
    return [row for row in seed_set if row["article_id"] in kept]


def by_version(files: Sequence[Path]) -> list[Sequence[Path]]:
    """Divide a list of tables of versions into the tables of each version."""
    return [files[place : place + _TABLES] for place in range(0, len(files), _TABLES)]


def read_version(files: Sequence[Path], labels: Sequence[str], articles: Sequence[str]) -> pd.DataFrame:
    """Collect what a version wrote from some articles.

    Parameters
    ----------
    files
        `articles.parquet`, `predictions.parquet`, `quality.parquet` and `perplexity.parquet` of the version.
    labels
        The label set.
    articles
        Ids of the articles.

    Returns
    -------
    pd.DataFrame
        One row per article, in their order: `head`, `text`, `predicted`, `probability_{label}`, `quality`,
        `perplexity_base`, `perplexity_generating`.

    Raises
    ------
    StudyError
        If a file lacks an article.
    """
    kinds = {
        "articles": (GENERATED_ARTICLES, ["head", "text"]),
        "predictions": (predictions(labels), ["predicted", *(f"probability_{label}" for label in labels)]),
        "quality": (QUALITY, ["quality"]),
        "perplexity": (PERPLEXITY, ["perplexity_base", "perplexity_generating"]),
    }
    parts = []
    for path in map(Path, files):
        schema, columns = kinds[path.stem]
        table = read_table(path, schema, ["article_id", *columns]).to_pandas().set_index("article_id")
        lost = next((article for article in articles if article not in table.index), None)
        if lost is not None:
            raise StudyError(f"{path} has no article {lost!r}: delete it and run snakemake again.")
        parts.append(table.loc[list(articles)])
    return pd.concat(parts, axis="columns")


def page_data(
    seed_set_files: Sequence[Path],
    version_files: Sequence[Path],
    labels: Sequence[str],
    rounds: Mapping[str, int],
    example: Example,
) -> dict[str, Any]:
    """Collect the articles of every round for the page, as plain values. Equal texts are stored once.

    Parameters
    ----------
    seed_set_files
        The seed sets.
    version_files
        Tables of each version, see `read_version`: first the base model's for each seed set, then those of each round
        in the order of generations.
    labels
        The label set.
    rounds
        Place of each round's seed set in `seed_set_files`, by the round's name.
    example
        The article and the round that the page shows first, and how many articles of a seed set it has.

    Returns
    -------
    dict
        `texts`: each text once. `seed_sets`: `of`, the number of all articles, and `articles`, each with `id`,
        `title`, `label`, `outlet` (whether there is one) and `body`, a place in `texts`. `rounds`: each with `name`,
        `seed_set` and `rows`, which has for each article the rows of the base model and of the generations, with
        `head` and `text` (places in `texts`), `label`, `probabilities`, `quality` and `perplexity` (under the base
        model and under the version itself). `first`: the round and the article to show first.
    """
    seed_sets = [read_table(file, ARTICLES) for file in seed_set_files]
    first_round = example.round if example.round in rounds else next(iter(rounds))
    chosen = choose_article(seed_sets[rounds[first_round]], example)["article_id"]
    samples = [sample_articles(table.to_pylist(), example.articles, chosen) for table in seed_sets]
    names = [[row["article_id"] for row in sample] for sample in samples]
    versions = by_version(version_files)
    generations = (len(versions) - len(seed_sets)) // len(rounds)
    base = [read_version(files, labels, names[place]) for place, files in enumerate(versions[: len(seed_sets)])]
    later = iter(versions[len(seed_sets) :])
    frames = {
        name: [base[place], *(read_version(next(later), labels, names[place]) for _ in range(generations))]
        for name, place in rounds.items()
    }
    texts: dict[str, int] = {}
    shown = {name: {"name": name, "seed_set": place, "rows": []} for name, place in rounds.items()}
    found = {
        "seed_sets": [{"of": table.num_rows, "articles": []} for table in seed_sets],
        "rounds": list(shown.values()),
        "first": {"round": first_round, "article": chosen},
    }
    # Texts of the same article follow each other, because they are alike and compress well together.
    for place, article in chain.from_iterable([(place, row) for row in sample] for place, sample in enumerate(samples)):
        found["seed_sets"][place]["articles"].append(
            {
                "id": article["article_id"],
                "title": article["title"],
                "label": article["label"],
                "outlet": bool(article["outlet"]),
                "body": _store(texts, article["body"]),
            }
        )
        for name in (name for name, own in rounds.items() if own == place):
            rows = [_row(frame.loc[article["article_id"]], labels, texts) for frame in frames[name]]
            shown[name]["rows"].append(rows)
    return found | {"texts": list(texts)}


def _store(texts: dict[str, int], text: str) -> int:
    """Return the place of a text among the different texts."""
    return texts.setdefault(text, len(texts))


def _row(row: pd.Series, labels: Sequence[str], texts: dict[str, int]) -> dict[str, Any]:
    """Return what the page says about the text that a version wrote from an article."""
    return {
        "head": _store(texts, row["head"]),
        "text": _store(texts, row["text"]),
        "label": None if pd.isna(row["predicted"]) else str(row["predicted"]),
        "probabilities": [_rounded(row[f"probability_{label}"], "probability") for label in labels],
        "quality": _rounded(row["quality"], "quality"),
        "perplexity": [_rounded(row[f"perplexity_{kind}"], "perplexity") for kind in ("base", "generating")],
    }


def _rounded(value: float | None, kind: str) -> float | None:
    """Return a number with as many digits as the page shows; None if it is missing."""
    return None if pd.isna(value) else round(float(value), _DIGITS[kind])
