"""Strategies: which texts a generation is trained on.

A strategy is a function with a declaration, `@strategy(...)`. Its name in the config is the function's name, and its
description there is the first line of the docstring, as is that in the manual and in the report (``make docs``).
docs/extending.md shows how to add one.

A training set lists its texts by origin and article id instead of holding them. So accumulation, which trains
generation i on i + 1 sets of articles, copies nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bias_amplification.artifacts.placement import VERSION_FOLDER
from bias_amplification.study.apportion import apportion

#: Origin of the real articles that a round starts from.
SEED_SET = "seed_set"
#: Origin of real articles outside the seed set, each used in one generation.
REAL = "real"


class Text(NamedTuple):
    """A text of a training set: where it is, and the article whose title stands above it if it is not its own."""

    origin: str
    article_id: str
    title_id: str | None = None


Choose = Callable[..., list[Text]]


@dataclass(frozen=True)
class Material:
    """What a strategy chooses from. It has only the parts that the strategy's declaration names."""

    ids: Sequence[str]
    """[articles] of the seed set, in its order. Every generation writes one article for each."""
    generation: int
    """The generation that is trained, 1 or more."""
    labels: Sequence[str] = ()
    """[articles] label of each seed article."""
    predicted: Sequence[str | None] = ()
    """[articles] label of what the previous generation wrote for each seed article."""
    texts: Sequence[str] = ()
    """[articles] what the previous generation wrote for each seed article."""
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


def generation_origin(generation: int) -> str:
    """Return the origin of the articles that a generation of the chain wrote: the name of its folder."""
    return Path(VERSION_FOLDER).name.format(generation=f"{generation:02d}")


@dataclass(frozen=True)
class Strategy:
    """How a strategy chooses the texts of a generation after generation 0."""

    choose: Choose
    """The function. It is given the material, a random generator, and its options by name."""
    source: str = ""
    """Where the strategy is proposed."""
    origins: tuple[str, ...] = ("previous",)
    """The sets of articles that the texts may be from: "seed_set", "real", "previous" (what the previous generation
    wrote) and "earlier" (what all earlier generations wrote)."""
    reads: tuple[str, ...] = ()
    """What else it reads: "articles" (their texts), "predictions" and "quality" of the previous generation,
    "human_likeness" of its articles and of the seed set."""
    several_labels: bool = False
    """Whether it weighs texts by the labels of the seed set, which must then have several."""
    moves_titles: bool = False
    """Whether it puts texts under other titles, which must then be in one training example with their texts."""
    grows: bool = False
    """Whether each training set has one more set of articles than the one before. It decides which jobs start first."""
    control: bool = False
    """Whether it breaks the loop or its pairing, so that the others are compared with it."""

    @property
    def description(self) -> str:
        """What a generation is trained on: the first line of the function's docstring."""
        return (self.choose.__doc__ or "").partition("\n")[0]

    @property
    def options(self) -> tuple[str, ...]:
        """Fields of the config's `strategies` section that it depends on: its function's keyword-only parameters."""
        parameters = signature(self.choose).parameters.values()
        return tuple(parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY)


#: All strategies by name, in the order of their declarations.
STRATEGIES: dict[str, Strategy] = {}


def strategy(**declaration: Any) -> Callable[[Choose], Choose]:
    """Declare a function as the strategy of its name. The arguments are fields of `Strategy`."""

    def declare(choose: Choose) -> Choose:
        STRATEGIES[choose.__name__] = Strategy(choose, **declaration)
        return choose

    return declare


def control_names() -> list[str]:
    """List the strategies with which the others are compared, the first choice first."""
    return [name for name, declared in STRATEGIES.items() if declared.control]


def with_option(option: str) -> list[str]:
    """List the strategies that depend on a field of the config's `strategies` section."""
    return [name for name, declared in STRATEGIES.items() if option in declared.options]


@strategy(source="paper, section 4.1")
def synthetic(material: Material, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote."""
    return [Text(material.previous, i) for i in material.ids]


@strategy(source="paper, section 4.3")
def overfitting(material: Material, rng: np.random.Generator) -> list[Text]:
    """The same as with `synthetic`; the round sets more epochs and no weight decay."""
    return synthetic(material, rng)


@strategy(source="paper, section 4.3; arXiv 2305.17493", origins=(SEED_SET, "previous"))
def preservation(
    material: Material, rng: np.random.Generator, *, preserved_share: float, preservation: str
) -> list[Text]:
    """What the previous generation wrote, and real articles of the seed set, drawn anew in every generation."""
    ids = material.ids
    count = round(preserved_share * len(ids))
    return _with_real(material, preservation, {ids[k] for k in rng.choice(len(ids), size=count, replace=False)})


def _with_real(material: Material, preservation: str, real: set[str]) -> list[Text]:
    replaced = real if preservation == "replace" else set()
    synthetic = [Text(material.previous, i) for i in material.ids if i not in replaced]
    return synthetic + [Text(SEED_SET, i) for i in material.ids if i in real]


@strategy(source="paper, section 4.3; arXiv 2404.01413", origins=(SEED_SET, "earlier"), grows=True)
def accumulation(material: Material, rng: np.random.Generator, *, accumulation: str) -> list[Text]:
    """The seed set and what all earlier generations wrote."""
    return _accumulated(material, accumulation)


def _accumulated(material: Material, accumulation: str) -> list[Text]:
    origins = [SEED_SET] if accumulation == "with_seed_set" else []
    origins += [generation_origin(k) for k in range(material.generation)]
    return [Text(origin, i) for origin in origins for i in material.ids]


@strategy(source="arXiv 2410.16713", origins=(SEED_SET, "earlier"))
def subsampled_accumulation(
    material: Material, rng: np.random.Generator, *, accumulation: str, budget: float
) -> list[Text]:
    """A random part of the texts of `accumulation`, of the same size in every generation."""
    texts = _accumulated(material, accumulation)
    count = min(len(texts), max(1, round(budget * len(material.ids))))
    return [texts[k] for k in sorted(rng.choice(len(texts), size=count, replace=False))]


@strategy(source="paper, section 5", origins=(SEED_SET, "previous"), reads=("predictions",), several_labels=True)
def label_weighted_preservation(
    material: Material, rng: np.random.Generator, *, preserved_share: float, preservation: str
) -> list[Text]:
    """As `preservation`, with real articles of the labels that the previous generation wrote too rarely.

    The paper proposes weights by label in section 5 and tries none. The number of real articles of a label is in
    proportion to how far its share in the previous generation is below its share in the seed set.
    """
    ids, count = material.ids, round(preserved_share * len(material.ids))
    seed, written = Counter(material.labels), Counter(label for label in material.predicted if label is not None)
    order = sorted(seed)
    # Shares, because texts that are too short have no label; whole numbers, because only their ratios count.
    missing = [max(0, seed[label] * written.total() - written[label] * len(ids)) for label in order]
    chosen: set[str] = set()
    if any(missing):
        for label, asked in zip(order, apportion(count, missing), strict=True):
            own = [i for i, has in zip(ids, material.labels, strict=True) if has == label]
            chosen |= set(rng.permutation(own)[:asked].tolist())
    # If all labels are written often enough, or one has too few articles, articles of any label fill up.
    others = [i for i in ids if i not in chosen]
    chosen |= set(rng.permutation(others)[: count - len(chosen)].tolist())
    return _with_real(material, preservation, chosen)


@strategy(source="paper, section 5", reads=("predictions",), several_labels=True)
def label_weighted_synthetic(material: Material, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote, drawn so that its labels have the shares of the seed set.

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
        return synthetic(material, rng)
    shares = Counter(material.labels)
    chosen: list[str] = []
    for label, count in zip(pools, apportion(len(material.ids), [shares[label] for label in pools]), strict=True):
        passes = [rng.permutation(pools[label]) for _ in range(-(-count // len(pools[label])))]
        chosen += np.concatenate(passes)[:count].tolist() if passes else []
    return [Text(material.previous, i) for i in sorted(chosen)]


@strategy(source="arXiv 2406.07515", reads=("quality",))
def quality_pruning(material: Material, rng: np.random.Generator, *, kept_share: float) -> list[Text]:
    """What the previous generation wrote, without the articles of the lowest quality.

    Selection of synthetic texts by a verifier, here the text quality index, is proposed in arXiv 2406.07515. Articles
    of equal quality are chosen at random.
    """
    quality = np.nan_to_num(np.asarray(material.quality, float), nan=-1.0)
    order = np.lexsort((rng.permutation(len(quality)), -quality))
    kept = sorted(order[: max(1, round(kept_share * len(order)))])
    return [Text(material.previous, material.ids[k]) for k in kept]


@strategy(source="arXiv 2502.15654", origins=(SEED_SET, "previous"), reads=("human_likeness",))
def human_likeness(material: Material, rng: np.random.Generator) -> list[Text]:
    """Articles of the seed set and the previous generation, drawn by a detector's probability that people wrote them.

    The strategy does not use which articles are real. It draws as many as the seed set has, with replacement, with
    weights in proportion to the detector's probability that people wrote them (after arXiv 2502.15654).
    """
    pool = [Text(origin, i) for origin in (SEED_SET, material.previous) for i in material.ids]
    weights = np.concatenate([np.asarray(material.human[origin], float) for origin in (SEED_SET, material.previous)])
    # With weights of 0 only, every article is as likely.
    shares = weights / weights.sum() if weights.sum() else None
    return [pool[k] for k in sorted(rng.choice(len(pool), size=len(material.ids), p=shares))]


@strategy(origins=(REAL,), control=True)
def real(material: Material, rng: np.random.Generator, *, real_articles: str) -> list[Text]:
    """Real articles that were not used before.

    `real_articles` acts earlier, where these articles are drawn (`corpus.seed_sets`).
    """
    count = len(material.ids)
    start = (material.generation - 1) * count
    return [Text(REAL, i) for i in material.real[start : start + count]]


@strategy(origins=(SEED_SET,), control=True)
def fixed(material: Material, rng: np.random.Generator) -> list[Text]:
    """The seed set again."""
    return [Text(SEED_SET, i) for i in material.ids]


@strategy(moves_titles=True, control=True)
def shuffled(material: Material, rng: np.random.Generator) -> list[Text]:
    """What the previous generation wrote, each text under the title of another article."""
    ids = list(material.ids)
    order = rng.permutation(len(ids)).tolist()
    # Along one cycle through all articles, so that no text keeps its title.
    titles = {ids[order[k]]: ids[order[k - 1]] for k in range(len(order))}
    return [Text(material.previous, i, titles[i]) for i in ids]
