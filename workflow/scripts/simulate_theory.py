"""Simulate weighted and plain maximum likelihood over generations."""

from bias_amplification.jobs import run_job

run_job(
    "theory:simulate_beta",
    snakemake,
    out=snakemake.output[0],
    seed=snakemake.params.seed,
    sample_size=snakemake.params.samples,
    generations=snakemake.params.generations,
)
