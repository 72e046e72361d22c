"""Classify the leaning of a version's articles."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

classifiers = list(dict.fromkeys(str(Path(file).parent) for file in snakemake.input.classifiers))

run_job(
    "measures.leaning:classify_articles",
    snakemake,
    articles=snakemake.input.articles,
    out=dict(zip(classifiers, snakemake.output, strict=True)),
    classifier=snakemake.params.classifier,
    degeneration=snakemake.params.degeneration,
    language=snakemake.params.language,
    labels=snakemake.params.labels,
    compute=job_compute(snakemake),
)
