"""Let a model write one synthetic article per article of the seed set."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

compute = snakemake.config["compute"]

run_job(
    "language_model.generate:generate_articles",
    snakemake,
    threads=compute["threads"],
    model=str(Path(snakemake.input.model).parent),
    tokenizer=str(Path(snakemake.input.tokenizer).parent),
    seed_set=snakemake.input.seed_set,
    out=snakemake.output[0],
    generation=snakemake.params.generation,
    decoding=snakemake.params.decoding,
    seed=snakemake.params.seed,
    device=compute["device"],
    state=saved_state(snakemake),
)
