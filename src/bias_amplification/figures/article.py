"""One article across the generations of a round: appendices C and F of the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import StudyError, new_file, read_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, PERPLEXITY, QUALITY, predictions
from bias_amplification.figures import style
from bias_amplification.figures.article_page import article_page


def choose_article(seed_set: pa.Table, article_id: str | None = None, label: str | None = None) -> dict[str, Any]:
    """Return the seed article to show, as a row of the article table.

    Parameters
    ----------
    seed_set
        The round's seed set.
    article_id
        The article wanted; where it is None, the first with `label`, or the first of all.
    label
        Label of the article chosen when `article_id` is None.

    Raises
    ------
    StudyError
        If the seed set has no such article.
    """
    if article_id is not None:
        rows = seed_set.filter(pc.equal(seed_set["article_id"], article_id))
        if not rows.num_rows:
            raise StudyError(f"the seed set has no article {article_id!r}: name another one in example.article_id.")
        return rows.slice(0, 1).to_pylist()[0]
    rows = seed_set if label is None else seed_set.filter(pc.equal(seed_set["label"], label))
    # A seed set of one label has no article of another; its first serves as well.
    return (rows if rows.num_rows else seed_set).slice(0, 1).to_pylist()[0]


def read_history(
    article_id: str,
    labels: Sequence[str],
    articles_files: Sequence[Path | str],
    predictions_files: Sequence[Path | str],
    quality_files: Sequence[Path | str],
    perplexity_files: Sequence[Path | str],
) -> pd.DataFrame:
    """Gather what each generation made of one article; the files stand in order of generations, from 0.

    Returns
    -------
    pd.DataFrame
        One row a generation: `generation`, `text`, `predicted`, `probability_{label}`, `quality`,
        `perplexity_base`, `perplexity_generating`.

    Raises
    ------
    StudyError
        If a generation's file lacks the article.
    """
    rows = []
    files = zip(articles_files, predictions_files, quality_files, perplexity_files, strict=True)
    for generation, (articles, predicted, quality, perplexity) in enumerate(files):
        row: dict[str, Any] = {"generation": generation}
        row |= _find(articles, GENERATED_ARTICLES, ["text"], article_id)
        names = ["predicted", *(f"probability_{label}" for label in labels)]
        row |= _find(predicted, predictions(labels), names, article_id)
        row |= _find(quality, QUALITY, ["quality"], article_id)
        row |= _find(perplexity, PERPLEXITY, ["perplexity_base", "perplexity_generating"], article_id)
        rows.append(row)
    return pd.DataFrame(rows)


def _find(path: Path | str, schema: pa.Schema, columns: Sequence[str], article_id: str) -> dict[str, Any]:
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
        As `read_history` returns it; no text is needed.
    labels
        The label set, in the order in which its probabilities are stacked.

    Returns
    -------
    Figure
        (a) bars of height 1, cut by label; (b) text quality index; (c) perplexity under the base model and under the
        model that wrote the text, on a logarithmic axis.
    """
    figure = style.new_figure(height=3.0)
    shares, quality, perplexity = figure.subplots(1, 3, width_ratios=[1.5, 1, 1])
    generations = history["generation"].to_numpy(dtype=int)
    ground = np.zeros(len(history))
    for label, colour in style.label_colours(labels).items():
        height = history[f"probability_{label}"].to_numpy(dtype=float)
        shares.bar(generations, height, bottom=ground, width=0.8, color=colour, label=label)
        ground = ground + height
    shares.set_ylabel("Label probability")
    shares.set_ylim(0, 1)
    quality.plot(generations, history["quality"].to_numpy(dtype=float), color=style.PALETTE[6], marker="o")
    quality.set_ylim(-0.05, 3.05)
    quality.set_ylabel("Text quality index (0 to 3)")
    for place, kind in enumerate(("base", "generating")):
        values = history[f"perplexity_{kind}"].to_numpy(dtype=float)
        look = {"color": style.PALETTE[4 - 3 * place], "marker": style.MARKERS[place]}
        perplexity.plot(generations, values, label=f"{kind} model", **look)
    style.logarithmic_axis(perplexity)
    perplexity.set_ylabel("Perplexity")
    for position, axes in enumerate((shares, quality, perplexity)):
        axes.set_title(style.letter(position, 3).strip())
        axes.set_xlabel("Generation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=11 if position == 0 else 6))
    style.legend_below(figure, shares, perplexity)
    return figure


def write_article_evolution(
    seed_set_file: Path | str,
    articles_files: Sequence[Path | str],
    predictions_files: Sequence[Path | str],
    quality_files: Sequence[Path | str],
    perplexity_files: Sequence[Path | str],
    outputs: Sequence[Path | str],
    *,
    labels: Sequence[str],
    article_id: str | None = None,
    label: str | None = None,
) -> None:
    """Write `article_evolution` of one article across a round's generations to each of `outputs` (.png, .svg, .pdf).

    Parameters
    ----------
    seed_set_file
        The round's seed set.
    articles_files, predictions_files, quality_files, perplexity_files
        The round's tables, one a generation, from generation 0.
    outputs
        Files to make.
    labels
        The label set.
    article_id, label
        Which article, see `choose_article`.
    """
    article = choose_article(read_table(seed_set_file, ARTICLES), article_id, label)
    files = (articles_files, predictions_files, quality_files, perplexity_files)
    style.save_figure(article_evolution(read_history(article["article_id"], labels, *files), labels), outputs)


def write_article_page(
    seed_set_file: Path | str,
    articles_files: Sequence[Path | str],
    predictions_files: Sequence[Path | str],
    quality_files: Sequence[Path | str],
    perplexity_files: Sequence[Path | str],
    page: Path | str,
    *,
    labels: Sequence[str],
    article_id: str | None = None,
    label: str | None = None,
    round_name: str = "",
) -> None:
    """Write the HTML page of the article that `write_article_evolution` draws; `round_name` stands in its heading."""
    article = choose_article(read_table(seed_set_file, ARTICLES), article_id, label)
    files = (articles_files, predictions_files, quality_files, perplexity_files)
    history = read_history(article["article_id"], labels, *files)
    with new_file(page) as temporary:
        temporary.write_text(article_page(article, history, labels, round_name), encoding="utf-8")
