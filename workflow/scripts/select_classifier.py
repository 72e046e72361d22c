"""Select the candidate with the best validation macro F1, and the second best if it is used."""

from pathlib import Path

from bias_amplification.execution.jobs import run_job

folders = {Path(file).parent.name: str(Path(file).parent) for file in snakemake.input}

run_job(
    "measures.selection:select_classifier",
    snakemake,
    candidates=[folders[name] for name in snakemake.params.candidates],
    out=str(Path(snakemake.output.selected).parent),
    second=str(Path(snakemake.output.second).parent) if hasattr(snakemake.output, "second") else None,
)
