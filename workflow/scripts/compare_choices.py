"""Count significant neurons under every combination of choices."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.sensitivity:compare_choices",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.sensitivity,
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
