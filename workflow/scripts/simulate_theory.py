"""Simulate weighted and plain maximum likelihood over generations."""

from bias_amplification.execution.jobs import run_job

run_job(
    "theory:simulate_beta",
    snakemake,
    out=snakemake.output[0],
    theory=snakemake.params.theory,
    seed=snakemake.params.seed,
)
