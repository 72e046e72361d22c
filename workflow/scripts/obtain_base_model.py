"""Take the base model from its folder or hub."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

run_job(
    "language_model.obtain:obtain_base_model",
    snakemake,
    out=str(Path(snakemake.output.model).parent),
    source=snakemake.params.source,
)
