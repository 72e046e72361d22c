"""One article across the generations of a round: appendices C and F of the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from bias_amplification.artifacts import StudyError, new_file, read_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, PERPLEXITY, QUALITY, predictions
from bias_amplification.figures import style
from bias_amplification.figures.article_page import article_page
from bias_amplification.study.sections import Corpus, Example


def choose_article(seed_set: pa.Table, example: Example) -> dict[str, Any]:
    """Return the seed article to show, as a row of the article table.

    Parameters
    ----------
    seed_set
        The round's seed set.
    example
        Names the article, or the label of the first one to take. If the seed set has no article of this label, or if
        neither is given, the first article is taken.

    Raises
    ------
    StudyError
        If the seed set lacks the article that `example` names.
    """
    if example.article_id is not None:
        rows = seed_set.filter(pc.equal(seed_set["article_id"], example.article_id))
        if not rows.num_rows:
            raise StudyError(
                f"the seed set has no article {example.article_id!r}: name another one in example.article_id."
            )
    elif example.label is not None:
        rows = seed_set.filter(pc.equal(seed_set["label"], example.label))
    else:
        rows = seed_set
    return (rows if rows.num_rows else seed_set).slice(0, 1).to_pylist()[0]


def read_history(article_id: str, labels: Sequence[str], files: Sequence[Path]) -> pd.DataFrame:
    """Collect what each generation made of one article.

    Parameters
    ----------
    article_id
        The article.
    labels
        The label set.
    files
        `articles.parquet`, `predictions.parquet`, `quality.parquet` and `perplexity.parquet` of each generation.
        Tables of the same name are in the order of generations, from 0.

    Returns
    -------
    pd.DataFrame
        One row per generation: `generation`, `head`, `text`, `predicted`, `probability_{label}`, `quality`,
        `perplexity_base`, `perplexity_generating`.

    Raises
    ------
    StudyError
        If a generation's file lacks the article.
    """
    probabilities = [f"probability_{label}" for label in labels]
    kinds = {
        "articles": (GENERATED_ARTICLES, ["head", "text"]),
        "predictions": (predictions(labels), ["predicted", *probabilities]),
        "quality": (QUALITY, ["quality"]),
        "perplexity": (PERPLEXITY, ["perplexity_base", "perplexity_generating"]),
    }
    parts = [
        pd.DataFrame([_find(file, *kinds[kind], article_id) for file in files if file.stem == kind]) for kind in kinds
    ]
    history = pd.concat(parts, axis="columns")
    history.insert(0, "generation", range(len(history)))
    return history


def _find(path: Path, schema: pa.Schema, columns: Sequence[str], article_id: str) -> dict[str, Any]:
    """Return one article's values from a table of one generation."""
    table = read_table(path, schema, ["article_id", *columns])
    found = table.filter(pc.equal(table["article_id"], article_id)).select(list(columns)).to_pylist()
    if not found:
        raise StudyError(f"{path} has no article {article_id!r}: delete it and run snakemake again.")
    return found[0]


@style.styled
def article_evolution(history: pd.DataFrame, labels: Sequence[str]) -> Figure:
    """Draw an article's label probabilities, quality and perplexity over generations.

    Parameters
    ----------
    history
        As `read_history` returns it.
    labels
        The label set, in the order in which the probabilities are stacked.

    Returns
    -------
    Figure
        (a) Stacked bars of the label probabilities. (b) Text quality index. (c) Perplexity under the base model and
        under the model that wrote the text, on a logarithmic axis.
    """
    figure = style.new_figure(height=3.0)
    shares, quality, perplexity = figure.subplots(1, 3, width_ratios=[1.5, 1, 1])
    bottom = np.zeros(len(history))
    for label, colour in style.label_colours(labels).items():
        # A text that is too short to have a label has no bar.
        height = np.nan_to_num(history[f"probability_{label}"].to_numpy(dtype=float))
        shares.bar(history["generation"], height, bottom=bottom, width=0.8, color=colour, label=label, linewidth=0)
        bottom = bottom + height
    shares.set(ylabel="Label probability", ylim=(0, 1))
    style.line_over_generations(quality, history, "quality", band=False, color=style.PALETTE[6], marker="o")
    quality.set(ylabel="Text quality index (0 to 3)", ylim=(-0.05, 3.05))
    for place, kind in enumerate(("base", "generating")):
        look = {"color": style.PALETTE[4 - 3 * place], "marker": style.MARKERS[place], "label": f"{kind} model"}
        style.line_over_generations(perplexity, history, f"perplexity_{kind}", band=False, **look)
    style.logarithmic_axis(perplexity)
    perplexity.set_ylabel("Perplexity")
    for position, axes in enumerate((shares, quality, perplexity)):
        axes.set_title(style.letter(position, 3).strip())
        style.generation_axis(axes, ticks=11 if position == 0 else 6)
    style.legend_below(figure, shares, perplexity)
    return figure


def write_article_evolution(
    seed_set_file: Path,
    generation_files: Sequence[Path],
    out: Sequence[Path],
    *,
    labels: Sequence[str],
    example: Example,
) -> None:
    """Write `article_evolution` of one article in one round to each of `out` (.png, .svg, .pdf).

    Parameters
    ----------
    seed_set_file
        The round's seed set.
    generation_files
        Tables of each generation, see `read_history`.
    out
        The files to make.
    labels
        The label set.
    example
        The article, see `choose_article`.
    """
    article = choose_article(read_table(seed_set_file, ARTICLES), example)
    history = read_history(article["article_id"], labels, generation_files)
    style.save_figure(article_evolution(history, labels), out)


def write_article_page(
    seed_set_file: Path,
    generation_files: Sequence[Path],
    out: Sequence[Path],
    *,
    corpus: Corpus,
    example: Example,
    language: str,
) -> None:
    """Write the HTML page of the article that `write_article_evolution` draws.

    The parameters are the same but for `corpus`, which has the labels and the study's word for an article, and
    `language`, the language of the articles, an ISO 639 code.
    """
    article = choose_article(read_table(seed_set_file, ARTICLES), example)
    history = read_history(article["article_id"], corpus.labels, generation_files)
    page = article_page(article, history, corpus.labels, example.round, language, corpus.unit)
    for path in out:
        with new_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
