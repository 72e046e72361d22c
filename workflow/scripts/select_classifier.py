"""Select the candidate with the best validation macro F1."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "measures.leaning:select_classifier",
    snakemake,
    candidates=snakemake.params.candidates,
    out=str(Path(snakemake.output.selected).parent),
    second=str(Path(snakemake.output.second).parent) if hasattr(snakemake.output, "second") else None,
)
