"""Count significant neurons under permuted outcomes."""

from bias_amplification.execution.jobs import run_job

run_job(
    "neurons.permute:permute_outcomes",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=dict(snakemake.output),
    settings=snakemake.params.settings,
    quality=snakemake.params.quality,
    seed=snakemake.params.seed,
)
