"""Copy a file of generation 0 to a round that shares this generation with another round."""

from bias_amplification.execution.jobs import run_job

run_job("artifacts.copies:copy_file", snakemake, source=snakemake.input[0], target=snakemake.output[0])
