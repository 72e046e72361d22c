"""Train one candidate for the leaning classifier on one split of its articles."""

import json
from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

candidate = snakemake.params.get("candidate")
if candidate is None:
    selected = json.loads(Path(snakemake.input.selected).read_text(encoding="utf-8"))["selected"]
    candidate = snakemake.params.candidates[selected]

run_job(
    "measures.leaning:train_leaning_classifier",
    snakemake,
    articles={
        "path": snakemake.input.articles,
        "split": snakemake.params.split,
        "labels": snakemake.params.labels,
    },
    out=str(Path(snakemake.output[0]).parent),
    candidate=candidate,
    classifier=snakemake.params.classifier,
    seed=snakemake.params.seed,
    compute=job_compute(snakemake),
)
