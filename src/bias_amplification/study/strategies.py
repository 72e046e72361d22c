"""Strategies: which texts a generation is trained on.

A training set lists its texts by origin and article id instead of holding them. So accumulation, which trains
generation i on i + 1 sets of articles, copies nothing.

To add a strategy, write one function, add its entry to `STRATEGIES` and its name to `sections.StrategyName`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.placement import VERSION_FOLDER
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_SET
from bias_amplification.study.sections import Strategies, StrategyName

#: Origin of the real articles that a round starts from.
SEED_SET = "seed_set"

#: Texts of a training set: origin and article id.
Rows = list[tuple[str, str]]


def generation_origin(generation: int) -> str:
    """Return the origin of the articles that a generation of the round wrote: the name of its folder."""
    return Path(VERSION_FOLDER).name.format(generation=f"{generation:02d}")


def _synthetic(ids: Sequence[str], generation: int, options: Strategies, rng: np.random.Generator) -> Rows:
    return [(generation_origin(generation - 1), i) for i in ids]


def _preservation(ids: Sequence[str], generation: int, options: Strategies, rng: np.random.Generator) -> Rows:
    count = round(options.preserved_share * len(ids))
    real = {ids[k] for k in rng.choice(len(ids), size=count, replace=False)}
    replaced = real if options.preservation == "replace" else set()
    synthetic = [(generation_origin(generation - 1), i) for i in ids if i not in replaced]
    return synthetic + [(SEED_SET, i) for i in ids if i in real]


def _accumulation(ids: Sequence[str], generation: int, options: Strategies, rng: np.random.Generator) -> Rows:
    origins = [SEED_SET] if options.accumulation == "with_seed_set" else []
    origins += [generation_origin(k) for k in range(generation)]
    return [(origin, i) for origin in origins for i in ids]


class Strategy(NamedTuple):
    """How a strategy chooses the texts of a generation after generation 0.

    Attributes
    ----------
    choose
        Function of the seed set's article ids, the generation (1 or more), the options and a random generator.
    options
        Fields of the config's `strategies` section that `choose` reads.
    """

    choose: Callable[[Sequence[str], int, Strategies, np.random.Generator], Rows]
    options: tuple[str, ...] = ()


#: The strategies of the paper, section 4.3. Overfitting differs from synthetic only by the epochs and weight decay that
#: the round sets.
STRATEGIES: dict[StrategyName, Strategy] = {
    "synthetic": Strategy(_synthetic),
    "overfitting": Strategy(_synthetic),
    "preservation": Strategy(_preservation, ("preserved_share", "preservation")),
    "accumulation": Strategy(_accumulation, ("accumulation",)),
}


def training_rows(
    strategy: StrategyName, ids: Sequence[str], generation: int, options: Strategies, seed: int
) -> pa.Table:
    """Choose the texts that a generation is trained on.

    Parameters
    ----------
    strategy
        Name of the strategy.
    ids
        The seed set's article ids, in its order. Every generation writes one article for each.
    generation
        Generation 0 is trained on the seed set with every strategy.
    options
        Details of the strategies.
    seed
        Seed of the draw of articles in preservation; each generation has its own.

    Returns
    -------
    pa.Table
        Schema `TRAINING_SET`. The order is fixed; training shuffles it with its own seed.
    """
    rng = np.random.default_rng(seed)
    choose = STRATEGIES[strategy].choose
    rows = choose(ids, generation, options, rng) if generation else [(SEED_SET, i) for i in ids]
    return pa.table(
        {
            "position": pa.array(range(len(rows)), pa.int32()),
            "origin": pa.array([origin for origin, _ in rows], pa.string()),
            "article_id": pa.array([article_id for _, article_id in rows], pa.string()),
        }
    )


def origins(strategy: StrategyName, generation: int, options: Strategies) -> list[str]:
    """List the sets of articles that a generation may be trained on, so that a rule can name them as inputs.

    Returns
    -------
    list of str
        Each origin once: the seed set first, then generations in ascending order.
    """
    # The origins of four articles, half of them preserved. With the config's own share, none of the four might be.
    options = options.model_copy(update={"preserved_share": 0.5})
    rows = training_rows(strategy, [str(k) for k in range(4)], generation, options, seed=0)
    return sorted(set(rows.column("origin").to_pylist()), key=lambda origin: (origin != SEED_SET, origin))


def compose_training_set(
    seed_set: Path | str, out: Path | str, strategy: StrategyName, generation: int, options: Strategies, seed: int
) -> None:
    """Write the list of texts that a generation is trained on.

    Parameters
    ----------
    seed_set
        The round's seed set (schema `ARTICLES`).
    out
        The table to make (schema `TRAINING_SET`).
    strategy, generation, options, seed
        See `training_rows`.

    Raises
    ------
    StudyError
        If the seed set's file is missing or damaged.
    """
    ids = read_table(seed_set, ARTICLES, ["article_id"]).column("article_id").to_pylist()
    write_table(training_rows(strategy, ids, generation, options, seed), out, TRAINING_SET)
