"""Draw the articles that the base model continues for the detector of machine text."""

from bias_amplification.execution.jobs import run_job

run_job(
    "measures.human_likeness:draw_detector_articles",
    snakemake,
    classifier_articles=snakemake.input[0],
    out=snakemake.output[0],
    number=snakemake.params.number,
    seed=snakemake.params.seed,
)
