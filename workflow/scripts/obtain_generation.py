"""Take the model of a generation that was trained elsewhere."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "language_model.load:obtain_generation",
    snakemake,
    out=str(Path(snakemake.output.model).parent),
    base_model=str(Path(snakemake.input.base_model[0]).parent),
    key=snakemake.params.key,
    **snakemake.params.source,
)
