"""What a generation is trained on: functions of article ids.

A training set names texts by origin and id instead of holding them, so that accumulation, which trains generation
i on i + 1 earlier sets, copies nothing. A new strategy is one function and one entry of `STRATEGIES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_SET

SEED_SET = "seed_set"


def generation_origin(generation: int) -> str:
    """Name the articles that a generation of the round wrote."""
    return f"generation_{generation:02d}"


@dataclass(frozen=True)
class Options:
    """Choices within strategies; the config's `strategies` section tells their meaning."""

    preserved_share: float = 0.1
    preservation: Literal["add", "replace"] = "add"
    accumulation: Literal["with_seed_set", "synthetic_only"] = "with_seed_set"


Rows = list[tuple[str, str]]


def _synthetic(ids: Sequence[str], generation: int, options: Options, rng: np.random.Generator) -> Rows:
    return [(generation_origin(generation - 1), i) for i in ids]


def _preservation(ids: Sequence[str], generation: int, options: Options, rng: np.random.Generator) -> Rows:
    count = round(options.preserved_share * len(ids))
    chosen = {ids[k] for k in rng.choice(len(ids), size=count, replace=False)}
    replaced = chosen if options.preservation == "replace" else set()
    synthetic = [(generation_origin(generation - 1), i) for i in ids if i not in replaced]
    return synthetic + [(SEED_SET, i) for i in ids if i in chosen]


def _accumulation(ids: Sequence[str], generation: int, options: Options, rng: np.random.Generator) -> Rows:
    origins = [SEED_SET] if options.accumulation == "with_seed_set" else []
    origins += [generation_origin(k) for k in range(generation)]
    return [(origin, i) for origin in origins for i in ids]


#: Paper, section 4.3. Overfitting differs in epochs and weight decay alone, which the round sets.
STRATEGIES: dict[str, Callable[[Sequence[str], int, Options, np.random.Generator], Rows]] = {
    "synthetic": _synthetic,
    "overfitting": _synthetic,
    "preservation": _preservation,
    "accumulation": _accumulation,
}


def training_rows(strategy: str, ids: Sequence[str], generation: int, options: Options, seed: int) -> pa.Table:
    """Choose the texts that a generation is trained on.

    Parameters
    ----------
    strategy
        A key of `STRATEGIES`.
    ids
        The seed set's article ids, in its order. Every synthetic set has the same ids.
    generation
        0 trains on the seed set, whatever the strategy.
    options
        Choices within strategies.
    seed
        For preservation's draw, which is made anew each generation.

    Returns
    -------
    pa.Table
        Schema `TRAINING_SET`, in a fixed order (training shuffles it by its own seed).
    """
    rng = np.random.default_rng(seed)
    rows = [(SEED_SET, i) for i in ids] if generation == 0 else STRATEGIES[strategy](ids, generation, options, rng)
    return pa.table(
        {
            "position": pa.array(range(len(rows)), pa.int32()),
            "origin": pa.array([origin for origin, _ in rows], pa.string()),
            "article_id": pa.array([article_id for _, article_id in rows], pa.string()),
        }
    )


def origins(strategy: str, generation: int, options: Options) -> list[str]:
    """Name the sets that a generation's training set draws on, so that a rule can list them as inputs.

    Returns
    -------
    list of str
        Without repetition, seed set first.
    """
    # Half of the articles preserved: the sets are the same for every share, even one that rounds to nothing here.
    ids = [str(k) for k in range(4)]
    rows = training_rows(strategy, ids, generation, replace(options, preserved_share=0.5), seed=0)
    return sorted(set(rows.column("origin").to_pylist()), key=lambda origin: (origin != SEED_SET, origin))


def compose_training_set(
    seed_set: Path | str, out: Path | str, *, strategy: str, generation: int, options: Mapping[str, Any], seed: int
) -> None:
    """Write which texts a generation is trained on.

    Parameters
    ----------
    seed_set
        The round's seed set (schema `ARTICLES`).
    out
        The table to make (schema `TRAINING_SET`).
    strategy, generation, seed
        See `training_rows`.
    options
        Fields of `Options`.
    """
    ids = read_table(seed_set, ARTICLES, ["article_id"]).column("article_id").to_pylist()
    rows = training_rows(strategy, ids, generation, Options(**options), seed)
    write_table(rows, out, TRAINING_SET)
