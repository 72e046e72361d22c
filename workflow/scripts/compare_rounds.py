"""Compare the changes of all rounds with each other and with controls."""

from bias_amplification.execution.jobs import run_job

measures = snakemake.params.measures
tables = iter(snakemake.input.tables)

run_job(
    "measures.compare:compare_rounds",
    snakemake,
    chains=[chain | {name: next(tables) for name in measures} for chain in snakemake.params.chains],
    out_contrasts=snakemake.output.contrasts,
    out_variance=snakemake.output.variance,
    labels=snakemake.params.labels,
    quality=snakemake.params.quality,
)
