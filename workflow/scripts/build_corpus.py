"""Read the source of labelled articles, clean them, and remove the identity of outlets and authors."""

from bias_amplification.execution.jobs import run_job

run_job(
    "corpus.build:build_corpus",
    snakemake,
    out={
        "articles": snakemake.output.articles,
        "cleaning": snakemake.output.cleaning,
        "review": snakemake.output.review,
    },
    corpus=snakemake.params.corpus,
    wanted=snakemake.params.wanted,
    seed=snakemake.params.seed,
    downloads="resources/downloads",
)
