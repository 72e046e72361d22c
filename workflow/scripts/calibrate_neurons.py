"""Simulate studies and say how often the neurons' tests reject."""

from bias_amplification.jobs import run_job

run_job(
    "neurons.calibrate:calibrate",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.calibration,
    test=snakemake.params.test,
    alpha=snakemake.params.alpha,
    weight=snakemake.params.weight,
    moves=snakemake.params.moves,
    studies=snakemake.params.studies,
    neurons_a_study=snakemake.params.neurons_a_study,
    effects=snakemake.params.effects,
    seed=snakemake.params.seed,
)
