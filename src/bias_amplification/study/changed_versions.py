"""The versions whose neurons are changed, and the files of other models that this needs."""

import math

from bias_amplification.study.plan import Plan
from bias_amplification.study.versions import Version


def changed_versions(plan: Plan) -> list[Version]:
    """List the versions whose neurons are changed, in the order of `Plan.versions`."""
    chosen = plan.study.interventions
    generations = chosen.changed_generations(plan.study.generations)
    return [v for v in plan.versions() if v.round in plan.study.changed_rounds and v.generation in generations]


def texts_in_generations(plan: Plan) -> int:
    """Return how many generations' texts a changed version writes at most, rounded up; 1 or more."""
    articles = plan.study.interventions.articles
    shares = [min(1.0, (articles or seed_set.size) / seed_set.size) for seed_set in plan.study.seed_sets]
    return math.ceil(count_conditions(plan) * max(shares))


def count_conditions(plan: Plan) -> int:
    """Return under how many conditions a changed version writes at most, the one without a change included."""
    chosen = plan.study.interventions
    changes = sum(len(action.amounts) or 1 for action in chosen.actions)
    return 1 + len(chosen.sets) * len(chosen.sizes) * (1 + chosen.controls) * changes


def count_texts(plan: Plan, version: Version) -> int:
    """Return how many texts a changed version writes at most."""
    sizes = {seed_set.name: seed_set.size for seed_set in plan.study.seed_sets}
    size = sizes[plan.rounds[version.round].seed_set]
    return count_conditions(plan) * min(plan.study.interventions.articles or size, size)


def count_units(plan: Plan) -> int:
    """Return how many rows the table of changed neurons of a version has at most, if all sets are by `sizes`."""
    chosen = plan.study.interventions
    return len(chosen.sets) * sum(chosen.sizes) * (1 + chosen.controls)


def texts_in_folder(plan: Plan, folder: str) -> int:
    """Return how many generations' texts a folder has whose articles are measured (`MEASURED_PATTERN`)."""
    return texts_in_generations(plan) if folder.startswith("interventions/") else 1


def reference_folder(plan: Plan, version: Version, reference: str) -> str:
    """Return the folder of a reference model of a version: "base", or the number of a generation of its chain."""
    if reference == "base":
        return f"{plan.study.results}/base"
    return plan.model_folder(Version(version.round, int(reference), version.replicate))


def reference_folders(plan: Plan, version: Version) -> dict[str, str]:
    """Return the folder of each model that the actions need beside the version's own, by name."""
    names = dict.fromkeys(action.reference for action in plan.study.interventions.actions if action.reference)
    return {name: reference_folder(plan, version, name) for name in names}


def mean_files(plan: Plan, version: Version) -> list[str]:
    """List the tables of neurons whose mean outputs the actions need: of the version and of reference models."""
    actions = plan.study.interventions.actions
    steering = dict.fromkeys(action.reference for action in actions if action.kind == "steer")
    folders = [reference_folder(plan, version, name) for name in steering]
    if steering or any(action.output == "mean" for action in actions):
        folders.insert(0, plan.model_folder(version))
    return [f"{folder}/neurons.parquet" for folder in folders]
