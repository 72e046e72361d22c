"""Write the page that shows every figure and table of the run."""

from bias_amplification.execution.jobs import run_job

run_job(
    "figures.index:write_index",
    snakemake,
    files=list(snakemake.input.files),
    tables={name: path for name, path in snakemake.input.items() if name != "files"},
    out=snakemake.output[0],
    headings=snakemake.params.headings,
    about=snakemake.params.about,
    corpus=snakemake.params.corpus,
)
