"""Compare every published number with the run's own."""

from bias_amplification.execution.jobs import run_job

run_job(
    "published.compare:write_comparison",
    snakemake,
    measured=[snakemake.input.metrics, snakemake.input.changes],
    scores_files=list(snakemake.input.scores),
    overlap_file=snakemake.input.overlap,
    trajectories=snakemake.input.trajectories,
    statements=snakemake.input.statements,
    out=snakemake.output[0],
    counterparts=snakemake.params.counterparts,
)
