"""What the entries of the catalogue depend on in a study."""

from typing import Any

from bias_amplification.artifacts.placement import BASE_ARTICLES_FOLDER
from bias_amplification.figures.catalogue.entry import Facts
from bias_amplification.figures.catalogue.replicates import replicate_words, shown_round
from bias_amplification.published.comparable import comparable, level_departures
from bias_amplification.study import Chain, Draw, Plan, Version
from bias_amplification.study.changed_versions import changed_versions
from bias_amplification.study.unit import with_unit

#: Tables of a version that show one article.
_ARTICLE_TABLES = ("articles", "predictions", "quality", "perplexity")
#: Sources whose articles have the label of their outlet.
_LABELLED_BY_OUTLET = ("press", "webis", "article_bias_prediction")


def facts(plan: Plan) -> Facts:
    """Return the words, files and arguments of the entries."""
    return Facts(_words(plan), _files(plan), _arguments(plan), plan.study.corpus.unit, comparable(plan.study))


def corpus_shown(plan: Plan) -> dict[str, Any]:
    """Return the keys of `corpus` that figures and tables read."""
    return plan.study.corpus.model_dump(include={"labels", "unit"})


def _words(plan: Plan) -> dict[str, Any]:
    study, departures = plan.study, dict.fromkeys(level_departures(plan.study).values())
    measure = {
        "share": "Share of the base model's articles to which the classifier gives each label",
        "mean_probability": "Mean probability of each label over the base model's articles",
    }
    prose = {
        "label_measure": measure[study.figures.bias],
        "splits": _splits(plan),
        **replicate_words(plan),
    }
    several = min(plan.replicates(version.round) for version in plan.neuron_versions()) > 1
    centred = {
        "none": "",
        "rounds": "The mean of each round is subtracted first.",
        "both": "The mean of each round, and what rounds have in common at each generation, are subtracted first.",
    }
    return {
        **{name: with_unit(text, study.corpus.unit) for name, text in prose.items()},
        "centred": centred[study.neurons.fixed_effects],
        "changed": _changed(plan),
        "controls": study.interventions.controls,
        "half_alpha": study.neurons.alpha / 2,
        "held_out": "replicate" if several else "round",
        "split_by": "replicates" if several else "rounds",
        "alpha": study.neurons.alpha,
        "alpha_per_cent": 100 * study.neurons.alpha,
        "appendices": " (appendices C and F)" if comparable(study) else "",
        "example": shown_round(plan),
        "example_round": plan.example_round,
        "level": f" Levels are not compared where {'; '.join(departures)}." if departures else "",
        "pretraining": _pretraining(plan),
        "readable": study.quality.readable,
        "second": ", counted by the second-best candidate" if plan.second_classifier else "",
        "section": " (section 4.4)" if comparable(study) else "",
        "seed_set": plan.seed_sets_used()[0],
        "sets_chosen": _sets_chosen(plan),
        "versions": len(plan.neuron_versions()),
    }


def _splits(plan: Plan) -> str:
    """Say on which other splits the classifier is trained, and what outlets mean for the random split."""
    text, corpus = "", plan.study.corpus
    if plan.splits:
        kinds = " and ".join(f"by {split}" for split in plan.splits)
        text = f", and trains it again on {'a split' if len(plan.splits) == 1 else 'splits'} {kinds}"
    if not corpus.has("outlet"):
        return f"{text}."
    if corpus.source in _LABELLED_BY_OUTLET:
        return f"{text}. Articles have the label of their outlet, so scores on a random split are too good."
    return f"{text}. If labels follow outlets, scores on a random split are too good."


def _changed(plan: Plan) -> str:
    """Name the version that is changed by interventions if there is only one."""
    versions = changed_versions(plan)
    if len(versions) != 1:
        return f", in {len(versions)} versions"
    return f", in generation {versions[0].generation} of round {versions[0].round}"


def _sets_chosen(plan: Plan) -> str:
    """Say on which versions the sets of neurons for interventions are chosen."""
    settings = plan.study.interventions
    if all(one.file for one in settings.sets):
        return ""
    several = max(plan.replicates(version.round) for version in plan.neuron_versions()) > 1
    where = {
        "own": "the same versions that are changed, so that chance can make them look effective",
        "others": "the other replicates of all rounds" if several else "the other rounds",
    }
    chosen_on = settings.chosen_on
    on = where[chosen_on] if isinstance(chosen_on, str) else f"the rounds {', '.join(chosen_on)}"
    if chosen_on == "others" and any(map(plan.study.choice(chosen_on).left_out, plan.study.changed_rounds)):
        on += ", without rounds whose held neurons were found on the changed round"
    sets = "Sets that are not from a file" if any(one.file for one in settings.sets) else "Sets"
    return f" {sets} were chosen on {on}."


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
        "shown_seed_sets": [plan.draw_file(draw).removeprefix(f"{plan.study.results}/") for draw in _first_draws(plan)],
        "shown_tables": [f"{folder}/{table}.parquet" for folder in _shown_folders(plan) for table in _ARTICLE_TABLES],
    }


def _first_draws(plan: Plan) -> list[Draw]:
    """List the draws of seed sets that first replicates start from."""
    return [draw for draw in plan.draws if draw.replicate == 1]


def _shown_folders(plan: Plan) -> list[str]:
    """List the folders of the versions on the page of articles, as `article_texts.page_data` needs them."""
    base = [BASE_ARTICLES_FOLDER.format(draw=draw.name) for draw in _first_draws(plan)]
    return base + [version.folder for version in plan.versions() if version.replicate == 1]


def _arguments(plan: Plan) -> dict[str, Any]:
    study = plan.study
    return {
        "corpus": corpus_shown(plan),
        "labels": study.corpus.labels,
        "unit": study.corpus.unit,
        "round_name": plan.example_round,
        "seed_set": plan.seed_sets_used()[0],
        "tracked": {name: r.tracked_label for name, r in plan.rounds.items()},
        "figures": study.figures.model_dump(include={"bias"}),
        "quality": study.quality.model_dump(include={"score"}),
        "neurons": study.neurons.model_dump(include={"alpha"}),
        "language": study.corpus.language,
        "rounds": {shown_round(plan, name): _first_draws(plan).index(plan.draw(Chain(name))) for name in plan.rounds},
        "example": study.example.model_dump(exclude={"round"}) | {"round": shown_round(plan)},
    }


def _pretraining(plan: Plan) -> str:
    """Say what the base model has read if the run pretrains it: a part of what the classifier reads, too."""
    if plan.study.base_model.source != "pretrain":
        return ""
    mix = {label: share for label, share in plan.study.base_model.pretraining.label_mix.items() if share}
    shares = [f"{share / sum(mix.values()):.0%} {label}" for label, share in mix.items()]
    return f" The run has pretrained the model on a part of the classifier's texts ({', '.join(shares)})."
