"""Whether the tracked label's share changes the same way when it is counted in other ways."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import ROBUST_MEASURES
from bias_amplification.artifacts.schemas import changes as changes_schema
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.figures import style
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.measures.replicates import over_replicates
from bias_amplification.study.sections import Corpus
from bias_amplification.study.unit import with_unit

#: Ways of counting, by the measure of the metrics table, in the order of the legend.
WAYS = {
    "share": "as classified",
    "share_adjusted": "corrected for the classifier's confusions",
    "share_second": "by the second classifier",
    "share_readable": "readable articles only",
    "mean_probability_calibrated": "mean calibrated probability",
    LEXICON_SHARE: "by the words of the embedded press",
}
assert set(WAYS) == {"share", *ROBUST_MEASURES, LEXICON_SHARE}
#: Colours that are not used for strategies and rarely for labels (after P. Tol).
LOOKS = {
    "share": {"color": "#222222", "marker": "o", "linewidth": 2.0, "zorder": 3},
    "share_adjusted": {"color": "#332288", "marker": "s"},
    "share_second": {"color": "#AA4499", "marker": "^"},
    "share_readable": {"color": "#117733", "marker": "D"},
    "mean_probability_calibrated": {"color": "#DDAA33", "marker": "v"},
    LEXICON_SHARE: {"color": "#EE3377", "marker": "P"},
}
_PANELS_WIDE = 3
#: A change is treated as 0 up to this value, the size of rounding errors.
_ROUNDING = 1e-6
#: If no mixture of confusions explains more than this share of the articles, the corrected share is not compared.
_UNEXPLAINED = 0.05


@style.styled
def robustness(metrics: pd.DataFrame, tracked: Mapping[str, str], unit: str = "article") -> Figure:
    """Draw the share of each round's tracked label over generations, counted in every way in the table.

    Parameters
    ----------
    metrics
        The metrics table.
    tracked
        Tracked label of each round, in the order of the panels.
    unit
        The study's word for an article.

    Returns
    -------
    Figure
        One panel per round. Lines are means over replicates. The plain share also has a thin line for each replicate
        and a band, the 95% interval between replicates, or over articles if there is one replicate. A way without
        values has no line, and a generation without readable articles no point.
    """
    looks = {measure: {"label": with_unit(text, unit), **LOOKS[measure]} for measure, text in WAYS.items()}
    return share_panels(metrics, over_replicates(metrics), tracked, looks, bands=("share",))


def share_panels(
    metrics: pd.DataFrame,
    means: pd.DataFrame,
    tracked: Mapping[str, str],
    looks: Mapping[str, Mapping[str, Any]],
    bands: Collection[str],
) -> Figure:
    """Draw measures of the tracked label's share over generations: one panel per round, one line per measure.

    Parameters
    ----------
    metrics
        The metrics table, for the thin lines of replicates.
    means
        The metrics' means over replicates.
    tracked
        Tracked label of each round, in the order of the panels.
    looks
        Label, colour and so on of each line, by the column of `means` or by its beginning before `_{label}`.
    bands
        Measures with a band for the 95% interval, and a thin line for each replicate if there are several.
    """
    rows = -(-len(tracked) // _PANELS_WIDE)
    wide = -(-len(tracked) // rows)  # no line of panels is much shorter than another
    figure = style.new_figure(height=0.9 + 2.1 * rows)
    panels = figure.subplots(rows, wide, sharex=True, sharey=True, squeeze=False).flatten()
    shown = list(tracked.values())
    for position, (axes, (name, label)) in enumerate(zip(panels, tracked.items(), strict=False)):
        own, of_round = (table[(table["round"] == name) & table["generation"].notna()] for table in (metrics, means))
        for measure, look in looks.items():
            column = measure if measure in means.columns else f"{measure}_{label}"
            if measure in bands:
                style.thin_lines(axes, own, column, look["color"])
            style.line_over_generations(axes, of_round, column, band=measure in bands, **{"markersize": 3.5, **look})
        axes.set_title(f"{style.letter(position, len(tracked))}{name.replace('_', ' ')}")
        axes.yaxis.set_major_formatter(style.per_cent)
        axes.set_ylim(-0.03, 1.03)
        style.generation_axis(axes, ticks=6)
        axes.set_ylabel(f"{label} (%)" if position % wide == 0 or label != shown[position - 1] else "")
        if position + wide < len(tracked):
            axes.set_xlabel("")
        else:
            axes.xaxis.set_tick_params(labelbottom=True)
    for axes in panels[len(tracked) :]:
        axes.remove()
    style.legend_below(figure, *panels[: len(tracked)])
    return figure


def robustness_table(
    metrics: pd.DataFrame, changes: pd.DataFrame, tracked: Mapping[str, str], unit: str = "article"
) -> pd.DataFrame:
    """Return the change of the tracked label's share over the generations, for each round and way of counting.

    Parameters
    ----------
    metrics
        The metrics table.
    changes
        The metrics' changes from generation 0, paired by article.
    tracked
        Tracked label of each round.
    unit
        The study's word for an article.

    Returns
    -------
    pd.DataFrame
        One row per round and way of counting that has values. The columns are the first and the last generation with
        a value, the share at both and its change in per cent, each with its 95% interval, and the `direction beside
        the plain share`: same or opposite; "not comparable" if the way has other generations than the plain share, or
        if the correction leaves more than 5% of the articles of one of the two generations unexplained; empty for the
        plain share itself and beside no change. A direction is that of the estimates. It is no claim that a change is
        more than chance: `measures.compare` decides this.

        The interval of the change is that of `changes`: that of all replicates together holds the errors of articles
        and of replicates. A change has no interval if generation 0 has no value.

        The last column holds what limits a way at the first and the last generation: the share of unexplained
        articles, the number of readable articles, or the agreement with the second classifier.
    """
    metrics = over_replicates(metrics)
    paired = changes[changes["replicate"].isna()].set_index(["round", "generation"])
    rows = []
    for name, label in tracked.items():
        of_round = metrics[(metrics["round"] == name) & metrics["generation"].notna()].sort_values("generation")
        plain, span = math.nan, ()
        for measure, text in WAYS.items():
            column = f"{measure}_{label}"
            found = of_round[of_round[column].notna()]
            if found.empty:
                continue
            first, last = (_interval(found.iloc[place], column) for place in (0, -1))
            ends = found.iloc[[0, -1]]
            change = _change(paired, name, column, ends)
            if measure == "share":
                plain, span = change[0], (*ends["generation"],)
            explained = measure != "share_adjusted" or not (ends["adjusted_misfit"] > _UNEXPLAINED).any()
            comparable = explained and (*ends["generation"],) == span
            rows.append(
                {
                    "round": name,
                    "label": label,
                    "counted": with_unit(text, unit),
                    "generations": " to ".join(f"{generation:.0f}" for generation in ends["generation"]),
                    "first (%)": _in_per_cent(first),
                    "last (%)": _in_per_cent(last),
                    "difference (points)": _in_per_cent(change),
                    "direction beside the plain share": ""
                    if measure == "share"
                    else _direction(plain, change[0], comparable),
                    "at the first and the last": with_unit(_limits(measure, ends, of_round.iloc[[0, -1]]), unit),
                }
            )
    return pd.DataFrame(rows)


def _interval(row: pd.Series, column: str) -> tuple[float, float, float]:
    return tuple(float(row[name]) for name in (column, f"{column}_low", f"{column}_high"))


def _change(paired: pd.DataFrame, name: str, column: str, ends: pd.DataFrame) -> tuple[float, float, float]:
    """Return the change between the two rows `ends`, with its interval if the first is generation 0."""
    start, end = ends["generation"]
    # A change of generation 0 is from the base model.
    if start == 0 < end and (name, end) in paired.index:
        change = _interval(paired.loc[(name, end)], column)
        if not math.isnan(change[0]):
            return change
    return float(ends[column].iloc[1] - ends[column].iloc[0]), math.nan, math.nan


def _in_per_cent(interval: Sequence[float]) -> str:
    return with_interval(*(100 * end for end in interval), digits=1)


def _direction(plain: float, change: float, comparable: bool) -> str:
    if not comparable:
        return "not comparable"
    if min(abs(plain), abs(change)) < _ROUNDING:
        return ""
    return "same" if plain * change > 0 else "opposite"


def _limits(measure: str, ends: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Return what limits a way of counting: at the first and the last generation with a value (`ends`) or of all."""
    if measure == "share_adjusted":
        return " and ".join(f"{100 * value:.0f}%" for value in ends["adjusted_misfit"]) + " of articles unexplained"
    if measure == "share_readable":
        return " and ".join(f"{value:.0f}" for value in rows["articles_readable"]) + " articles readable"
    if measure == LEXICON_SHARE:
        return " and ".join(f"{value:.0f}" for value in rows["articles_lexicon"]) + " articles with such words"
    if measure == "share_second":
        return " and ".join(f"{100 * value:.0f}%" for value in ends["agreement"]) + " agree"
    return ""


def write_robustness(metrics_file: Path, out: Sequence[Path], *, corpus: Corpus, tracked: Mapping[str, str]) -> None:
    """Read the metrics table and write `robustness` to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    style.save_figure(robustness(metrics, tracked, corpus.unit), out)


def write_robustness_table(
    metrics_file: Path, changes_file: Path, out: Sequence[Path], *, corpus: Corpus, tracked: Mapping[str, str]
) -> None:
    """Read the metrics table and its changes, and write `robustness_table` to each of `out` (.csv, .html)."""
    metrics = read_table(metrics_file, metrics_schema(corpus.labels)).to_pandas()
    changes = read_table(changes_file, changes_schema(corpus.labels)).to_pandas()
    table = robustness_table(metrics, changes, tracked, corpus.unit)
    write_table_for_reading(table, out, "Robustness of the amplification")
