"""Choose the texts that a generation is trained on."""

from bias_amplification.execution.jobs import run_job

run_job(
    "study.training_sets:compose_training_set",
    snakemake,
    seed_set=snakemake.input.seed_set,
    out=snakemake.output[0],
    strategy=snakemake.params.strategy,
    generation=int(snakemake.wildcards.generation),
    options=snakemake.params.options,
    seed=snakemake.params.seed,
    evidence={
        "tables": dict(zip(snakemake.params.evidence, snakemake.input.evidence, strict=True)),
        "labels": snakemake.params.labels,
    },
)
