"""Compare the effects of changed neurons with those of control sets."""

from bias_amplification.execution.jobs import run_job

tables = iter(snakemake.input.tables)

run_job(
    "interventions.effects:compare_interventions",
    snakemake,
    versions=[
        version | {name: next(tables) for name in snakemake.params.tables} for version in snakemake.params.versions
    ],
    out=dict(snakemake.output.items()),
    interventions=snakemake.params.interventions,
    labels=snakemake.params.labels,
    bias=snakemake.params.bias,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
