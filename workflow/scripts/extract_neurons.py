"""Extract the weights and activations of a version's FFN output units."""

from pathlib import Path

from bias_amplification.jobs import run_job

run_job(
    "neurons.extract:extract_neurons",
    snakemake,
    model_folder=str(Path(snakemake.input.model).parent),
    tokenizer_folder=str(Path(snakemake.input.tokenizer).parent),
    probe_set=snakemake.input.probe_set,
    out=snakemake.output[0],
    max_tokens=snakemake.params.max_tokens,
    batch_tokens=snakemake.config["compute"]["batch_tokens"],
    device=snakemake.params.device,
    architecture=snakemake.params.architecture,
)
