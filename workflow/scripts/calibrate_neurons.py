"""Simulate studies and count how often the neurons' tests reject."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.calibrate:calibrate_neurons",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.calibration,
    out_world=snakemake.output.world,
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
