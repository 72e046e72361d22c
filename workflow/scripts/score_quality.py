"""Score the text quality of a version's articles."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

compute = snakemake.config["compute"]

run_job(
    "measures.quality:score_quality",
    snakemake,
    threads=compute["threads"],
    detector_folder=str(Path(snakemake.input.detector[0]).parent),
    articles=snakemake.input.articles,
    out=snakemake.output[0],
    splitter=snakemake.params.splitter,
    max_tokens=snakemake.params.max_tokens,
    batch_tokens=compute["batch_tokens"],
    device=compute["device"],
    state=saved_state(snakemake),
)
