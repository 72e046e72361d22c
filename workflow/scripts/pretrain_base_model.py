"""Pretrain the base model and its tokenizer."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "language_model.pretrain:pretrain_base_model",
    snakemake,
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output[0]).parent),
    pretraining=snakemake.params.pretraining,
    begin_token=snakemake.params.begin_token,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake, threads="training_threads"),
)
