"""The tracked label's share by the words of the embedded press, and how far the classifier is from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.figures import style
from bias_amplification.figures.robustness import LOOKS, WAYS, share_panels
from bias_amplification.figures.tables.writing import with_interval, write_table_for_reading
from bias_amplification.measures.replicates import over_replicates

#: Lines of each panel, in the order of the legend. The ways of counting have their colours of the robustness figure.
_LOOKS = {
    LEXICON_SHARE: {**LOOKS[LEXICON_SHARE], "label": WAYS[LEXICON_SHARE], "linewidth": 2.0, "zorder": 3},
    "share": {**LOOKS["share"], "label": WAYS["share"], "linewidth": 1.7, "zorder": 2},
    "share_adjusted": {**LOOKS["share_adjusted"], "label": WAYS["share_adjusted"]},
    "error": {"color": "#888888", "marker": "", "linestyle": "--", "label": "classifier's error rate"},
}
#: Generations are compared if at least this part of their articles has a label by its words.
_KNOWN = 0.5


@style.styled
def ground_truth(metrics: pd.DataFrame, tracked: Mapping[str, str]) -> Figure:
    """Draw the share of each round's tracked label by words, as classified and corrected, and the error rate.

    Parameters
    ----------
    metrics
        The metrics table of a study of the embedded press.
    tracked
        Tracked label of each round, in the order of the panels.

    Returns
    -------
    Figure
        One panel per round. Lines are means over replicates. The error rate is the part of the articles with a label
        by their words to which the classifier gives another label. It and the share by words have thin lines, the
        replicates, and bands, 95% intervals between replicates, or over articles if there is one replicate. A
        generation without such articles has no point.
    """
    means = _with_errors(over_replicates(metrics))
    return share_panels(_with_errors(metrics), means, tracked, _LOOKS, bands=(LEXICON_SHARE, "error"))


def ground_truth_table(metrics: pd.DataFrame, tracked: Mapping[str, str]) -> pd.DataFrame:
    """Say for each round how far the plain and the adjusted share are from the share by words.

    Parameters
    ----------
    metrics
        The metrics table of a study of the embedded press.
    tracked
        Tracked label of each round.

    Returns
    -------
    pd.DataFrame
        One row per round. `compared` counts the generations in which at least half of the articles have a label by
        their words; all other columns are of these generations.

        - `as classified` and `corrected`: mean absolute distance of the share of the tracked label from the share by
          words, in percentage points.
        - `nearer`: which of the two is nearer; `neither` if they are equal to a tenth of a point.
        - `error rate`, `first`, `last`: the classifier's mean error rate, and that of the first and of the last of
          these generations with its 95% interval, in per cent.
    """
    metrics = _with_errors(over_replicates(metrics))
    rows = []
    for name, label in tracked.items():
        of_round = metrics[(metrics["round"] == name) & metrics["generation"].notna()].sort_values("generation")
        known = of_round[of_round["articles_lexicon"] >= _KNOWN * of_round["articles"]]
        truth = known[f"{LEXICON_SHARE}_{label}"]
        plain, adjusted = (
            round(float(100 * (known[f"{measure}_{label}"] - truth).abs().mean()), 1)
            for measure in ("share", "share_adjusted")
        )
        rows.append(
            {
                "round": name,
                "label": label,
                "compared": f"{len(known)} of {len(of_round)}",
                "as classified (points)": plain,
                "corrected (points)": adjusted,
                "nearer": "corrected" if adjusted < plain else "as classified" if plain < adjusted else "neither",
                "error rate (%)": round(float(100 * known["error"].mean()), 1),
                "first (%)": _error(known.iloc[:1]),
                "last (%)": _error(known.iloc[-1:]),
            }
        )
    return pd.DataFrame(rows)


def _with_errors(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics, or their means, with the classifier's error rate, `error`, and its interval."""
    ends = (("", ""), ("_low", "_high"), ("_high", "_low"))
    return metrics.assign(**{f"error{end}": 1 - metrics[f"agreement_lexicon{other}"] for end, other in ends})


def _error(rows: pd.DataFrame) -> str:
    """Return the error rate of a single row with its interval; an empty text without a row."""
    return "".join(
        with_interval(100 * row.error, 100 * row.error_low, 100 * row.error_high, digits=1) for row in rows.itertuples()
    )


def write_ground_truth(
    metrics_file: Path, out: Sequence[Path], *, labels: Sequence[str], tracked: Mapping[str, str]
) -> None:
    """Read the metrics table and write `ground_truth` to each of `out` (.png, .svg, .pdf)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    style.save_figure(ground_truth(metrics, tracked), out)


def write_ground_truth_table(
    metrics_file: Path, out: Sequence[Path], *, labels: Sequence[str], tracked: Mapping[str, str]
) -> None:
    """Read the metrics table and write `ground_truth_table` to each of `out` (.csv, .html)."""
    metrics = read_table(metrics_file, metrics_schema(labels)).to_pandas()
    write_table_for_reading(ground_truth_table(metrics, tracked), out, "Words of the press and the classifier")
