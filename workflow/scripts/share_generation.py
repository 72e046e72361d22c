"""Give a round a file of the generation 0 that it has in common with another one."""

from bias_amplification.jobs import run_job

run_job("artifacts.copies:copy_file", snakemake, source=snakemake.input[0], target=snakemake.output[0])
