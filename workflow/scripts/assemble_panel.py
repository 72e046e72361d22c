"""Assemble the outcomes of the neuron analysis, one row for each model version."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.panel:assemble_panel",
    snakemake,
    metrics_file=snakemake.input.metrics,
    out=snakemake.output.panel,
    versions=snakemake.params.versions,
    labels=snakemake.params.labels,
    settings=snakemake.params.settings,
)
