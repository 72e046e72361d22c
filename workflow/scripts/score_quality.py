"""Score the text quality of a version's articles."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

run_job(
    "measures.quality:score_quality",
    snakemake,
    detector_folder=str(Path(snakemake.input.detector[0]).parent),
    articles=snakemake.input.articles,
    out=snakemake.output[0],
    splitter=snakemake.params.splitter,
    max_tokens=snakemake.params.max_tokens,
    batch_tokens=snakemake.config["compute"]["batch_tokens"],
    device=snakemake.params.device,
    state=saved_state(snakemake),
)
