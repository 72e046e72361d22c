"""Train the detector behind the text quality index, or load and test a published one."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

compute = snakemake.config["compute"]

run_job(
    "measures.quality:train_quality_detector",
    snakemake,
    threads=compute["threads"],
    articles=snakemake.input.articles,
    out=str(Path(snakemake.output.timing).parent),
    detector=snakemake.params.detector,
    training=snakemake.params.training,
    sentences=snakemake.params.sentences,
    splitter=snakemake.params.splitter,
    seed=snakemake.params.seed,
    device=compute["device"],
    precision=snakemake.params.precision,
    state=saved_state(snakemake),
)
