"""Correlate and regress the neurons of all model versions on bias and quality."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.analyse:analyse_neurons",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=dict(snakemake.output),
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
)
