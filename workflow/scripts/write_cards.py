"""Describe the study and its kept models, so that they can be shared."""

from bias_amplification.execution.jobs import run_job

run_job(
    "cards.write:write_cards",
    snakemake,
    metadata=list(snakemake.input.metadata),
    tables={name: snakemake.input[name] for name in ("metrics", "changes", "articles")}
    | {"scores": list(snakemake.input.scores)},
    cards=list(snakemake.output.models),
    out={"card": snakemake.output.card, "config": snakemake.output.config, "crate": snakemake.output.crate},
    config=snakemake.params.config,
)
