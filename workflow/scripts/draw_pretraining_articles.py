"""Draw the articles that the base model is pretrained on, in the label mix of the config."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "corpus.build:draw_pretraining",
    snakemake,
    articles=Path(snakemake.input.articles),
    seed_sets=[Path(file) for file in snakemake.input.seed_sets],
    out=Path(snakemake.output[0]),
    label_mix=snakemake.params.label_mix,
    count=snakemake.params.articles,
    seed=snakemake.params.seed,
)
