"""Choose the neurons that the training of a round holds."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

tables = iter(snakemake.input.tables)
base_model = list(snakemake.input.base_model)

run_job(
    "interventions.held:choose_held_units",
    snakemake,
    versions=[
        version | {name: next(tables) for name in ("predictions", "quality", "neurons")}
        for version in snakemake.params.versions
    ],
    base=str(Path(base_model[0]).parent) if base_model else None,
    out=snakemake.output.held,
    held=snakemake.params.held,
    neurons=snakemake.params.neurons,
    quality=snakemake.params.quality,
    labels=snakemake.params.labels,
)
