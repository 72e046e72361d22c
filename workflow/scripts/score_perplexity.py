"""Score the perplexity of a version's articles."""

from pathlib import Path

from bias_amplification.jobs import run_job

compute = snakemake.config["compute"]

run_job(
    "language_model.perplexity:score_perplexity",
    snakemake,
    threads=compute["threads"],
    articles=snakemake.input.articles,
    base_model=str(Path(snakemake.input.base_model[0]).parent),
    generating_model=str(Path(snakemake.input.generating_model[0]).parent),
    out=snakemake.output[0],
    max_tokens=snakemake.params.max_tokens,
    batch_tokens=compute["batch_tokens"],
    device=compute["device"],
)
