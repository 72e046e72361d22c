"""Read the source of labelled articles, clean it, and remove what identifies outlets and authors."""

from pathlib import Path

from bias_amplification.jobs import run_job

corpus = snakemake.params.corpus

run_job(
    "corpus.build:build_corpus",
    snakemake,
    out_articles=Path(snakemake.output.articles),
    out_cleaning=Path(snakemake.output.cleaning),
    out_review=Path(snakemake.output.review),
    **{key: value for key, value in corpus.items() if key not in ("path", "press")},
    path=Path(corpus["path"]) if corpus["path"] else None,
    press={**corpus["press"], "seed": snakemake.params.seed},
    downloads=Path("resources/downloads"),
)
