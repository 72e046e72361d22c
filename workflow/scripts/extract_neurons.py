"""Extract the weights and activations of a version's FFN output units."""

from pathlib import Path

from bias_amplification.jobs import run_job

compute = snakemake.config["compute"]

run_job(
    "neurons.extract:extract_neurons",
    snakemake,
    threads=compute["threads"],
    model_folder=str(Path(snakemake.input.model).parent),
    tokenizer_folder=str(Path(snakemake.input.tokenizer).parent),
    probe_set=snakemake.input.probe_set,
    out=snakemake.output[0],
    max_tokens=snakemake.params.max_tokens,
    batch_tokens=compute["batch_tokens"],
    device=compute["device"],
    architecture=snakemake.params.architecture,
)
