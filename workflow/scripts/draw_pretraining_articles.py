"""Draw the articles that the base model is pretrained on."""

from bias_amplification.execution.jobs import run_job

run_job(
    "corpus.pretraining_articles:draw_pretraining_articles",
    snakemake,
    articles=snakemake.input.articles,
    seed_sets=snakemake.input.seed_sets,
    out=snakemake.output[0],
    pretraining=snakemake.params.pretraining,
    seed=snakemake.params.seed,
)
