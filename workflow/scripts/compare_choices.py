"""Count significant neurons under every combination of choices."""

from bias_amplification.jobs import run_job

run_job(
    "neurons.sensitivity:compare_choices",
    snakemake,
    panel=snakemake.input.panel,
    neurons=list(snakemake.input.neurons),
    out=snakemake.output.sensitivity,
    moves=snakemake.params.moves,
    number=snakemake.params.number,
    seed=snakemake.params.seed,
    **snakemake.params.choices,
)
