"""Split the articles outside the seed sets for the classifier."""

from bias_amplification.execution.jobs import run_job

run_job(
    "corpus.classifier_articles:split_classifier_articles",
    snakemake,
    articles=snakemake.input.articles,
    seed_sets=snakemake.input.seed_sets,
    out=snakemake.output[0],
    labels=snakemake.params.labels,
    classifier=snakemake.params.classifier,
    seed=snakemake.params.seed,
)
