"""Make one figure or table of the catalogue."""

from bias_amplification.jobs import run_job

run_job(
    snakemake.params.function,
    snakemake,
    **dict(snakemake.input.items()),
    outputs=list(snakemake.output),
    **snakemake.params.arguments,
)
