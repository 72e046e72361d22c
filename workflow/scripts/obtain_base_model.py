"""Take the base model from its folder or hub."""

from dataclasses import asdict
from pathlib import Path

from bias_amplification.execution.jobs import run_job
from bias_amplification.study import language_model_use, read_study

run_job(
    "language_model.obtain:obtain_base_model",
    snakemake,
    out=str(Path(snakemake.output[0]).parent),
    source=snakemake.params.source,
    # Not among the rule's params: the model is the same if other lengths are asked of it.
    use=asdict(language_model_use(read_study(snakemake.config))),
)
