"""Which of a study's rounds are the paper's, and whether their numbers can be compared in level."""

from bias_amplification.study.settings import Study

#: The paper's base model, by the hub's names for it.
PAPER_BASE = ("openai-community/gpt2", "gpt2")
PAPER_CORPUS = "webis"
PAPER_DETECTOR = "madhurjindal/autonlp-Gibberish-Detector-492513457"
#: The published seed sets by the labels that they are drawn from.
SEED_SETS = {frozenset({"left", "center", "right"}): "balanced", frozenset({"center"}): "center"}
#: The rounds of which per-generation results are published.
ROUNDS = (
    "balanced_synthetic",
    "balanced_overfitting",
    "balanced_preservation",
    "balanced_accumulation",
    "center_synthetic",
    "center_preservation",
)


def published_seed_sets(study: Study) -> dict[str, str]:
    """Name the published seed set of each of the study's that has the same labels: own name to published name."""
    found = ((s.name, SEED_SETS.get(frozenset(s.labels))) for s in study.seed_sets)
    return {name: published for name, published in found if published}


def published_rounds(study: Study) -> dict[str, str]:
    """Name the published round of each of the study's rounds that has one: own name to published name.

    A round is the paper's if its seed set has the same labels, its strategy is the same and it decodes greedily.
    Several rounds may be the same one: replicates.
    """
    seed_sets = published_seed_sets(study)
    found = {r.name: f"{seed_sets.get(r.seed_set)}_{r.strategy}" for r in study.rounds if r.decoding.method == "greedy"}
    return {name: published for name, published in found.items() if published in ROUNDS}


def level_departures(study: Study) -> dict[str, str]:
    """Say why the level of a kind of number cannot be compared with the published one.

    Returns
    -------
    dict
        A sentence's part for each of "bias", "quality", "perplexity", "classifier" and "neurons" that cannot; kinds
        that can are not there. `comparison.level` overrules what the config tells: `level` claims that all can (for a
        model from a folder, say, which may be the paper's), `direction` that none can.
    """
    kinds = ("bias", "quality", "perplexity", "classifier", "neurons")
    if study.comparison.level == "level":
        return {}
    if study.comparison.level == "direction":
        return dict.fromkeys(kinds, "comparison.level is direction")
    corpus, base = study.corpus.source, study.base_model
    parts = [] if corpus == PAPER_CORPUS else [f"the corpus is {corpus} and not {PAPER_CORPUS}"]
    found = {kind: parts[0] for kind in ("classifier",) if parts}
    if base.source != "hub" or base.hub_id not in PAPER_BASE:
        name = base.hub_id if base.source == "hub" else {"folder": "from a folder"}.get(base.source, "the run's own")
        parts.append(f"the base model is {name} and not GPT-2 124M")
    if parts:
        found |= dict.fromkeys(("bias", "quality", "perplexity", "neurons"), ", ".join(parts))
        return found
    quality = study.quality
    if quality.detector.source != "hub" or quality.detector.hub_id != PAPER_DETECTOR:
        found["quality"] = "the quality detector is not the published one"
    elif quality.splitter != "period":
        found["quality"] = f"the published index cuts at periods and quality.splitter is {quality.splitter}"
    if study.perplexity.max_tokens != 1024:
        found["perplexity"] = f"perplexity.max_tokens is {study.perplexity.max_tokens} and not 1024"
    return found
