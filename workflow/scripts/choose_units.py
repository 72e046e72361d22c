"""Choose the neurons of a version that are changed, and their controls."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job


def model_files(files: list[str]) -> dict[str, str]:
    """Return the folder of a model and its table of neurons, which is the last of its files."""
    return {"folder": str(Path(files[0]).parent), "neurons": files[-1]}


run_job(
    "interventions.units:choose_units",
    snakemake,
    analysed={"panel": snakemake.input.panel, "neurons": list(snakemake.input.neurons)},
    changed={
        "round": snakemake.params.round,
        "replicate": snakemake.params.replicate,
        "version": model_files(snakemake.input.version),
        "reference": model_files(snakemake.input.reference),
        "left_out": list(snakemake.params.left_out),
    },
    out=dict(snakemake.output.items()),
    interventions=snakemake.params.interventions,
    neurons=snakemake.params.neurons,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
