"""Strategies: which texts a generation is trained on.

A training set lists its texts by origin and article id instead of holding them. So accumulation, which trains
generation i on i + 1 sets of articles, copies nothing.

To add a strategy, write one function, add its entry to `STRATEGIES` and its name to `sections.StrategyName`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.placement import VERSION_FOLDER
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    HUMAN_LIKENESS,
    QUALITY,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
    predictions,
)
from bias_amplification.study.apportion import apportion
from bias_amplification.study.sections import Strategies, StrategyName

#: Origin of the real articles that a round starts from.
SEED_SET = "seed_set"
#: Origin of real articles outside the seed set, each used in one generation.
REAL = "real"


class Text(NamedTuple):
    """A text of a training set: where it is, and the article whose title stands above it if it is not its own."""

    origin: str
    article_id: str
    title_id: str | None = None


@dataclass(frozen=True)
class Material:
    """What a strategy chooses from. It has only the parts that the strategy's entry names in `reads`."""

    ids: Sequence[str]
    """[articles] of the seed set, in its order. Every generation writes one article for each."""
    generation: int
    """The generation that is trained, 1 or more."""
    labels: Sequence[str] = ()
    """[articles] label of each seed article."""
    predicted: Sequence[str] = ()
    """[articles] label of what the previous generation wrote for each seed article."""
    quality: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[articles] text quality index of the previous generation's articles, 0 to 3; NaN without a sentence."""
    human: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Probability that people wrote an article, [articles], for the seed set and for the previous generation."""
    real: Sequence[str] = ()
    """[generations after 0 times articles] real articles outside the seed set, in the order of use."""

    @property
    def previous(self) -> str:
        """Origin of the previous generation's articles."""
        return generation_origin(self.generation - 1)


class Evidence(NamedTuple):
    """Tables that a strategy reads to choose its texts.

    Attributes
    ----------
    tables
        Paths by name: "predictions" and "quality" of the previous generation, "human" and "human_of_seed_set" (schema
        `HUMAN_LIKENESS`), "real" (schema `ARTICLES`).
    labels
        The study's labels, which decide the columns of the predictions.
    """

    tables: Mapping[str, Path | str]
    labels: Sequence[str] = ()


def generation_origin(generation: int) -> str:
    """Return the origin of the articles that a generation of the chain wrote: the name of its folder."""
    return Path(VERSION_FOLDER).name.format(generation=f"{generation:02d}")


def _synthetic(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote (paper, section 4.1)."""
    return [Text(material.previous, i) for i in material.ids]


def _preservation(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """The same, and real articles drawn anew in every generation (paper, section 4.3; arXiv 2305.17493)."""
    ids = material.ids
    count = round(options.preserved_share * len(ids))
    return _with_real(material, options, {ids[k] for k in rng.choice(len(ids), size=count, replace=False)})


def _label_weighted_preservation(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """Preservation of real articles whose labels the previous generation wrote less often than the seed set has them.

    The paper proposes weights by label in section 5 and tries none. The number of real articles of a label is in
    proportion to how far its share in the previous generation is below its share in the seed set.
    """
    ids, count = material.ids, round(options.preserved_share * len(material.ids))
    seed, written = Counter(material.labels), Counter(material.predicted)
    order = sorted(seed)
    missing = [max(0, seed[label] - written[label]) for label in order]
    chosen: set[str] = set()
    if any(missing):
        for label, asked in zip(order, apportion(count, missing), strict=True):
            own = [i for i, has in zip(ids, material.labels, strict=True) if has == label]
            chosen |= set(rng.permutation(own)[:asked].tolist())
    # If all labels are written often enough, or one has too few articles, articles of any label fill up.
    others = [i for i in ids if i not in chosen]
    chosen |= set(rng.permutation(others)[: count - len(chosen)].tolist())
    return _with_real(material, options, chosen)


def _with_real(material: Material, options: Strategies, real: set[str]) -> list[Text]:
    replaced = real if options.preservation == "replace" else set()
    synthetic = [Text(material.previous, i) for i in material.ids if i not in replaced]
    return synthetic + [Text(SEED_SET, i) for i in material.ids if i in real]


def _accumulation(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """The seed set and what all earlier generations wrote (paper, section 4.3; arXiv 2404.01413)."""
    origins = [SEED_SET] if options.accumulation == "with_seed_set" else []
    origins += [generation_origin(k) for k in range(material.generation)]
    return [Text(origin, i) for origin in origins for i in material.ids]


def _subsampled_accumulation(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """A random part of what accumulation has, of the same size in every generation (arXiv 2410.16713)."""
    texts = _accumulation(material, options, rng)
    count = min(len(texts), max(1, round(options.budget * len(material.ids))))
    return [texts[k] for k in sorted(rng.choice(len(texts), size=count, replace=False))]


def _label_weighted_synthetic(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote, drawn so that its predicted labels have the shares of the seed set.

    This is one way to re-weight training data by the observed bias amplification, which the paper proposes in section
    5. All articles of a label are used once more before one of them is used again. The share of a label that was never
    written goes to the others.
    """
    pools = {label: [] for label in sorted(set(material.labels))}
    for i, label in zip(material.ids, material.predicted, strict=True):
        if label in pools:
            pools[label].append(i)
    pools = {label: pool for label, pool in pools.items() if pool}
    if not pools:
        return _synthetic(material, options, rng)
    shares = Counter(material.labels)
    chosen: list[str] = []
    for label, count in zip(pools, apportion(len(material.ids), [shares[label] for label in pools]), strict=True):
        passes = [rng.permutation(pools[label]) for _ in range(-(-count // len(pools[label])))]
        chosen += np.concatenate(passes)[:count].tolist() if passes else []
    return [Text(material.previous, i) for i in sorted(chosen)]


def _quality_pruning(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote, without the articles of the lowest text quality.

    Selection of synthetic texts by a verifier, here the text quality index, is proposed in arXiv 2406.07515. Articles
    of equal quality are chosen at random.
    """
    quality = np.nan_to_num(np.asarray(material.quality, float), nan=-1.0)
    order = np.lexsort((rng.permutation(len(quality)), -quality))
    kept = sorted(order[: max(1, round(options.kept_share * len(order)))])
    return [Text(material.previous, material.ids[k]) for k in kept]


def _human_likeness(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """Articles of the seed set and of the previous generation, resampled by a detector of machine text.

    The strategy does not use which articles are real. It draws as many as the seed set has, with replacement, with
    weights in proportion to the detector's probability that people wrote them (after arXiv 2502.15654).
    """
    pool = [Text(origin, i) for origin in (SEED_SET, material.previous) for i in material.ids]
    weights = np.concatenate([np.asarray(material.human[origin], float) for origin in (SEED_SET, material.previous)])
    # With weights of 0 only, every article is as likely.
    shares = weights / weights.sum() if weights.sum() else None
    return [pool[k] for k in sorted(rng.choice(len(pool), size=len(material.ids), p=shares))]


def _real(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """Control without synthetic text: real articles that no earlier generation was trained on."""
    count = len(material.ids)
    start = (material.generation - 1) * count
    return [Text(REAL, i) for i in material.real[start : start + count]]


def _fixed(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """Control without new text: the seed set again."""
    return [Text(SEED_SET, i) for i in material.ids]


def _shuffled(material: Material, options: Strategies, rng: np.random.Generator) -> list[Text]:
    """Control of the pairing: each text of the previous generation stands under the title of another article."""
    ids = list(material.ids)
    order = rng.permutation(len(ids)).tolist()
    # Along one cycle through all articles, so that no text keeps its title.
    titles = {ids[order[k]]: ids[order[k - 1]] for k in range(len(order))}
    return [Text(material.previous, i, titles[i]) for i in ids]


class Strategy(NamedTuple):
    """How a strategy chooses the texts of a generation after generation 0.

    Attributes
    ----------
    choose
        Function of the material, the options and a random generator.
    options
        Fields of the config's `strategies` section that the strategy depends on.
    origins
        The sets of articles that the texts may be from: "seed_set", "real", "previous" (what the previous generation
        wrote) and "earlier" (what all earlier generations wrote).
    reads
        What else it reads: "predictions" and "quality" of the previous generation, "human_likeness" of its articles
        and of the seed set.
    several_labels
        Whether it weighs texts by the labels of the seed set, which must then have several.
    moves_titles
        Whether it puts texts under other titles, which must then be in one training example with their texts.
    """

    choose: Callable[[Material, Strategies, np.random.Generator], list[Text]]
    options: tuple[str, ...] = ()
    origins: tuple[str, ...] = ("previous",)
    reads: tuple[str, ...] = ()
    several_labels: bool = False
    moves_titles: bool = False


_MIXED = (SEED_SET, "previous")
_PRESERVED = ("preserved_share", "preservation")

#: All strategies. Overfitting differs from synthetic only by the epochs and weight decay that the round sets.
STRATEGIES: dict[StrategyName, Strategy] = {
    "synthetic": Strategy(_synthetic),
    "overfitting": Strategy(_synthetic),
    "preservation": Strategy(_preservation, _PRESERVED, _MIXED),
    "accumulation": Strategy(_accumulation, ("accumulation",), (SEED_SET, "earlier")),
    "subsampled_accumulation": Strategy(_subsampled_accumulation, ("accumulation", "budget"), (SEED_SET, "earlier")),
    "label_weighted_preservation": Strategy(
        _label_weighted_preservation, _PRESERVED, _MIXED, ("predictions",), several_labels=True
    ),
    "label_weighted_synthetic": Strategy(_label_weighted_synthetic, reads=("predictions",), several_labels=True),
    "quality_pruning": Strategy(_quality_pruning, ("kept_share",), reads=("quality",)),
    "human_likeness": Strategy(_human_likeness, (), _MIXED, ("human_likeness",)),
    "real": Strategy(_real, ("real_articles",), (REAL,)),
    "fixed": Strategy(_fixed, origins=(SEED_SET,)),
    "shuffled": Strategy(_shuffled, moves_titles=True),
}

#: Strategies that break the loop or its pairing, with which the others are compared.
CONTROLS: tuple[StrategyName, ...] = ("real", "fixed", "shuffled")


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
    rng = np.random.default_rng(seed)
    texts = (
        STRATEGIES[strategy].choose(material, options, rng)
        if material.generation
        else [Text(SEED_SET, i) for i in material.ids]
    )
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
