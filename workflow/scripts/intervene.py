"""Let a version write under all conditions of its interventions."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

model, *_ = snakemake.input.model
folders = dict.fromkeys(str(Path(file).parent) for file in snakemake.input.references)

run_job(
    "interventions.write:intervene",
    snakemake,
    model={"model": str(Path(model).parent), "tokenizer": str(Path(snakemake.input.tokenizer).parent)},
    changes={
        "units": snakemake.input.units,
        "references": dict(zip(snakemake.params.references, folders, strict=True)),
        "settings": snakemake.params.settings,
        "architecture": snakemake.params.architecture,
    },
    seed_set=snakemake.input.seed_set,
    writing=snakemake.params.writing,
    out=dict(snakemake.output),
    compute=job_compute(snakemake),
)
