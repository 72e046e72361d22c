"""Measure whether associations of neurons reproduce."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.reliability:measure_reliability",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.reliability,
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
