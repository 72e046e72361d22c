"""What the entries of the catalogue depend on in a study."""

from typing import Any

from bias_amplification.figures.catalogue.entry import Facts
from bias_amplification.figures.catalogue.replicates import replicate_words
from bias_amplification.published.comparable import level_departures
from bias_amplification.study import Chain, Plan, Version

#: Tables of a generation that show one article.
_ARTICLE_TABLES = ("articles", "predictions", "quality", "perplexity")
#: Words for the moves of a permutation.
_MOVES = {
    "shift": "the changes of each round are shifted in a circle",
    "flip": "the signs of all changes of a round are flipped",
    "exchange": "rounds are exchanged",
}


def facts(plan: Plan) -> Facts:
    """Return the words, files and arguments of the entries."""
    return Facts(_words(plan), _files(plan), _arguments(plan))


def _words(plan: Plan) -> dict[str, Any]:
    study, departures = plan.study, dict.fromkeys(level_departures(plan.study).values())
    measure = {
        "share": "Share of the base model's articles to which the classifier gives each label",
        "mean_probability": "Mean probability of each label over the base model's articles",
    }
    return {
        "alpha": study.neurons.alpha,
        "alpha_per_cent": 100 * study.neurons.alpha,
        "example_round": plan.example_round,
        "label_measure": measure[study.figures.bias],
        "level": f" Levels are not compared where {'; '.join(departures)}." if departures else "",
        "moves": " and ".join(_MOVES[move] for move in study.neurons.permutations.schemes[0]),
        "pretraining": _pretraining(plan),
        "readable": study.quality.readable,
        "second": ", counted by the second-best candidate" if plan.second_classifier else "",
        "seed_set": plan.seed_sets_used()[0],
        "versions": len(plan.neuron_versions()),
        **replicate_words(plan),
    }


def _files(plan: Plan) -> dict[str, str | list[str]]:
    judges = ["selected", *(["second"] if plan.second_classifier else [])]
    classifiers = [*plan.candidates, *(f"splits/{split}" for split in plan.splits)]
    example = Chain(plan.example_round)
    folders = [version.folder for version in plan.versions() if version.chain == example]
    seed_set = plan.seed_set_file(Version(plan.example_round, 0))
    return {
        "classifier_scores": [f"classifier/{name}/scores.json" for name in classifiers],
        "judge_scores": [f"classifier/{name}/scores.json" for name in judges],
        "example_seed_set": seed_set.removeprefix(f"{plan.study.results}/"),
        "example_tables": [f"{folder}/{table}.parquet" for folder in folders for table in _ARTICLE_TABLES],
        "example_quality": [f"{folder}/quality.parquet" for folder in folders],
    }


def _arguments(plan: Plan) -> dict[str, Any]:
    study = plan.study
    return {
        "labels": study.corpus.labels,
        "round_name": plan.example_round,
        "seed_set": plan.seed_sets_used()[0],
        "tracked": {name: r.tracked_label for name, r in plan.rounds.items()},
        "figures": study.figures.model_dump(include={"bias"}),
        "quality": study.quality.model_dump(include={"score"}),
        "neurons": study.neurons.model_dump(include={"alpha"}),
        "language": study.corpus.language,
        "example": study.example.model_dump(exclude={"round"}) | {"round": replicate_words(plan)["example"]},
    }


def _pretraining(plan: Plan) -> str:
    """Say what the base model has read if the run pretrains it: a part of what the classifier reads, too."""
    if plan.study.base_model.source != "pretrain":
        return ""
    mix = {label: share for label, share in plan.study.base_model.pretraining.label_mix.items() if share}
    shares = [f"{share / sum(mix.values()):.0%} {label}" for label, share in mix.items()]
    return f" The run has pretrained the model on a part of the classifier's texts ({', '.join(shares)})."
