"""Train the quality detector, or test a published one."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "measures.quality:train_quality_detector",
    snakemake,
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output[0]).parent),
    quality=snakemake.params.quality,
    language=snakemake.params.language,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
)
