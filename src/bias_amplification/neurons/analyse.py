"""Correlations, regressions and sets of neurons over all model versions (paper, sections 3.6 and 4.4)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.neurons.designs import count_lags, make_rows
from bias_amplification.neurons.panel import (
    OUTCOMES,
    Batch,
    Outcomes,
    measure_columns,
    nullable,
    read_outcomes,
    stream_batches,
)
from bias_amplification.neurons.regress import Slopes, correlate, known_rows, regress
from bias_amplification.neurons.sets import CORRECTIONS, adjust, count_sets, significant
from bias_amplification.study.sections import Neurons, Quality


class AnalysisFiles(NamedTuple):
    """The tables that `analyse_neurons` writes (schemas `NEURON_CORRELATIONS`, `NEURON_REGRESSION`, `NEURON_SETS`)."""

    correlations: Path
    regression: Path
    sets: Path


class Analysis(NamedTuple):
    """Correlation and regressions of an outcome on each neuron, for one measure of neurons."""

    pearson: np.ndarray
    """[neurons]."""
    slopes: Slopes
    """With the lags that the config sets."""
    plugin: Slopes
    """With the plug-in rule's lags."""


def analyse_neurons(
    panel: Path, neurons: Sequence[Path], out: AnalysisFiles, settings: Neurons, quality: Quality
) -> None:
    """Write correlations, regressions and sets of neurons.

    Parameters
    ----------
    panel
        The outcomes of each version (schema `NEURON_PANEL`).
    neurons
        The neurons table of each version, in the panel's order. Versions that share a model share its table.
    out
        The tables to write.
    settings
        The test (difference, lags, reference, small_sample, fixed_effects), alpha, and the measures (weight,
        activation, bias).
    quality
        The config's section; `score` is the measure of text quality.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    outcomes = read_outcomes(panel, len(neurons))
    batches = stream_batches(neurons, list(measure_columns(settings).values()))
    keys, analyses = analyse_batches(batches, outcomes, settings, quality)
    correlations, regressions = [], []
    for (measure, outcome), found in analyses.items():
        key = {
            "layer": pa.array(keys[0]),
            "neuron": pa.array(keys[1]),
            "measure": pa.repeat(measure, len(keys[0])),
            "outcome": pa.repeat(outcome, len(keys[0])),
        }
        correlations.append(pa.table({**key, "pearson": nullable(found.pearson)}))
        regressions.append(pa.table({**key, **_slope_columns(found.slopes, found.plugin)}))
    rows = make_rows(outcomes.versions, settings.difference)
    known = int(known_rows(outcomes.pair(settings.bias, quality.score)[0], rows).sum())
    sets = [
        _sets_row(measure, [analyses[measure, outcome] for outcome in OUTCOMES], settings, known)
        for measure in measure_columns(settings)
    ]
    write_table(pa.concat_tables(correlations), out.correlations, NEURON_CORRELATIONS)
    write_table(pa.concat_tables(regressions), out.regression, NEURON_REGRESSION)
    write_table(pa.Table.from_pylist(sets, schema=NEURON_SETS), out.sets, NEURON_SETS)


def analyse_batches(
    batches: Iterable[Batch], outcomes: Outcomes, settings: Neurons, quality: Quality
) -> tuple[tuple[np.ndarray, np.ndarray], Mapping[tuple[str, str], Analysis]]:
    """Correlate and regress the outcomes on every neuron, batch by batch.

    Parameters
    ----------
    batches
        The neurons, with the columns of `panel.measure_columns`.
    outcomes
        The outcomes of each version.
    settings, quality
        As for `analyse_neurons`.

    Returns
    -------
    keys : tuple of np.ndarray
        Layer and neuron, each [neurons].
    analyses : dict
        The analysis of each measure and outcome.
    """
    plugin = settings.model_copy(update={"lags": "plugin"})
    rows = make_rows(outcomes.versions, settings.difference)
    keys: list[tuple[np.ndarray, np.ndarray]] = []
    parts: dict[tuple[str, str], list[Analysis]] = {}
    for batch in batches:
        keys.append((batch.layer, batch.neuron))
        for measure, column in measure_columns(settings).items():
            x = batch.values[column]
            for outcome, y in zip(OUTCOMES, outcomes.pair(settings.bias, quality.score), strict=True):
                found = Analysis(correlate(x, y), regress(x, y, rows, settings), regress(x, y, rows, plugin))
                parts.setdefault((measure, outcome), []).append(found)
    layer, neuron = (np.concatenate(part) for part in zip(*keys, strict=True))
    return (layer, neuron), {key: _join(found) for key, found in parts.items()}


def _join(parts: Sequence[Analysis]) -> Analysis:
    return Analysis(
        np.concatenate([part.pearson for part in parts]),
        Slopes.join([part.slopes for part in parts]),
        Slopes.join([part.plugin for part in parts]),
    )


def _sets_row(measure: str, pair: Sequence[Analysis], settings: Neurons, rows: int) -> dict[str, Any]:
    """Count the neurons of the sets, given the analyses of both outcomes: a row of `NEURON_SETS`."""
    bias, quality = (significant(found.plugin.p_value, settings.alpha) for found in pair)
    return {
        "measure": measure,
        "column": measure_columns(settings)[measure],
        "difference": settings.difference,
        "reference": settings.reference,
        "rows": rows,
        "lags": count_lags(settings.lags, rows),
        "lags_plugin": count_lags("plugin", rows),
        "alpha": settings.alpha,
        "bias_plugin": int(bias.sum()),
        "quality_plugin": int(quality.sum()),
        "both_plugin": int((bias & quality).sum()),
        **count_sets(pair[0].slopes.p_value, pair[1].slopes.p_value, settings.alpha),
    }


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
