"""What is described: the models that get a card, the config that is recorded, and the main outputs of a run."""

from typing import Any

from bias_amplification.study import Plan, Study

#: The main outputs of every study, with a description: path below the results folder.
MAIN_OUTPUTS = {
    "index.html": "The page of results: what the run answers, and all figures and tables.",
    "metrics.parquet": "One row for each model version: shares of labels, text quality, perplexity and other measures.",
    "changes.parquet": "The changes of these measures from generation 0, with 95% intervals.",
    "transitions.parquet": "How often real texts of each label led to texts of each label.",
    "event_shares.parquet": "Shares of labels by the event that a text reports.",
    "replicates/means.parquet": "Means of the measures over replicates.",
    "replicates/contrasts.parquet": "Changes of all rounds and differences between rounds, with intervals.",
    "replicates/variance.parquet": "Sources of the variance of the measures.",
    "neurons/sets.parquet": "Numbers of neurons that tests relate to bias, to text quality and to both.",
    "neurons/overlap.parquet": "These numbers beside those by chance, from permuted outcomes.",
}


def card_folders(plan: Plan) -> list[str]:
    """List the folders, below the results folder, of the models that get a model card.

    These are the base model if the run pretrains it, and the versions whose weights are kept.
    """
    base = ["base"] if plan.study.base_model.source == "pretrain" else []
    return base + [version.folder for version in plan.versions() if plan.keeps_weights(version.generation)]


def model_folders(plan: Plan) -> list[str]:
    """List the folders of all models of a run, the base model first; all of them keep their metadata.json."""
    return ["base", *(version.folder for version in plan.versions())]


def recorded_config(study: Study) -> dict[str, Any]:
    """Return the config as it was given, without `compute`, which does not describe the study but the machine.

    Snakemake reads the result as a config file again.
    """
    return study.model_dump(mode="json", exclude_unset=True, exclude={"compute"})
