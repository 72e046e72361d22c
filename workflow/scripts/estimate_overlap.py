"""Estimate which share of the neurons of bias are neurons of text quality too."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.overlap_curve:estimate_overlap",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.curve,
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
