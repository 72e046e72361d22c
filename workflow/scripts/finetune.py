"""Fine-tune one generation on its training set."""

from pathlib import Path

from bias_amplification.jobs import run_job, saved_state

settings = snakemake.params.finetuning

compute = snakemake.config["compute"]

run_job(
    "language_model.finetune:finetune_generation",
    snakemake,
    threads=compute["threads"],
    training_set=snakemake.input.training_set,
    sources=dict(zip(snakemake.params.origins, snakemake.input.sources, strict=True)),
    initial_model=str(Path(snakemake.input.initial_model[0]).parent),
    tokenizer=str(Path(snakemake.input.tokenizer).parent),
    out=str(Path(snakemake.output.model).parent),
    recipe={key: settings[key] for key in ("epochs", "batch_size", "learning_rate", "weight_decay")},
    max_tokens=settings["max_tokens"],
    example=settings["example"],
    learn_end=settings["learn_end"],
    blank_lines=settings["blank_lines"],
    seed=snakemake.params.seed,
    device=compute["device"],
    precision=snakemake.params.precision,
    processes=compute["processes"],
    state=saved_state(snakemake),
)
