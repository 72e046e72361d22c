"""The paper's analysis of neurons over all model versions: correlations, regressions, sets (sections 3.6 and 4.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.neurons.designs import RegressionSettings, count_lags, make_rows
from bias_amplification.neurons.panel import measure_columns, read_outcomes, stream_layers
from bias_amplification.neurons.regress import Slopes, correlate, known_rows, regress
from bias_amplification.neurons.sets import adjust, count_sets

OUTCOMES = ("bias", "quality")
CORRECTIONS = ("benjamini_hochberg", "benjamini_yekutieli", "bonferroni")


def analyse_neurons(
    panel: Path,
    neurons: Sequence[Path],
    correlations: Path,
    regression: Path,
    sets: Path,
    *,
    test: Mapping[str, Any],
    alpha: float = 0.05,
    weight: str = "mean",
    activation: str = "ffn",
    bias: str = "share",
    quality: str = "class",
) -> None:
    """Write correlations, regressions and sets of neurons.

    Parameters
    ----------
    panel
        The outcomes of each version (schema `NEURON_PANEL`).
    neurons
        The neurons table of each version, in the panel's order; versions that share a model share its table.
    correlations, regression, sets
        The tables to write (schemas `NEURON_CORRELATIONS`, `NEURON_REGRESSION`, `NEURON_SETS`).
    test
        The arguments of `designs.RegressionSettings`.
    alpha
        Level of the tests, and the false discovery rate.
    weight
        What sums up a neuron's incoming weights: "mean" or "l2".
    activation
        What a neuron's activation is a mean of: the output of the "ffn" sublayer or of the whole "block".
    bias
        Measured by the "share" of articles with the label followed, or by its "mean_probability".
    quality
        Measured by the "class" of a sentence, or "weighted" by its probability.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not belong together.
    """
    settings = RegressionSettings(**test)
    plugin = replace(settings, lags="plugin")
    columns = measure_columns(weight, activation)
    outcomes = read_outcomes(panel, len(neurons))
    rows = make_rows(outcomes.rounds, outcomes.generations, settings.difference)
    keys: list[tuple[np.ndarray, np.ndarray]] = []
    parts: dict[tuple[str, str], list[tuple[np.ndarray, Slopes, Slopes]]] = {}
    for layers in stream_layers(neurons, list(columns.values())):
        keys.append((layers.layer, layers.neuron))
        for measure, column in columns.items():
            for outcome, y in zip(OUTCOMES, outcomes.pair(bias, quality), strict=True):
                x = layers.values[column]
                found = correlate(x, y), regress(x, y, rows, settings), regress(x, y, rows, plugin)
                parts.setdefault((measure, outcome), []).append(found)
    layer, neuron = (np.concatenate(part) for part in zip(*keys, strict=True))

    pearson_tables, slope_tables, p_values, p_plugin = [], [], {}, {}
    for (measure, outcome), chunks in parts.items():
        pearson = np.concatenate([chunk[0] for chunk in chunks])
        slopes, slopes_plugin = (Slopes.join([chunk[place] for chunk in chunks]) for place in (1, 2))
        key = {
            "layer": pa.array(layer),
            "neuron": pa.array(neuron),
            "measure": pa.repeat(measure, len(layer)),
            "outcome": pa.repeat(outcome, len(layer)),
        }
        pearson_tables.append(pa.table({**key, "pearson": nullable(pearson)}))
        slope_tables.append(pa.table({**key, **_slope_columns(slopes, slopes_plugin)}))
        p_values[measure, outcome], p_plugin[measure, outcome] = slopes.p_value, slopes_plugin.p_value

    set_rows = []
    known = int(known_rows(outcomes.pair(bias, quality)[0], rows).sum())
    for measure, column in columns.items():
        described = {
            "measure": measure,
            "column": column,
            "difference": settings.difference,
            "reference": settings.reference,
            "rows": known,
            "lags": count_lags(settings.lags, known),
            "lags_plugin": count_lags("plugin", known),
            "alpha": alpha,
        }
        first, second = (p_values[measure, outcome] for outcome in OUTCOMES)
        below = [p_plugin[measure, outcome] < alpha for outcome in OUTCOMES]
        at_plugin = {"bias": below[0].sum(), "quality": below[1].sum(), "both": (below[0] & below[1]).sum()}
        counted = {f"{name}_plugin": int(count) for name, count in at_plugin.items()}
        set_rows.append(described | count_sets(first, second, alpha) | counted)
    write_table(pa.concat_tables(pearson_tables), correlations, NEURON_CORRELATIONS)
    write_table(pa.concat_tables(slope_tables), regression, NEURON_REGRESSION)
    write_table(pa.Table.from_pylist(set_rows, schema=NEURON_SETS), sets, NEURON_SETS)


def _slope_columns(slopes: Slopes, plugin: Slopes) -> dict[str, pa.Array]:
    return {
        "estimate": nullable(slopes.estimate),
        "standard_error": nullable(slopes.standard_error),
        "statistic": nullable(slopes.statistic),
        "p_value": nullable(slopes.p_value),
        "standard_error_plugin": nullable(plugin.standard_error),
        "p_value_plugin": nullable(plugin.p_value),
        **{f"p_value_{name}": nullable(adjust(slopes.p_value, name)) for name in CORRECTIONS},
        "reason": pa.array(slopes.reason.tolist(), mask=slopes.reason == "", type=pa.string()),
    }


def nullable(values: np.ndarray) -> pa.Array:
    """Turn numbers into a column, NaN into null."""
    values = np.asarray(values, dtype=np.float64)
    return pa.array(values, mask=np.isnan(values), type=pa.float64())
