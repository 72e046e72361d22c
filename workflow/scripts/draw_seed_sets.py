"""Draw the seed sets of real articles."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "corpus.build:draw_seed_sets",
    snakemake,
    articles=Path(snakemake.input.articles),
    out={Path(file).stem: Path(file) for file in snakemake.output},
    seed_sets=snakemake.params.seed_sets,
    seed=snakemake.params.seed,
    random_state=snakemake.params.random_state,
)
