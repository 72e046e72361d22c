"""Outcomes of rounds that differ in one number of their strategy, against this number."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.figures.trajectories import number_axis
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.study.sections import Corpus, Strategies
from bias_amplification.study.unit import with_unit


@style.styled
def sweep(
    metrics: pd.DataFrame, key: str, values: Mapping[str, float], columns: Sequence[str], unit: str = "article"
) -> Figure:
    """Draw outcomes of the first and the last generation against a number of the strategy.

    Parameters
    ----------
    metrics
        The metrics table.
    key
        The key of `strategies`.
    values
        Its value in each round, by name.
    columns
        Columns of the metrics table, one for each panel.
    unit
        The study's word for an article.

    Returns
    -------
    Figure
        Means over replicates with 95% intervals between them; with one replicate, intervals over articles. Thin points
        are the replicates at the last generation.
    """
    rounds = metrics[metrics["round"].isin(list(values)) & metrics["generation"].notna()]
    means = over_replicates(rounds)
    last = means["generation"].max()
    # The rounds of a sweep differ in a number of one strategy.
    own_look = style.strategy_appearance(rounds["strategy"].head(1))[rounds["strategy"].iloc[0]]
    figure = style.new_figure(height=3.2, width=style.PAGE_WIDTH)
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for place, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        first_look = own_look | {"color": style.QUIET, "markerfacecolor": "white", "markeredgecolor": style.QUIET}
        for generation, look in ((0, first_look), (last, own_look)):
            rows = means[(means["generation"] == generation) & means[column].notna()]
            rows = rows.assign(value=rows["round"].map(values)).sort_values("value")
            ends = [(rows[column] - rows[f"{column}_low"]).clip(0), (rows[f"{column}_high"] - rows[column]).clip(0)]
            look = {"capsize": 3, "label": f"generation {generation:.0f}", **look}
            axes.errorbar(rows["value"], rows[column], yerr=[end.fillna(0) for end in ends], **look)
        if rounds["replicate"].max() > 1:
            own = rounds[rounds["generation"] == last]
            axes.plot(own["round"].map(values), own[column], ".", color=own_look["color"], alpha=0.4, markersize=4)
        number_axis(axes, column, unit)
        axes.set_xlabel(with_unit(Strategies.model_fields[key].title or key.replace("_", " "), unit))
        axes.set_title(style.letter(place, len(columns)).strip())
    style.legend_below(figure, *panels)
    return figure


def write_sweep(
    metrics_file: Path,
    out: Sequence[Path],
    *,
    corpus: Corpus,
    key: str,
    values: Mapping[str, float],
    columns: Sequence[str],
) -> None:
    """Read the metrics table and write `sweep` to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    style.save_figure(sweep(metrics, key, values, columns, corpus.unit), out)
