"""Which of a study's rounds and seed sets are the paper's, and which numbers can be compared in level.

The workflow reads this module when it starts, so it imports nothing heavy.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bias_amplification import RESOURCES
from bias_amplification.study.settings import Study

#: The paper's base model, by its names on the hub.
PAPER_BASE = ("openai-community/gpt2", "gpt2")
PAPER_CORPUS = "webis"
PAPER_DETECTOR = "madhurjindal/autonlp-Gibberish-Detector-492513457"
#: The paper's label set.
LABELS = frozenset({"left", "center", "right"})
#: Names of the published seed sets, by the labels that they are drawn from.
SEED_SETS = {LABELS: "balanced", frozenset({"center"}): "center"}
#: The rounds with published per-generation results.
ROUNDS = (
    "balanced_synthetic",
    "balanced_overfitting",
    "balanced_preservation",
    "balanced_accumulation",
    "center_synthetic",
    "center_preservation",
)


@dataclass(frozen=True)
class Counterparts:
    """The parts of a study that have a published counterpart, and the limits of the comparison."""

    labels: Sequence[str]
    """The study's labels."""
    rounds: Mapping[str, str]
    """The study's rounds that are published ones: own name to published name."""
    seed_sets: Mapping[str, str]
    """The study's seed sets that are published ones: own name to published name."""
    departures: Mapping[str, str]
    """Why the level of a kind of number cannot be compared (`level_departures`)."""


def counterparts(study: Study) -> Counterparts:
    """Find the published counterparts of a study."""
    return Counterparts(
        labels=study.corpus.labels,
        rounds=published_rounds(study),
        seed_sets=published_seed_sets(study),
        departures=level_departures(study),
    )


def published_file(name: str) -> str:
    """Return the path of a file of `resources/published`, relative to the working folder.

    Snakemake records the paths of inputs. A relative path stays the same when the project's folder is moved.
    """
    return os.path.relpath(RESOURCES / "published" / name)


def comparable(study: Study) -> bool:
    """Return whether the study has a published counterpart: the paper's labels, and a round from such a seed set."""
    return any(r.seed_set in published_seed_sets(study) for r in study.rounds)


def published_seed_sets(study: Study) -> dict[str, str]:
    """Find the seed sets with the labels of a published one: own name to published name. Other label sets have none."""
    if frozenset(study.corpus.labels) != LABELS:
        return {}
    found = ((s.name, SEED_SETS.get(frozenset(s.labels))) for s in study.seed_sets)
    return {name: published for name, published in found if published}


def published_rounds(study: Study) -> dict[str, str]:
    """Find the rounds that have a published counterpart: own name to published name.

    A round counts as a published one if its seed set has the same labels, its strategy is the same, it decodes
    greedily, and its training holds no neurons. Several rounds may have the same counterpart, for example rounds with
    different training settings.
    """
    seed_sets = published_seed_sets(study)
    plain = [r for r in study.rounds if r.decoding.method == "greedy" and not r.held]
    found = {r.name: f"{seed_sets.get(r.seed_set)}_{r.strategy}" for r in plain}
    return {name: published for name, published in found.items() if published in ROUNDS}


def level_departures(study: Study) -> dict[str, str]:
    """Explain which kinds of numbers cannot be compared in level with the published ones.

    Returns
    -------
    dict
        Kind of number to the reason, as a part of a sentence. The kinds are "bias", "quality", "perplexity",
        "classifier" and "neurons"; a kind whose level can be compared is absent. `comparison.level` overrides what
        follows from the other keys: `level` claims that all levels can be compared (for example for a folder that
        holds the paper's model), `direction` that none can.
    """
    kinds = ("bias", "quality", "perplexity", "classifier", "neurons")
    if study.comparison.level == "level":
        return {}
    if study.comparison.level == "direction":
        return dict.fromkeys(kinds, "comparison.level is direction")
    corpus, base = study.corpus.source, study.base_model
    parts = [] if corpus == PAPER_CORPUS else [f"the corpus is {corpus} and not {PAPER_CORPUS}"]
    if not parts and (study.corpus.sample is not None or study.corpus.where):
        parts = [f"the corpus is a part of {PAPER_CORPUS}"]
    found = {kind: parts[0] for kind in ("classifier",) if parts}
    if base.source != "hub" or base.hub_id not in PAPER_BASE:
        name = base.hub_id if base.source == "hub" else {"folder": "from a folder"}.get(base.source, "the run's own")
        parts.append(f"the base model is {name} and not GPT-2 124M")
    if parts:
        found |= dict.fromkeys(("bias", "quality", "perplexity", "neurons"), ", ".join(parts))
        return found
    quality = study.quality
    published = quality.detector.source == "hub" and quality.detector.hub_id == PAPER_DETECTOR
    if not published or quality.detector.train:
        found["quality"] = "the quality detector is not the published one"
    elif quality.splitter != "period":
        found["quality"] = f"the published index cuts at periods and quality.splitter is {quality.splitter}"
    if study.perplexity.max_tokens != 1024:
        found["perplexity"] = f"perplexity.max_tokens is {study.perplexity.max_tokens} and not 1024"
    return found
