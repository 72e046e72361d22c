"""Collect the metrics of all model versions in one table, and their changes in another."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

measures = snakemake.params.measures
tables = iter(snakemake.input.tables)

run_job(
    "measures.metrics:collect_metrics",
    snakemake,
    versions=[version | {name: next(tables) for name in measures} for version in snakemake.params.versions],
    out=snakemake.output.metrics,
    out_changes=snakemake.output.changes,
    seed_sets=dict(zip(snakemake.params.draws, snakemake.input.seed_sets, strict=True)),
    classifier=str(Path(snakemake.input.scores).parent),
    labels=snakemake.params.labels,
    settings=snakemake.params.settings,
)
