"""Draw the seed sets of real articles, for the first replicate or for a further one."""

from bias_amplification.execution.jobs import run_job

run_job(
    "corpus.seed_sets:draw_seed_sets",
    snakemake,
    articles=snakemake.input.articles,
    out=dict(snakemake.output.items()),
    seed_sets=snakemake.params.seed_sets,
    seed=snakemake.params.seed,
    random_state=snakemake.params.random_state,
    replicate=int(snakemake.wildcards.get("replicate", 1)),
)
