"""Collect the outcomes that neurons are compared with, one row a model version."""

from bias_amplification.jobs import run_job

run_job(
    "neurons.panel:assemble_panel",
    snakemake,
    metrics_file=snakemake.input.metrics,
    out=snakemake.output.panel,
    versions=snakemake.params.versions,
    labels=snakemake.params.labels,
    bias_label=snakemake.params.bias_label,
)
