"""Write the page that shows every figure and table of the run."""

from bias_amplification.jobs import run_job

run_job(
    "figures.index:write_index",
    snakemake,
    page=snakemake.output[0],
    entries=snakemake.params.entries,
    title=snakemake.params.title,
    introduction=snakemake.params.introduction,
)
