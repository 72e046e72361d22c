"""Score the perplexity of a version's articles."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "language_model.perplexity:score_perplexity",
    snakemake,
    articles=snakemake.input.articles,
    base_model=str(Path(snakemake.input.base_model[0]).parent),
    generating_model=str(Path(snakemake.input.generating_model[0]).parent),
    out=snakemake.output[0],
    perplexity=snakemake.params.perplexity,
    compute=job_compute(snakemake),
)
