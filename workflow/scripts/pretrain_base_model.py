"""Pretrain the base model and its tokenizer."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

compute = snakemake.config["compute"]

run_job(
    "language_model.pretrain:pretrain_base_model",
    snakemake,
    threads=compute["training_threads"],
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output.model).parent),
    settings=snakemake.params.settings,
    seed=snakemake.params.seed,
    device=compute["device"],
    precision=snakemake.params.precision,
    state=saved_state(snakemake),
)
