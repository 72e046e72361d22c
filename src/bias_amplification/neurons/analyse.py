"""The paper's analysis of neurons over all model versions: correlations, regressions, sets (sections 3.6 and 4.4)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.neurons.designs import RegressionSettings, count_lags, make_rows
from bias_amplification.neurons.panel import read_outcomes, read_panel
from bias_amplification.neurons.regress import Slopes, correlate, regress
from bias_amplification.neurons.sets import overlap, significant, significant_after_correction

OUTCOMES = ("bias", "quality")


def analyse_neurons(
    metrics: Path,
    neurons: Sequence[Path],
    versions: Sequence[tuple[str, int]],
    correlations: Path,
    regression: Path,
    sets: Path,
    *,
    labels: Sequence[str],
    weight: str = "mean",
    activation: str = "ffn",
    bias_measure: str = "share",
    bias_label: str | None = None,
    quality_measure: str = "text_quality_index",
    difference: str = "within",
    lags: int | str = 1,
    reference: str = "t",
    small_sample: bool = True,
    alpha: float = 0.05,
) -> None:
    """Write correlations, regressions and sets of neurons.

    Parameters
    ----------
    metrics
        The metrics table, which has the outcomes.
    neurons
        The neurons table of each version; versions that share a model share its table.
    versions
        Round and generation of each version, as `neurons`: round by round, generations ascending.
    correlations, regression, sets
        The tables to write (schemas `NEURON_CORRELATIONS`, `NEURON_REGRESSION`, `NEURON_SETS`).
    labels
        The label set.
    weight
        What sums up a neuron's incoming weights: "mean" or "l2".
    activation
        What a neuron's activation is a mean of: the output of the "ffn" sublayer or of the whole "block".
    bias_measure, bias_label, quality_measure
        The outcomes, see `read_outcomes`.
    difference, lags, reference, small_sample
        The test, see `RegressionSettings`.
    alpha
        Level of the tests, and the false discovery rate.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not belong together.
    """
    if len(neurons) != len(versions):
        raise ValueError(f"{len(neurons)} neurons tables for {len(versions)} versions")
    versions = [(str(round_name), int(generation)) for round_name, generation in versions]
    measures = _measures(weight, activation)
    outcomes = read_outcomes(
        metrics,
        versions,
        labels=labels,
        bias_measure=bias_measure,
        bias_label=bias_label,
        quality_measure=quality_measure,
    )
    panel = read_panel(neurons, list(measures.values()))
    rows = make_rows(outcomes.rounds, outcomes.generations, difference)
    settings = RegressionSettings(difference=difference, lags=lags, reference=reference, small_sample=small_sample)
    plugin = replace(settings, lags="plugin")

    pearson_parts, slope_parts, set_rows = [], [], []
    for measure, column in measures.items():
        values = panel.values[column]
        slopes: dict[str, Slopes] = {}
        slopes_plugin: dict[str, Slopes] = {}
        for outcome in OUTCOMES:
            y = getattr(outcomes, outcome)
            slopes[outcome] = regress(values, y, rows, settings)
            slopes_plugin[outcome] = regress(values, y, rows, plugin)
            key = _key(panel.layer, panel.neuron, measure, outcome)
            pearson_parts.append(pa.table({**key, "pearson": _nullable(correlate(values, y))}))
            slope_parts.append(pa.table({**key, **_slope_columns(slopes[outcome], slopes_plugin[outcome])}))
        described = {
            "measure": measure,
            "column": column,
            "difference": difference,
            "reference": reference,
            "rows": len(rows.after),
            "lags": count_lags(lags, len(rows.after)),
            "lags_plugin": count_lags("plugin", len(rows.after)),
            "alpha": alpha,
        }
        set_rows.append(described | count_sets(slopes, slopes_plugin, alpha))
    write_table(pa.concat_tables(pearson_parts), correlations, NEURON_CORRELATIONS)
    write_table(pa.concat_tables(slope_parts), regression, NEURON_REGRESSION)
    write_table(pa.Table.from_pylist(set_rows, schema=NEURON_SETS), sets, NEURON_SETS)


def count_sets(
    slopes: dict[str, Slopes], slopes_plugin: dict[str, Slopes], alpha: float
) -> dict[str, int | float | None]:
    """Count the neurons of one measure that go with bias, with quality and with both.

    Parameters
    ----------
    slopes
        Regressions by outcome, at the lags set.
    slopes_plugin
        The same at the plug-in rule's lags.
    alpha
        Level of the tests, and the false discovery rate.

    Returns
    -------
    dict
        The counts of a row of `NEURON_SETS`.
    """
    bias, quality = (slopes[outcome].p_value for outcome in OUTCOMES)
    tested_bias, tested_quality = np.isfinite(bias), np.isfinite(quality)
    in_bias, in_quality = significant(bias, alpha), significant(quality, alpha)
    bias_bh, quality_bh = (significant_after_correction(p_values, alpha) for p_values in (bias, quality))
    bias_plugin, quality_plugin = (significant(slopes_plugin[outcome].p_value, alpha) for outcome in OUTCOMES)
    shared = overlap(in_bias, in_quality, tested_bias & tested_quality)
    counts = {
        "neurons": len(bias),
        "tested_bias": tested_bias,
        "tested_quality": tested_quality,
        "tested": shared.population,
        "bias": in_bias,
        "quality": in_quality,
        "both": shared.both,
        "bias_bh": bias_bh,
        "quality_bh": quality_bh,
        "both_bh": bias_bh & quality_bh,
        "bias_plugin": bias_plugin,
        "quality_plugin": quality_plugin,
        "both_plugin": bias_plugin & quality_plugin,
    }
    chance = {"expected_both": shared.expected_both, "p_overlap": shared.p_overlap}
    return {
        **{name: int(np.sum(value)) for name, value in counts.items()},
        **{name: value if np.isfinite(value) else None for name, value in chance.items()},
    }


def _measures(weight: str, activation: str) -> dict[str, str]:
    """Give the neurons column of each measure."""
    if weight not in ("mean", "l2"):
        raise StudyError(f"A neuron's weights are summed up by mean or l2, not by {weight!r}.")
    if activation not in ("ffn", "block"):
        raise StudyError(f"A neuron's activation is the output of ffn or block, not of {activation!r}.")
    return {"weight": f"weight_{weight}", "activation": f"activation_{activation}"}


def _key(layer: np.ndarray, neuron: np.ndarray, measure: str, outcome: str) -> dict[str, pa.Array]:
    return {
        "layer": pa.array(layer),
        "neuron": pa.array(neuron),
        "measure": pa.repeat(measure, len(layer)),
        "outcome": pa.repeat(outcome, len(layer)),
    }


def _slope_columns(slopes: Slopes, plugin: Slopes) -> dict[str, pa.Array]:
    return {
        "estimate": _nullable(slopes.estimate),
        "standard_error": _nullable(slopes.standard_error),
        "statistic": _nullable(slopes.statistic),
        "p_value": _nullable(slopes.p_value),
        "standard_error_plugin": _nullable(plugin.standard_error),
        "p_value_plugin": _nullable(plugin.p_value),
        "reason": pa.array(slopes.reason.tolist(), mask=slopes.reason == "", type=pa.string()),
    }


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values), type=pa.float64())
