"""Take the model of a generation that was trained elsewhere."""

from dataclasses import asdict
from pathlib import Path

from bias_amplification.execution.jobs import run_job
from bias_amplification.study import given_model_use, language_model_use, read_study

run_job(
    "language_model.obtain:obtain_generation",
    snakemake,
    out=str(Path(snakemake.output.model).parent),
    base_model=str(Path(snakemake.input.base_model[0]).parent),
    source=snakemake.params.source,
    key=snakemake.params.key,
    # Not among the rule's params: the model is the same if other lengths are asked of it.
    use=asdict(given_model_use(language_model_use(read_study(snakemake.config)))),
)
