"""Collect the means of the metrics over replicates."""

from bias_amplification.execution.jobs import run_job

run_job(
    "measures.replicates:collect_means",
    snakemake,
    metrics_file=snakemake.input.metrics,
    out=snakemake.output.means,
    labels=snakemake.params.labels,
)
