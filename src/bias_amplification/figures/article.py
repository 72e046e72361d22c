"""One article across the generations of a round: appendices C and F of the paper."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.figures import style
from bias_amplification.figures.article_texts import by_version, choose_article, read_version
from bias_amplification.study.sections import Example


def read_history(article_id: str, labels: Sequence[str], files: Sequence[Path]) -> pd.DataFrame:
    """Collect what each generation made of one article.

    Parameters
    ----------
    article_id
        The article.
    labels
        The label set.
    files
        Tables of each generation, see `article_texts.read_version`, in the order of generations from 0.

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
    history = pd.concat([read_version(version, labels, [article_id]) for version in by_version(files)])
    history.insert(0, "generation", range(len(history)))
    return history.reset_index(drop=True)


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
        The article, see `article_texts.choose_article`.
    """
    article = choose_article(read_table(seed_set_file, ARTICLES), example)
    history = read_history(article["article_id"], labels, generation_files)
    style.save_figure(article_evolution(history, labels), out)
