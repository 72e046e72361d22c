"""How the counts of neurons and the verdict on their overlap depend on each choice of the analysis."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_SENSITIVITY
from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.null_distribution import Null, fill_layer
from bias_amplification.neurons.null_tables import overlap_row
from bias_amplification.neurons.panel import (
    ACTIVATION_PLACES,
    BIAS_MEASURES,
    QUALITY_MEASURES,
    WEIGHT_SUMMARIES,
    Outcomes,
    each_layer,
    layer_numbers,
    measure_columns,
    read_keys,
    read_outcomes,
    stream_batches,
)
from bias_amplification.neurons.permutations import permute_by_first
from bias_amplification.study.sections import Neurons, Quality, allowed_values

DIFFERENCES = allowed_values(Neurons, "difference")
REFERENCES = allowed_values(Neurons, "reference")

#: Sources of a combination of column, quality measure, difference and reference, with one lag and without fixed
#: effects. The paper tests differences and names no reference distribution, so the normal one is assumed, which is
#: usual for Newey-West errors. The published code tests levels, takes activations from the whole block and weights
#: quality by probability. Neither says which measure of bias was used, so both rows are named.
NAMED = {
    ("weight_mean", "class", "within", "normal"): "paper",
    ("activation_ffn", "class", "within", "normal"): "paper",
    ("weight_mean", "weighted", "levels", "normal"): "published code",
    ("activation_block", "weighted", "levels", "normal"): "published code",
}


class Combination(NamedTuple):
    """One combination of choices."""

    column: str
    bias_measure: str
    quality_measure: str
    difference: str
    reference: str
    fixed_effects: str
    small_sample: bool

    def apply(self, settings: Neurons) -> Neurons:
        """Return the settings with this combination's test."""
        return settings.model_copy(update={name: getattr(self, name) for name in self._fields[3:]})


def compare_choices(
    panel: Path, neurons: Sequence[Path], out: Path, settings: Neurons, quality: Quality, seed: int
) -> None:
    """Write the counts under every combination of choices (schema `NEURON_SENSITIVITY`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    out
        The table to write.
    settings
        The study's own choices, whose rows are named so. Lags and alpha are the same in all rows. Rows with a normal
        reference have no small-sample correction, and rows of levels and of differences across the borders of rounds
        have no fixed effects, as in the published code; if the study's choice differs from that, its rows are added.
        `permutations.sensitivity` permutations by the first of `permutations.schemes` give the ranges.
    quality
        The config's section; `score` is the measure of text quality.
    seed
        Seed of the permutations.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    outcomes = read_outcomes(panel, len(neurons))
    layer_of_neuron, _ = read_keys(neurons)
    layers = layer_numbers(layer_of_neuron)
    own = [
        Combination(
            column, settings.bias, quality.score, *(getattr(settings, name) for name in Combination._fields[3:])
        )
        for column in measure_columns(settings).values()
    ]
    pairs = _permute_measures(outcomes, settings, seed)
    nulls = {
        one: Null.empty(
            len(layers), len(pairs[one.bias_measure, one.quality_measure, one.fixed_effects][0]), len(layer_of_neuron)
        )
        for one in list_combinations(settings, own)
    }
    columns = list(dict.fromkeys(one.column for one in nulls))
    for layer in each_layer(stream_batches(neurons, columns)):
        for one, null in nulls.items():
            rows = make_rows(outcomes.versions, one.difference)
            x, pair = layer.values[one.column], pairs[one.bias_measure, one.quality_measure, one.fixed_effects]
            fill_layer(null, layer.index, layer.places, x, pair, rows, one.apply(settings))
    table = [
        _row(one, _name(one, settings, own), overlap_row(null, None, layers, settings.alpha))
        for one, null in nulls.items()
    ]
    table.sort(key=lambda row: row["named"] is None)
    write_table(pa.Table.from_pylist(table, schema=NEURON_SENSITIVITY), out, NEURON_SENSITIVITY)


def list_combinations(settings: Neurons, own: Sequence[Combination]) -> list[Combination]:
    """List every combination of choices, the study's own among them, each once."""
    columns = [*(f"weight_{name}" for name in WEIGHT_SUMMARIES), *(f"activation_{name}" for name in ACTIVATION_PLACES)]
    tests = [
        (difference, reference, fixed_effects, settings.small_sample and reference == "t")
        for difference in DIFFERENCES
        for reference in REFERENCES
        for fixed_effects in ("none", *({settings.fixed_effects} if difference == "within" else ()))
    ]
    combinations = [
        Combination(*choices, *test) for *choices, test in product(columns, BIAS_MEASURES, QUALITY_MEASURES, tests)
    ]
    return list(dict.fromkeys([*combinations, *own]))


def _permute_measures(
    outcomes: Outcomes, settings: Neurons, seed: int
) -> Mapping[tuple[str, str, str], list[np.ndarray]]:
    """Permute bias and quality, for each pair of their measures and each choice of fixed effects."""
    number = settings.permutations.sensitivity
    own = {
        effects: settings.model_copy(update={"fixed_effects": effects}) for effects in ("none", settings.fixed_effects)
    }
    return {
        (*measures, effects): permute_by_first(outcomes.pair(*measures), outcomes.versions, one, number, seed)[0]
        for measures in product(BIAS_MEASURES, QUALITY_MEASURES)
        for effects, one in own.items()
    }


def _name(one: Combination, settings: Neurons, own: Sequence[Combination]) -> str | None:
    """Return the source of a combination; None if it has none."""
    as_published = settings.lags == 1 and one.fixed_effects == "none" and not one.small_sample
    source = NAMED.get((one.column, one.quality_measure, one.difference, one.reference)) if as_published else None
    names = [name for name in ("this study" if one in own else None, source) if name]
    return ", ".join(names) or None


def _row(one: Combination, name: str | None, overlap: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("tested", "expected_both", "p_bias", "p_quality", "verdict")
    return {
        "named": name,
        "measure": one.column.split("_")[0],
        **one._asdict(),
        **{name: int(overlap[name]) for name in ("bias", "quality", "both")},
        "both_low": overlap["matched_low"],
        "both_high": overlap["matched_high"],
        **{name: overlap[name] for name in kept},
    }
