"""Correlate and regress the neurons of all model versions on bias and quality."""

from bias_amplification.jobs import run_job

run_job(
    "neurons.analyse:analyse_neurons",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    correlations=snakemake.output.correlations,
    regression=snakemake.output.regression,
    sets=snakemake.output.sets,
    **snakemake.params.choices,
)
