"""Put the published numbers beside the run's own."""

from bias_amplification.jobs import run_job

run_job(
    "published.compare:write_comparison",
    snakemake,
    metrics_file=snakemake.input.metrics,
    scores_files=list(snakemake.input.scores),
    overlap_file=snakemake.input.overlap,
    trajectories=snakemake.input.trajectories,
    statements=snakemake.input.statements,
    out=snakemake.output[0],
    labels=snakemake.params.labels,
    rounds=snakemake.params.rounds,
    seed_sets=snakemake.params.seed_sets,
    departures=snakemake.params.departures,
)
