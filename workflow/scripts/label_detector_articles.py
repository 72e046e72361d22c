"""Label articles by people and by the base model for the detector of machine text."""

from bias_amplification.execution.jobs import run_job

run_job(
    "measures.human_likeness:label_detector_articles",
    snakemake,
    real=snakemake.input.real,
    machine=snakemake.input.machine,
    classifier_articles=snakemake.input.classifier_articles,
    out=snakemake.output[0],
)
