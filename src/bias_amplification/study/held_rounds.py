"""Rounds whose training holds neurons: the file that lists them, and the versions that they are chosen on."""

from typing import Any

from bias_amplification.models.folders import MODEL_FILES
from bias_amplification.study.plan import Plan
from bias_amplification.study.versions import Chain, Version


def held_chains(plan: Plan) -> dict[str, Chain]:
    """Return the chains whose training holds neurons, by name, in the order of `Plan.chains`."""
    return {name: chain for name, chain in plan.chains.items() if plan.rounds[chain.round].held}


def held_file(plan: Plan, chain: Chain) -> str:
    """Return the path of the table of the neurons that a chain's training holds."""
    return f"{plan.study.results}/rounds/{chain.name}/held.parquet"


def holding_files(plan: Plan, version: Version) -> list[str]:
    """List the files that say how a version's training holds neurons, the table first; none if it does not.

    Generation 0 does not, so that rounds with and without held neurons can share it.
    """
    held = plan.rounds[version.round].held
    if held is None or version.generation == 0:
        return []
    base = [f"{plan.study.results}/base/{file}" for file in MODEL_FILES]
    return [held_file(plan, version.chain), *(base if held.penalty else [])]


def choosing_versions(plan: Plan, chain: Chain) -> list[Version]:
    """List the versions on which the held neurons of a chain are chosen, in the order of `Plan.versions`.

    Of a round with several replicates, the replicate with the chain's own number is left out: it may have the same seed
    articles and the same generation 0. None if the neurons are in a file.
    """
    held = plan.rounds[chain.round].held
    return [
        version
        for version in plan.versions()
        if version.round in held.rounds
        and (version.replicate != chain.replicate or plan.replicates(version.round) == 1)
    ]


def choosing_rows(plan: Plan, chain: Chain) -> list[dict[str, Any]]:
    """Describe these versions: round, replicate, generation, seed set, and the label whose share is the bias."""
    return [
        {
            "round": version.round,
            "replicate": version.replicate,
            "generation": version.generation,
            "seed_set": plan.rounds[version.round].seed_set,
            "label": plan.study.neurons.tracked_label or plan.rounds[version.round].tracked_label,
        }
        for version in choosing_versions(plan, chain)
    ]
