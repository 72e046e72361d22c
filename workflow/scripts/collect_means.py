"""Average the metrics over the replicates of each round."""

from bias_amplification.execution.jobs import run_job

run_job(
    "measures.replicates:collect_means",
    snakemake,
    metrics_file=snakemake.input[0],
    out=snakemake.output[0],
    labels=snakemake.params.labels,
)
