"""Whether shares change however they are counted, and how far the classifier's probabilities are to be believed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import ROBUST_MEASURES
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.figures import style
from bias_amplification.figures.tables import write_table_for_reading
from bias_amplification.measures.encoders import read_scores
from bias_amplification.measures.intervals import difference_interval

#: Ways of counting, by the metrics table's measure, in the legend's order.
WAYS = {
    "share": "as classified",
    "share_adjusted": "corrected for the classifier's confusions",
    "share_second": "by the second classifier",
    "share_readable": "readable articles only",
    "mean_probability_calibrated": "mean calibrated probability",
}
assert set(WAYS) == {"share", *ROBUST_MEASURES}
#: Colours that no strategy and hardly a label has (after P. Tol).
_LOOKS = {
    "share": {"color": "#222222", "marker": "o", "linewidth": 2.0, "zorder": 3},
    "share_adjusted": {"color": "#332288", "marker": "s"},
    "share_second": {"color": "#AA4499", "marker": "^"},
    "share_readable": {"color": "#117733", "marker": "D"},
    "mean_probability_calibrated": {"color": "#DDAA33", "marker": "v"},
}
_PANELS_WIDE = 3
#: A change whose interval ends within this of 0 is rounding.
_ROUNDING = 1e-6
#: Share of articles that no confusion explains beyond which the correction for confusions decides nothing.
_UNEXPLAINED = 0.05


@style.styled
def robustness(metrics: pd.DataFrame, tracked: Mapping[str, str], names: Mapping[str, str] | None = None) -> Figure:
    """Draw the share of each round's tracked label over generations, counted in every way that the table has.

    Parameters
    ----------
    metrics
        The metrics table.
    tracked
        The tracked label of each round, in the panels' order.
    names
        The rounds' names above the panels; their own by default.

    Returns
    -------
    Figure
        A panel a round. The band is the 95% interval of the plain share; a way without values has no line, and the
        generations without readable articles no point.
    """
    rows = -(-len(tracked) // _PANELS_WIDE)
    wide = min(len(tracked), _PANELS_WIDE)
    figure = style.new_figure(height=0.9 + 2.1 * rows)
    panels = figure.subplots(rows, wide, sharex=True, sharey=True, squeeze=False).flatten()
    shown = list(tracked.values())
    for position, (axes, (name, label)) in enumerate(zip(panels, tracked.items(), strict=False)):
        of_round = metrics[(metrics["round"] == name) & metrics["generation"].notna()].sort_values("generation")
        for measure, text in WAYS.items():
            column = f"{measure}_{label}"
            found = of_round[of_round[column].notna()]
            if found.empty:
                continue
            x = found["generation"].to_numpy(dtype=float)
            if measure == "share":
                low, high = (found[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
                axes.fill_between(x, low, high, color=_LOOKS[measure]["color"], alpha=0.12, linewidth=0)
            axes.plot(x, found[column].to_numpy(dtype=float), label=text, markersize=3.5, **_LOOKS[measure])
        axes.set_title(f"{style.letter(position, len(tracked))}{(names or {}).get(name, name).replace('_', ' ')}")
        axes.yaxis.set_major_formatter(style.per_cent)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_ylim(-0.03, 1.03)
        if position % _PANELS_WIDE == 0 or label != shown[position - 1]:
            axes.set_ylabel(f"{label} (%)")
        if position + wide >= len(tracked):
            axes.set_xlabel("Generation")
            axes.xaxis.set_tick_params(labelbottom=True)
    for axes in panels[len(tracked) :]:
        axes.remove()
    style.legend_below(figure, *panels[: len(tracked)])
    return figure


def robustness_table(metrics: pd.DataFrame, tracked: Mapping[str, str]) -> pd.DataFrame:
    """Say for each round and way of counting whether the tracked label's share changed over the generations.

    Parameters
    ----------
    metrics
        The metrics table.
    tracked
        The tracked label of each round.

    Returns
    -------
    pd.DataFrame
        One row a round and way that has values: the first and the last generation with one, the share at both and
        its change in per cent, each with its 95% interval, `change` (rises, falls, not told apart) and `beside the
        plain share` (same, opposite, undecided; empty for the plain share itself). A way is undecided too if its
        generations are not the plain share's, or if more than 5% of the articles of one of the two generations are
        beyond what the correction explains. Generations count as independent samples in the change's interval (see
        `difference_interval`). On the row of the way that it is about, at the first and the last generation: articles
        that no correction explains, readable articles, and agreement with the second classifier.
    """
    rows = []
    for name, label in tracked.items():
        of_round = metrics[(metrics["round"] == name) & metrics["generation"].notna()].sort_values("generation")
        plain, span = None, None
        for measure, text in WAYS.items():
            column = f"{measure}_{label}"
            found = of_round[of_round[column].notna()]
            if found.empty:
                continue
            first, last = (_interval(found.iloc[place], column) for place in (0, -1))
            change = difference_interval(last, first)
            verdict = _verdict(change)
            ends = found.iloc[[0, -1]]
            plain, span = plain or verdict, span or (*ends["generation"],)
            explained = measure != "share_adjusted" or not (ends["adjusted_misfit"] > _UNEXPLAINED).any()
            comparable = explained and (*ends["generation"],) == span
            rows.append(
                {
                    "round": name,
                    "label": label,
                    "counted": text,
                    "generations": " to ".join(f"{generation:.0f}" for generation in ends["generation"]),
                    "first (%)": _in_per_cent(first),
                    "last (%)": _in_per_cent(last),
                    "difference (points)": _in_per_cent(change),
                    "change": verdict,
                    "beside the plain share": "" if measure == "share" else _beside(plain, verdict, comparable),
                    "about the first and the last": _about(measure, of_round.iloc[[0, -1]]),
                }
            )
    return pd.DataFrame(rows)


def _interval(row: pd.Series, column: str) -> tuple[float, float, float]:
    return tuple(float(row[name]) for name in (column, f"{column}_low", f"{column}_high"))


def _in_per_cent(interval: Sequence[float]) -> str:
    # Plus zero, so that no zero is negative.
    value, low, high = (round(100 * end, 1) + 0.0 for end in interval)
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _verdict(change: tuple[float, float, float]) -> str:
    # Without an interval, of one readable article say, nothing is told apart.
    return "rises" if change[1] > _ROUNDING else "falls" if change[2] < -_ROUNDING else "not told apart"


def _beside(plain: str, verdict: str, comparable: bool) -> str:
    if not comparable or "not told apart" in (plain, verdict):
        return "undecided"
    return "same" if plain == verdict else "opposite"


def _about(measure: str, rows: pd.DataFrame) -> str:
    """What one should know of the first and the last generation before believing a way of counting."""
    if measure == "share_adjusted":
        return " and ".join(f"{100 * value:.0f}%" for value in rows["adjusted_misfit"]) + " of articles unexplained"
    if measure == "share_readable":
        return " and ".join(f"{value:.0f}" for value in rows["articles_readable"]) + " articles readable"
    if measure == "share_second":
        return " and ".join(f"{100 * value:.0f}%" for value in rows["agreement"]) + " agree"
    return ""


def write_robustness(
    metrics_file: Path | str,
    outputs: Sequence[Path | str],
    *,
    labels: Sequence[str],
    tracked: Mapping[str, str],
    names: Mapping[str, str] | None = None,
) -> None:
    """Read the metrics table and write `robustness` to each of `outputs` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    style.save_figure(robustness(metrics, tracked, names), outputs)


def write_robustness_table(
    metrics_file: Path | str, outputs: Sequence[Path | str], *, labels: Sequence[str], tracked: Mapping[str, str]
) -> None:
    """Read the metrics table and write `robustness_table` to each of `outputs` (.csv, .md, .html)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    write_table_for_reading(robustness_table(metrics, tracked), outputs, "Does the amplification survive?")


def reliability_table(scores: Sequence[Mapping]) -> pd.DataFrame:
    """Compare how sure classifiers are with how often they are right, on their test articles.

    Parameters
    ----------
    scores
        `scores.json` of each classifier.

    Returns
    -------
    pd.DataFrame
        For each classifier a row over all test articles, with its expected calibration error before and after its
        temperature, and a row for each bin of confidence that has articles, as it is and at that temperature.
    """
    rows = []
    for score in scores:
        plain, tempered = score["test"]["calibration"], score["test_calibration"]
        for at, calibration in ((1.0, plain), (score["temperature"], tempered)):
            about = {"classifier": score["candidate"], "temperature": at}
            bins = calibration["bins"]
            texts = sum(row["texts"] for row in bins)
            means = {name: sum(row["texts"] * row[name] for row in bins) / texts for name in ("confidence", "accuracy")}
            error = {"expected calibration error": calibration["expected_error"]}
            rows.append({**about, "confidence from": "all", "to": "", "articles": texts, **means, **error})
            rows += [
                {**about, "confidence from": f"{row['low']:.1f}", "to": f"{row['high']:.1f}", "articles": row["texts"]}
                | {name: row[name] for name in ("confidence", "accuracy")}
                for row in bins
            ]
    return pd.DataFrame(rows).rename(columns={"confidence": "mean confidence"})


def write_reliability_table(scores_files: Sequence[Path | str], outputs: Sequence[Path | str]) -> None:
    """Read classifiers' scores.json and write `reliability_table` to each of `outputs` (.csv, .md, .html)."""
    table = reliability_table([read_scores(Path(file).parent) for file in scores_files])
    write_table_for_reading(table, outputs, "Is the classifier as sure as it is right?")
