"""Look for empty, repetitive and copied texts among a version's articles."""

from bias_amplification.execution.jobs import run_job

training = None
if snakemake.input.training_set:
    sources = dict(zip(snakemake.params.origins, snakemake.input.sources, strict=True))
    training = {"training_set": snakemake.input.training_set[0], "sources": sources}

run_job(
    "measures.degeneration:examine_texts",
    snakemake,
    articles=snakemake.input.articles,
    seed_set=snakemake.input.seed_set,
    out=snakemake.output[0],
    degeneration=snakemake.params.degeneration,
    language=snakemake.params.language,
    training=training,
    generation=snakemake.params.generation,
)
