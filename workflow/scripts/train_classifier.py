"""Train one candidate for the leaning classifier on one split of its articles."""

import json
from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

candidate = snakemake.params.get("candidate")
if candidate is None:
    selected = json.loads(Path(snakemake.input.selected).read_text())["selected"]
    candidate = snakemake.params.candidates[selected]

compute = snakemake.config["compute"]

run_job(
    "measures.leaning:train_leaning_classifier",
    snakemake,
    threads=compute["threads"],
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output.timing).parent),
    candidate=candidate,
    split=snakemake.params.split,
    labels=snakemake.params.labels,
    training=snakemake.params.training,
    remove_quotes=snakemake.params.remove_quotes,
    test_copies=snakemake.params.test_copies,
    seed=snakemake.params.seed,
    device=compute["device"],
    precision=snakemake.params.precision,
    state=saved_state(snakemake),
)
