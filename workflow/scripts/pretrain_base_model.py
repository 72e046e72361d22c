"""Pretrain the base model and its tokenizer."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

run_job(
    "language_model.pretrain:pretrain_base_model",
    snakemake,
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output.model).parent),
    settings=snakemake.params.settings,
    seed=snakemake.params.seed,
    device=snakemake.params.device,
    precision=snakemake.params.precision,
    state=saved_state(snakemake),
)
