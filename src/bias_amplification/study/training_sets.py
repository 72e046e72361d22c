"""The training set of a generation: the texts that its round's strategy chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    GENERATED_ARTICLES,
    HUMAN_LIKENESS,
    QUALITY,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
    predictions,
)
from bias_amplification.study.sections import Strategies, StrategyName
from bias_amplification.study.strategies import SEED_SET, STRATEGIES, Material, Text, generation_origin


class Evidence(NamedTuple):
    """Tables that a strategy reads to choose its texts.

    Attributes
    ----------
    tables
        Paths by name: "articles", "predictions" and "quality" of the previous generation, "human" and
        "human_of_seed_set" (schema `HUMAN_LIKENESS`), "real" (schema `ARTICLES`).
    labels
        The study's labels, which decide the columns of the predictions.
    """

    tables: Mapping[str, Path | str]
    labels: Sequence[str] = ()


def origins(strategy: StrategyName, generation: int, options: Strategies) -> list[str]:
    """List the sets of articles that a generation may be trained on, so that a rule can name them as inputs.

    Returns
    -------
    list of str
        Each origin once: the seed set first, then real articles, then generations in ascending order.
    """
    if not generation:
        return [SEED_SET]
    chosen = STRATEGIES[strategy]
    written = {
        "previous": [generation_origin(generation - 1)],
        "earlier": [generation_origin(k) for k in range(generation)],
    }
    synthetic_only = "accumulation" in chosen.options and options.accumulation == "synthetic_only"
    real = [origin for origin in chosen.origins if origin not in written and not synthetic_only]
    return real + [origin for kind in chosen.origins for origin in written.get(kind, ())]


def training_texts(strategy: StrategyName, material: Material, options: Strategies, seed: int) -> pa.Table:
    """Choose the texts that a generation is trained on.

    Parameters
    ----------
    strategy
        Name of the strategy.
    material
        What it chooses from. Generation 0 is trained on the seed set with every strategy.
    options
        Details of the strategies.
    seed
        Seed of the strategy's draws; each generation has its own.

    Returns
    -------
    pa.Table
        Schema `TRAINING_SET`, or `TRAINING_SET_WITH_TITLES` if texts have other titles than their own. The order is
        fixed; training shuffles it with its own seed.
    """
    chosen, rng = STRATEGIES[strategy], np.random.default_rng(seed)
    if material.generation:
        texts = chosen.choose(material, rng, **{name: getattr(options, name) for name in chosen.options})
    else:
        # Generation 0 has no options: rules leave them out, so that a change of one does not train it again.
        texts = [Text(SEED_SET, i) for i in material.ids]
    columns = {
        "position": pa.array(range(len(texts)), pa.int32()),
        "origin": pa.array([text.origin for text in texts], pa.string()),
        "article_id": pa.array([text.article_id for text in texts], pa.string()),
    }
    if any(text.title_id for text in texts):
        columns["title_id"] = pa.array([text.title_id or text.article_id for text in texts], pa.string())
    return pa.table(columns)


def compose_training_set(
    seed_set: Path | str,
    out: Path | str,
    strategy: StrategyName,
    generation: int,
    options: Strategies,
    seed: int,
    evidence: Evidence | None = None,
) -> None:
    """Write the list of texts that a generation is trained on.

    Parameters
    ----------
    seed_set
        The chain's seed set (schema `ARTICLES`).
    out
        The table to make (schema `TRAINING_SET` or `TRAINING_SET_WITH_TITLES`).
    strategy, generation, options, seed
        See `training_texts`.
    evidence
        The tables that the strategy reads besides.

    Raises
    ------
    StudyError
        If a table is missing, damaged, or lacks an article of the seed set.
    """
    seeds = read_table(seed_set, ARTICLES, ["article_id", "label"])
    ids = seeds["article_id"].to_pylist()
    read = _read_evidence(evidence or Evidence({}), ids, generation_origin(generation - 1))
    material = Material(ids, generation, labels=seeds["label"].to_pylist(), **read)
    table = training_texts(strategy, material, options, seed)
    write_table(table, out, TRAINING_SET_WITH_TITLES if "title_id" in table.column_names else TRAINING_SET)


def _read_evidence(evidence: Evidence, ids: Sequence[str], previous: str) -> dict[str, Any]:
    """Read the parts of `Material` that come from tables."""
    found: dict[str, Any] = {}
    tables = evidence.tables
    if path := tables.get("articles"):
        found["texts"] = _in_order(path, GENERATED_ARTICLES, "text", ids)
    if path := tables.get("predictions"):
        found["predicted"] = _in_order(path, predictions(evidence.labels), "predicted", ids)
    if path := tables.get("quality"):
        found["quality"] = np.array(_in_order(path, QUALITY, "quality", ids), float)
    if path := tables.get("human"):
        places = {SEED_SET: tables["human_of_seed_set"], previous: path}
        found["human"] = {
            origin: np.array(_in_order(place, HUMAN_LIKENESS, "probability_human", ids))
            for origin, place in places.items()
        }
    if path := tables.get("real"):
        found["real"] = read_table(path, ARTICLES, ["article_id"])["article_id"].to_pylist()
    return found


def _in_order(path: Path | str, schema: pa.Schema, column: str, ids: Sequence[str]) -> list[Any]:
    """Read a column of a table with one row for each article of the seed set, in the order of `ids`."""
    table = read_table(path, schema, ["article_id", column])
    values = dict(zip(table["article_id"].to_pylist(), table[column].to_pylist(), strict=True))
    if set(values) != set(ids):
        raise StudyError(f"{path} has other articles than the seed set: delete it and run snakemake again.")
    return [values[i] for i in ids]
