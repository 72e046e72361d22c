"""Classify the leaning of a version's articles."""

from bias_amplification.jobs import run_job, saved_state

compute = snakemake.config["compute"]

run_job(
    "measures.leaning:classify_articles",
    snakemake,
    threads=compute["threads"],
    articles=snakemake.input.articles,
    out=dict(zip(snakemake.params.classifiers, snakemake.output, strict=True)),
    labels=snakemake.params.labels,
    text=snakemake.params.text,
    max_tokens=snakemake.params.max_tokens,
    remove_quotes=snakemake.params.remove_quotes,
    batch_tokens=compute["batch_tokens"],
    device=compute["device"],
    state=saved_state(snakemake),
)
