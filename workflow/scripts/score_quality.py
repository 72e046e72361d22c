"""Score the text quality of a version's articles."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "measures.quality:score_quality",
    snakemake,
    detector=str(Path(snakemake.input.detector[0]).parent),
    articles=snakemake.input.articles,
    out=snakemake.output[0],
    quality=snakemake.params.quality,
    language=snakemake.params.language,
    compute=job_compute(snakemake),
)
