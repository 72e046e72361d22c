"""Split the classifier's articles, none of which is in a seed set."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "corpus.build:split_classifier_articles",
    snakemake,
    articles=Path(snakemake.input.articles),
    seed_sets=[Path(file) for file in snakemake.input.seed_sets],
    out=Path(snakemake.output[0]),
    labels=snakemake.params.labels,
    seed=snakemake.params.seed,
    resample=snakemake.params.resample,
    resample_first=snakemake.params.resample_first,
)
