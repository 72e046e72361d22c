"""Collect the metrics of all model versions in one table."""

from pathlib import Path

from bias_amplification.jobs import run_job

tables = iter(snakemake.input.tables)

run_job(
    "measures.metrics:collect_metrics",
    snakemake,
    versions=[
        {**version, "predictions": next(tables), "quality": next(tables), "perplexity": next(tables)}
        for version in snakemake.params.versions
    ],
    out=snakemake.output.metrics,
    seed_sets={Path(file).stem: file for file in snakemake.input.seed_sets},
    labels=snakemake.params.labels,
)
