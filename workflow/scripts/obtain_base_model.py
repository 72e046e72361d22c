"""Load the base model from its folder or hub."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "language_model.load:obtain_base_model",
    snakemake,
    out=str(Path(snakemake.output.model).parent),
    **snakemake.params.source,
)
