"""Write one synthetic article per article of the seed set."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "language_model.generate:generate_articles",
    snakemake,
    model={
        "model": str(Path(snakemake.input.model).parent),
        "tokenizer": str(Path(snakemake.input.tokenizer).parent),
    },
    seed_set=snakemake.input.seed_set,
    out=snakemake.output[0],
    generation=snakemake.params.generation,
    decoding=snakemake.params.decoding,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
)
