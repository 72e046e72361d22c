"""Fine-tune one generation on its training set."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

base = str(Path(snakemake.input.tokenizer).parent)
units = next(iter(snakemake.input.held), None)

run_job(
    "language_model.finetune:finetune_generation",
    snakemake,
    training_set=snakemake.input.training_set,
    sources=dict(zip(snakemake.params.origins, snakemake.input.sources, strict=True)),
    initial={
        "model": str(Path(snakemake.input.initial_model[0]).parent),
        "tokenizer": base,
    },
    out=str(Path(snakemake.output.model).parent),
    finetuning=snakemake.params.finetuning,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
    held={"units": units, "base": base, "architecture": snakemake.params.architecture} if units else None,
)
