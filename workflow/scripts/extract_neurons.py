"""Extract the weights and activations of a version's neurons."""

from pathlib import Path

from bias_amplification.execution.jobs import job_compute, run_job

run_job(
    "neurons.extract:extract_neurons",
    snakemake,
    model={
        "model": str(Path(snakemake.input.model).parent),
        "tokenizer": str(Path(snakemake.input.tokenizer).parent),
    },
    probe_set=snakemake.input.probe_set,
    out=snakemake.output[0],
    settings=snakemake.params.settings,
    compute=job_compute(snakemake),
)
