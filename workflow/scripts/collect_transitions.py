"""Collect how often articles of each real label get each label, in all versions."""

from bias_amplification.execution.jobs import run_job

real = dict(zip(snakemake.params.draws, snakemake.input.seed_sets, strict=True))
rows = zip(snakemake.params.versions, snakemake.input.predictions, strict=True)

run_job(
    "measures.transitions:collect_transitions",
    snakemake,
    versions=[
        {name: row[name] for name in ("round", "replicate", "generation", "seed_set")}
        | {"real": real[row["draw"]], "predictions": predictions}
        for row, predictions in rows
    ],
    out=snakemake.output.transitions,
    out_events=snakemake.output.events,
    labels=snakemake.params.labels,
)
