"""Make one figure, table or page of the catalogue."""

from bias_amplification.execution.jobs import run_job

run_job(
    snakemake.params.function,
    snakemake,
    **dict(snakemake.input.items()),
    out=list(snakemake.output),
    **snakemake.params.arguments,
)
