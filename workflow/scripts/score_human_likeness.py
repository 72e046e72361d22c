"""Compute the probability that people wrote each article."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "measures.human_likeness:score_human_likeness",
    snakemake,
    articles=snakemake.input.articles,
    detector=str(Path(snakemake.input.detector[0]).parent),
    out=snakemake.output[0],
    classifier=snakemake.params.classifier,
    compute=job_compute(snakemake),
)
