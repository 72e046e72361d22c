"""Take the model of a generation that was trained elsewhere."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

run_job(
    "language_model.obtain:obtain_generation",
    snakemake,
    out=str(Path(snakemake.output.model).parent),
    base_model=str(Path(snakemake.input.base_model[0]).parent),
    source=snakemake.params.source,
    key=snakemake.params.key,
)
