"""Fine-tune one generation on its training set."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

initial = {
    "model": str(Path(snakemake.input.initial_model[0]).parent),
    "tokenizer": str(Path(snakemake.input.tokenizer).parent),
}
if snakemake.input.held:
    initial |= {"held": snakemake.input.held[0], "architecture": snakemake.params.architecture}

run_job(
    "language_model.finetune:finetune_generation",
    snakemake,
    training_set=snakemake.input.training_set,
    sources=dict(zip(snakemake.params.origins, snakemake.input.sources, strict=True)),
    initial=initial,
    out=str(Path(snakemake.output.model).parent),
    finetuning={"adapter": None, **snakemake.params.finetuning},
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
)
