"""Write the page that shows one article across a round's generations."""

from bias_amplification.jobs import run_job

run_job(
    "figures.article:write_article_page",
    snakemake,
    **dict(snakemake.input.items()),
    page=snakemake.output[0],
    round_name=snakemake.params.round,
    **snakemake.params.arguments,
)
