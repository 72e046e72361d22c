"""The sets of neurons against permuted outcomes, from files to files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_NULL, NEURON_OVERLAP, NEURON_PERMUTED
from bias_amplification.neurons.analyse import OUTCOMES, nullable
from bias_amplification.neurons.designs import RegressionSettings, count_lags, make_rows
from bias_amplification.neurons.panel import Outcomes, measure_columns, neuron_keys, read_outcomes, stream_layers
from bias_amplification.neurons.permute import MOVED, Null, fill_layer, permutation_p_value, permute_outcomes
from bias_amplification.neurons.regress import known_rows
from bias_amplification.neurons.sets import chance_overlap, independent_overlap, tails, verdict


def permute_neurons(
    panel: Path,
    neurons: Sequence[Path],
    null: Path,
    overlap: Path,
    permuted: Path,
    *,
    schemes: Sequence[Sequence[str]],
    number: int,
    seed: int,
    test: Mapping[str, Any],
    alpha: float = 0.05,
    weight: str = "mean",
    activation: str = "ffn",
    bias: str = "share",
    quality: str = "class",
) -> None:
    """Write what permuted outcomes give.

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    null, overlap, permuted
        The tables to write (schemas `NEURON_NULL`, `NEURON_OVERLAP`, `NEURON_PERMUTED`). The neurons' own p-values are
        those of the first scheme.
    schemes
        Each the moves of one null distribution, see `permute`.
    number
        Permutations of each; fewer where there are no more.
    seed
        Fixes the draws.
    test, alpha, weight, activation, bias, quality
        As for `analyse.analyse_neurons`.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not belong together.
    """
    settings = RegressionSettings(**test)
    columns = measure_columns(weight, activation)
    outcomes = read_outcomes(panel, len(neurons))
    rows = make_rows(outcomes.rounds, outcomes.generations, settings.difference)
    layer, neuron = neuron_keys(neurons)
    numbers = list(dict.fromkeys(layer.tolist()))
    drawn = {"+".join(moves): permuted_pair(outcomes, bias, quality, moves, number, seed) for moves in schemes}
    found = {
        (scheme, measure): Null.empty(len(numbers), len(pair[0]), len(layer))
        for scheme, (pair, _) in drawn.items()
        for measure in columns
    }
    start = 0
    for layers in stream_layers(neurons, list(columns.values())):
        for number_of_layer, place in layers.each():
            whole = slice(start + place.start, start + place.stop)
            for (scheme, measure), into in found.items():
                x = layers.values[columns[measure]][:, place]
                fill_layer(into, numbers.index(number_of_layer), whole, x, drawn[scheme][0], rows, settings, alpha)
        start += len(layers.layer)

    null_tables, overlap_rows, neuron_tables = [], [], []
    for (scheme, measure), one in found.items():
        null_tables.append(_null_table(scheme, measure, one))
        common = {"scheme": scheme, "measure": measure, "complete": drawn[scheme][1]}
        for outcome, y in zip(OUTCOMES, outcomes.pair(bias, quality), strict=True):
            known = int(known_rows(y, rows).sum())
            common |= {f"rows_{outcome}": known, f"lags_{outcome}": count_lags(settings.lags, known)}
        overlap_rows += [common | summarise(one, place, numbers, alpha) for place in (None, *range(len(numbers)))]
        if scheme == "+".join(schemes[0]):
            # A neuron that has no statistic exceeds itself nowhere, else once at least: the unpermuted outcomes.
            neuron_tables += [_neuron_table(layer, neuron, measure, one, index) for index in range(2)]
    write_table(pa.concat_tables(null_tables), null, NEURON_NULL)
    write_table(pa.Table.from_pylist(overlap_rows, schema=NEURON_OVERLAP), overlap, NEURON_OVERLAP)
    write_table(pa.concat_tables(neuron_tables), permuted, NEURON_PERMUTED)


def permuted_pair(
    outcomes: Outcomes, bias: str, quality: str, moves: Sequence[str], number: int, seed: int
) -> tuple[list[np.ndarray], bool]:
    """Permute bias and quality by the same moves.

    Returns
    -------
    pair : list of np.ndarray
        Bias and quality, each [permutations, versions].
    complete : bool
        Whether these are all permutations there are.
    """
    pair = outcomes.pair(bias, quality)
    return permute_outcomes(pair, outcomes.rounds, outcomes.generations, moves, number, seed)


def summarise(null: Null, place: int | None, numbers: Sequence[int], alpha: float) -> dict[str, Any]:
    """Compare one layer's sets, or all layers', with their null distributions: a row of `NEURON_OVERLAP`."""
    layers = slice(None) if place is None else slice(place, place + 1)
    counts = dict(zip((*OUTCOMES, "both"), null.counts[:, layers].sum(axis=1), strict=True))
    matched = null.matched[:, layers].sum(axis=1)  # [3, permutations]
    tested, sizes = null.tested[layers], null.sizes[:, layers]
    alone = null.tested_alone[:, layers].sum(axis=1)
    # Permutations that change nothing but the sign of an outcome leave every statistic what it is.
    unchanged = np.isclose(null.maximum, null.maximum[:, :1], rtol=1e-9, atol=0)
    independent = independent_overlap(tested, *sizes)
    words, which = verdict(
        int(matched[0, 0]), matched, independent, smallest=float(unchanged.mean(axis=1).max()), level=0.05
    )
    upper, lower = tails(matched, matched[0, 0])
    found = tested > 0
    row: dict[str, Any] = {
        "layer": None if place is None else numbers[place],
        "permutations": matched.shape[1],
        "tested": int(tested.sum()),
        "expected_both": chance_overlap(int(tested.sum()), *map(int, sizes.sum(axis=1)), 0).expected_both,
        "expected_by_layer": float((sizes[0] * sizes[1])[found] @ (1 / tested[found])) if found.any() else np.nan,
        "matched_null": MOVED[which],
        "p_matched": float(upper.max()) if found.any() else np.nan,
        "p_matched_fewer": float(lower.max()) if found.any() else np.nan,
        "verdict": words,
    }
    row |= _range("matched", matched[which].astype(np.float64))
    for (name, values), known in zip(counts.items(), (*alone, tested.sum()), strict=True):
        row |= _range(name, values.astype(np.float64))
        row[f"p_{name}"] = permutation_p_value(values) if known else np.nan
    share = null.same_sign[:, layers].sum(axis=1) / (tested.sum() or np.nan)
    for name, values in (("rank_agreement", _mean_agreement(null, layers)), ("same_sign", share)):
        if np.isnan(values).any():
            row |= dict.fromkeys((name, f"{name}_low", f"{name}_high", f"p_{name}", f"{name}_null"))
            continue
        apart = np.abs(values - values.mean(axis=1, keepdims=True))
        p_values = np.mean(apart >= apart[:, :1] * (1 - 1e-9), axis=1)
        row |= _range(name, values[p_values.argmax()])
        row |= {f"p_{name}": float(p_values.max()), f"{name}_null": MOVED[p_values.argmax()]}
    if place is None:
        for index, outcome in enumerate(OUTCOMES):
            if alone[index]:
                threshold = float(np.quantile(null.maximum[index], 1 - alpha, method="higher"))
                row[f"threshold_{outcome}"] = float(np.sqrt(threshold))
                row[f"{outcome}_familywise"] = int((_familywise(null, index) <= alpha).sum())
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}


def _mean_agreement(null: Null, layers: slice) -> np.ndarray:
    """Average the layers' rank agreement by their neurons: [3, permutations], NaN where no layer has one."""
    values, weights = null.rank_agreement[:, layers], null.tested[layers].astype(np.float64)
    known = np.isfinite(values).all(axis=(0, 2))
    if not known.any():
        return np.full((values.shape[0], values.shape[2]), np.nan)
    return np.average(values[:, known], axis=1, weights=weights[known])


def _range(name: str, values: np.ndarray) -> dict[str, float]:
    """Give the value found and the 95% range under permutation."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def _familywise(null: Null, index: int) -> np.ndarray:
    """Give each neuron's p-value by the largest statistic: [neurons], NaN where it has none."""
    observed = null.observed[index]
    maxima = np.sort(null.maximum[index])
    larger = len(maxima) - np.searchsorted(maxima, observed * (1 - 1e-9))
    return np.where(np.isfinite(observed), larger / len(maxima), np.nan)


def _null_table(scheme: str, measure: str, null: Null) -> pa.Table:
    many = null.counts.shape[2]
    columns: dict[str, Any] = {
        "scheme": pa.repeat(scheme, many),
        "measure": pa.repeat(measure, many),
        "permutation": pa.array(np.arange(many, dtype=np.int32)),
    }
    for name, values in zip((*OUTCOMES, "both"), null.counts.sum(axis=1), strict=True):
        columns[name] = values.astype(np.int32)
    agreement, untested = _mean_agreement(null, slice(None)), np.full(many, not null.tested.any())
    for way, moved in enumerate(MOVED):
        columns[null_column("matched", moved)] = null.matched[way].sum(axis=0).astype(np.int32)
        columns[null_column("rank_agreement", moved)] = nullable(agreement[way])
        same = null.same_sign[way].sum(axis=0)
        columns[null_column("same_sign", moved)] = pa.array(same, mask=untested, type=pa.int32())
    for outcome, maximum, alone in zip(OUTCOMES, null.maximum, null.tested_alone, strict=True):
        columns[f"maximum_{outcome}"] = nullable(np.sqrt(maximum) if alone.any() else np.full(many, np.nan))
    return pa.table(columns)


def null_column(statistic: str, moved: str) -> str:
    """Name the column of `NEURON_NULL` that has a comparison of the outcomes when one of `permute.MOVED` moves."""
    return statistic if moved == "both" else f"{statistic}_{moved}_moved"


def _neuron_table(layer: np.ndarray, neuron: np.ndarray, measure: str, null: Null, index: int) -> pa.Table:
    exceeded = null.exceeded[index].astype(np.float64)
    own = np.where(exceeded > 0, exceeded / null.maximum.shape[1], np.nan)
    return pa.table(
        {
            "layer": pa.array(layer),
            "neuron": pa.array(neuron),
            "measure": pa.repeat(measure, len(layer)),
            "outcome": pa.repeat(OUTCOMES[index], len(layer)),
            "p_value_permutation": nullable(own),
            "p_value_familywise": nullable(_familywise(null, index)),
        }
    )
