"""Classify the leaning of a version's articles."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

run_job(
    "measures.leaning:classify_articles",
    snakemake,
    model_folder=str(Path(snakemake.input.classifier[0]).parent),
    articles=snakemake.input.articles,
    out=snakemake.output[0],
    labels=snakemake.params.labels,
    text=snakemake.params.text,
    max_tokens=snakemake.params.max_tokens,
    remove_quotes=snakemake.params.remove_quotes,
    batch_tokens=snakemake.config["compute"]["batch_tokens"],
    device=snakemake.params.device,
    state=saved_state(snakemake),
)
