"""Draw the real articles that the generations of a control without synthetic text are trained on."""

from bias_amplification.execution.jobs import run_job

name, _, replicate = snakemake.wildcards.draw.partition("/replicate_")

run_job(
    "corpus.seed_sets:draw_real_articles",
    snakemake,
    articles=snakemake.input.articles,
    seed_articles=snakemake.input.seed_articles,
    taken=snakemake.input.taken,
    out=snakemake.output[0],
    need={
        "sets": snakemake.params.sets,
        "replicate": int(replicate or 1),
        "distinct": snakemake.params.distinct,
    },
    seed=snakemake.params.seed,
)
