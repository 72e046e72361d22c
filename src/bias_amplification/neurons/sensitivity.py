"""How the counts of neurons and the verdict on their overlap change with every choice of the analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_SENSITIVITY
from bias_amplification.neurons.designs import RegressionSettings, make_rows
from bias_amplification.neurons.null import permuted_pair, summarise
from bias_amplification.neurons.panel import (
    ACTIVATION_PLACES,
    BIAS_MEASURES,
    QUALITY_MEASURES,
    WEIGHT_SUMMARIES,
    measure_columns,
    neuron_keys,
    read_outcomes,
    stream_layers,
)
from bias_amplification.neurons.permute import Null, fill_layer

DIFFERENCES = ("within", "across", "levels")
REFERENCES = ("t", "normal")

#: Whose choices a row is: column, quality measure, difference, reference. The paper tests differences and names no
#: reference distribution, so the usual one of Newey-West errors; the published code tests levels, takes activations
#: from the whole block and weighs quality by probability. Which measure of bias went in neither says, so the rows of
#: both stand. They are named so only with their one lag and without fixed effects.
NAMED = {
    ("weight_mean", "class", "within", "normal"): "paper",
    ("activation_ffn", "class", "within", "normal"): "paper",
    ("weight_mean", "weighted", "levels", "normal"): "published code",
    ("activation_block", "weighted", "levels", "normal"): "published code",
}


def compare_choices(
    panel: Path,
    neurons: Sequence[Path],
    out: Path,
    *,
    moves: Sequence[str],
    number: int,
    seed: int,
    test: Mapping[str, Any],
    alpha: float = 0.05,
    weight: str = "mean",
    activation: str = "ffn",
    bias: str = "share",
    quality: str = "class",
) -> None:
    """Write the counts under every combination of choices (schema `NEURON_SENSITIVITY`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    out
        The table to write.
    moves, number, seed
        The permutations that each combination is compared with.
    test, alpha, weight, activation, bias, quality
        As for `analyse.analyse_neurons`: the run's own choices, whose rows are named so. Lags and fixed effects are
        theirs in all rows. Rows with a normal reference go without the small-sample correction, as the published code
        does; if the run's own does not, its own rows are added.
    """
    own = RegressionSettings(**test)
    outcomes = read_outcomes(panel, len(neurons))
    layer, _ = neuron_keys(neurons)
    numbers = list(dict.fromkeys(layer.tolist()))
    columns = [*(f"weight_{name}" for name in WEIGHT_SUMMARIES), *(f"activation_{name}" for name in ACTIVATION_PLACES)]
    kinds = [(reference, own.small_sample and reference == "t") for reference in REFERENCES]
    combinations = [
        (*one, *kind) for *one, kind in product(columns, BIAS_MEASURES, QUALITY_MEASURES, DIFFERENCES, kinds)
    ]
    choices = [
        (column, bias, quality, own.difference, own.reference, own.small_sample)
        for column in measure_columns(weight, activation).values()
    ]
    combinations += [one for one in choices if one not in combinations]
    pairs = {
        measures: permuted_pair(outcomes, *measures, moves, number, seed)[0]
        for measures in product(BIAS_MEASURES, QUALITY_MEASURES)
    }
    many = {measures: len(pair[0]) for measures, pair in pairs.items()}
    found = {one: Null.empty(len(numbers), many[one[1:3]], len(layer)) for one in combinations}
    start = 0
    for layers in stream_layers(neurons, columns):
        for number_of_layer, place in layers.each():
            whole = slice(start + place.start, start + place.stop)
            for one, null in found.items():
                column, bias_measure, quality_measure, difference, reference, small_sample = one
                settings = replace(own, difference=difference, reference=reference, small_sample=small_sample)
                rows = make_rows(outcomes.rounds, outcomes.generations, difference)
                pair = pairs[bias_measure, quality_measure]
                x = layers.values[column][:, place]
                fill_layer(null, numbers.index(number_of_layer), whole, x, pair, rows, settings, alpha)
        start += len(layers.layer)
    table = [
        _row(
            one,
            null,
            numbers,
            alpha,
            is_own=one in choices,
            as_published=own.lags == 1 and not own.fixed_effects,
        )
        for one, null in found.items()
    ]
    table.sort(key=lambda row: row["named"] is None)
    write_table(pa.Table.from_pylist(table, schema=NEURON_SENSITIVITY), out, NEURON_SENSITIVITY)


def _row(
    one: tuple[Any, ...], null: Null, numbers: Sequence[int], alpha: float, *, is_own: bool, as_published: bool
) -> dict[str, Any]:
    column, bias_measure, quality_measure, difference, reference, small_sample = one
    summary = summarise(null, None, numbers, alpha)
    published = as_published and not small_sample
    names = [NAMED.get((column, quality_measure, difference, reference)) if published else None]
    names = [name for name in (["this study"] if is_own else []) + names if name]
    kept = ("tested", "expected_both", "p_bias", "p_quality", "verdict")
    return {
        "named": ", ".join(names) or None,
        "measure": column.split("_")[0],
        "column": column,
        "bias_measure": bias_measure,
        "quality_measure": quality_measure,
        "difference": difference,
        "reference": reference,
        "small_sample": small_sample,
        **{name: int(summary[name]) for name in ("bias", "quality", "both")},
        "both_low": summary["matched_low"],
        "both_high": summary["matched_high"],
        **{name: summary[name] for name in kept},
    }
