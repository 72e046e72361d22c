"""Measure the diversity of a version's articles."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "measures.diversity:measure_diversity",
    snakemake,
    articles=snakemake.input.articles,
    encoder={"folder": str(Path(snakemake.input.classifier[0]).parent), "labels": snakemake.params.labels},
    out=snakemake.output[0],
    settings=snakemake.params.settings,
    classifier=snakemake.params.classifier,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
)
