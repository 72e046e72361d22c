"""Give a round the generation 0 that it has in common with another one."""

from bias_amplification.jobs import run_job

run_job(
    "artifacts.copies:copy_files",
    snakemake,
    sources=list(snakemake.input),
    targets=list(snakemake.output),
)
