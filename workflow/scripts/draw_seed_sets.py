"""Draw the seed sets of real articles."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

run_job(
    "corpus.seed_sets:draw_seed_sets",
    snakemake,
    articles=snakemake.input.articles,
    out={Path(file).stem: file for file in snakemake.output},
    seed_sets=snakemake.params.seed_sets,
    seed=snakemake.params.seed,
    random_state=snakemake.params.random_state,
)
