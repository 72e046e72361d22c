"""Count significant neurons under permuted outcomes."""

from bias_amplification.jobs import run_job

run_job(
    "neurons.null:permute_neurons",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    null=snakemake.output.null,
    overlap=snakemake.output.overlap,
    permuted=snakemake.output.permuted,
    schemes=snakemake.params.schemes,
    number=snakemake.params.number,
    seed=snakemake.params.seed,
    **snakemake.params.choices,
)
