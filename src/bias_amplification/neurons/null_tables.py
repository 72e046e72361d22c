"""Tables of null distributions: each permutation's counts, the sets compared with them, each neuron's p-values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.neurons.null_distribution import MOVED, Null, permutation_p_value
from bias_amplification.neurons.panel import OUTCOMES, nullable
from bias_amplification.neurons.sets import chance_overlap, independent_overlap, tails, verdict


def null_table(scheme: str, measure: str, null: Null) -> pa.Table:
    """Make the rows of `NEURON_NULL` of one scheme and measure, one row per permutation."""
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
    """Return the column of `NEURON_NULL` for a statistic under one of the nulls of `MOVED`."""
    return statistic if moved == "both" else f"{statistic}_{moved}_moved"


def overlap_row(null: Null, layer: int | None, layers: Sequence[int], alpha: float) -> dict[str, Any]:
    """Compare the sets of one layer, or of all, with their null distributions: a row of `NEURON_OVERLAP`.

    Parameters
    ----------
    null
        The null distributions of all layers.
    layer
        The place of the layer; None for all layers together.
    layers
        The number of each layer.
    alpha
        Level of the tests.

    Returns
    -------
    dict
        The row without scheme, measure, complete, rows and lags; None for statistics without a value.
    """
    places = slice(None) if layer is None else slice(layer, layer + 1)
    row: dict[str, Any] = {"layer": None if layer is None else layers[layer]}
    row |= _matched_overlap(null, places) | _counts(null, places)
    share = null.same_sign[:, places].sum(axis=1) / (null.tested[places].sum() or np.nan)
    row |= _agreement("rank_agreement", _mean_agreement(null, places)) | _agreement("same_sign", share)
    if layer is None:
        row |= _familywise_counts(null, alpha)
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}


def _matched_overlap(null: Null, places: slice) -> dict[str, Any]:
    """Compare the overlap of the sets with that of sets of the same sizes."""
    matched = null.matched[:, places].sum(axis=1)  # [nulls, permutations]
    tested, sizes = null.tested[places], null.sizes[:, places]
    # Flipping all signs of an outcome changes no statistic: such permutations cannot be evidence.
    unchanged = np.isclose(null.maximum, null.maximum[:, :1], rtol=1e-9, atol=0)
    independent = independent_overlap(tested, *sizes)
    words, which = verdict(
        int(matched[0, 0]), matched, independent, smallest=float(unchanged.mean(axis=1).max()), level=0.05
    )
    upper, lower = tails(matched, matched[0, 0])
    found = tested > 0
    return {
        "permutations": matched.shape[1],
        "smallest_p": float(unchanged.mean(axis=1).max()),
        "tested": int(tested.sum()),
        "expected_both": chance_overlap(int(tested.sum()), *map(int, sizes.sum(axis=1)), 0).expected_both,
        "expected_by_layer": float((sizes[0] * sizes[1])[found] @ (1 / tested[found])) if found.any() else np.nan,
        "matched_null": MOVED[which],
        "p_matched": float(upper.max()) if found.any() else np.nan,
        "p_matched_fewer": float(lower.max()) if found.any() else np.nan,
        "verdict": words,
    } | _range("matched", matched[which].astype(np.float64))


def _counts(null: Null, places: slice) -> dict[str, float]:
    """Compare the numbers of significant neurons with those under permutation."""
    row: dict[str, float] = {}
    tested = (*null.tested_alone[:, places].sum(axis=1), null.tested[places].sum())
    counts = null.counts[:, places].sum(axis=1)
    for name, values, known in zip((*OUTCOMES, "both"), counts, tested, strict=True):
        row |= _range(name, values.astype(np.float64))
        row[f"p_{name}"] = permutation_p_value(values) if known else np.nan
    return row


def _agreement(name: str, values: np.ndarray) -> dict[str, Any]:
    """Test a statistic of agreement [nulls, permutations] two-sided; each null must be rejected."""
    if np.isnan(values).any():
        return dict.fromkeys((name, f"{name}_low", f"{name}_high", f"p_{name}", f"{name}_null"))
    apart = np.abs(values - values.mean(axis=1, keepdims=True))
    p_values = np.mean(apart >= apart[:, :1] * (1 - 1e-9), axis=1)
    which = p_values.argmax()
    return {**_range(name, values[which]), f"p_{name}": float(p_values.max()), f"{name}_null": MOVED[which]}


def _mean_agreement(null: Null, places: slice) -> np.ndarray:
    """Average the layers' rank agreement, weighted by their neurons: [3, permutations], NaN if no layer has one."""
    values, weights = null.rank_agreement[:, places], null.tested[places].astype(np.float64)
    known = np.isfinite(values).all(axis=(0, 2))
    if not known.any():
        return np.full((values.shape[0], values.shape[2]), np.nan)
    return np.average(values[:, known], axis=1, weights=weights[known])


def _familywise_counts(null: Null, alpha: float) -> dict[str, float]:
    """Count the neurons whose family-wise p-value is at most alpha.

    The threshold is the 1 - alpha quantile of the largest statistic over permutations: the neurons are above it.
    """
    row: dict[str, float] = {}
    for index, outcome in enumerate(OUTCOMES):
        if null.tested_alone[index].any():
            maxima = np.sort(null.maximum[index])
            # Not `np.quantile`, whose 1 - alpha is rounded, so that its p-value may be at most alpha.
            p_values = np.arange(len(maxima), 0, -1) / len(maxima)
            row[f"threshold_{outcome}"] = float(np.sqrt(maxima[p_values > alpha][-1]))
            row[f"{outcome}_familywise"] = int((_familywise(null, index) <= alpha).sum())
    return row


def _familywise(null: Null, index: int) -> np.ndarray:
    """Return each neuron's p-value by the largest statistic: [neurons], NaN without an estimate."""
    observed = null.observed[index]
    maxima = np.sort(null.maximum[index])
    larger = len(maxima) - np.searchsorted(maxima, observed * (1 - 1e-9))
    return np.where(np.isfinite(observed), larger / len(maxima), np.nan)


def _range(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the unpermuted value and the 95% range under permutation."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def permuted_table(keys: tuple[np.ndarray, np.ndarray], measure: str, null: Null) -> pa.Table:
    """Make the rows of `NEURON_PERMUTED` of one measure, one row per neuron and outcome.

    Parameters
    ----------
    keys
        Layer and neuron, each [neurons].
    measure
        "weight" or "activation".
    null
        The null distributions of all layers.
    """
    parts = []
    for index, outcome in enumerate(OUTCOMES):
        # The unpermuted outcome counts, so 0 means that the neuron has no statistic.
        exceeded = null.exceeded[index].astype(np.float64)
        own = np.where(exceeded > 0, exceeded / null.maximum.shape[1], np.nan)
        columns = {
            "layer": pa.array(keys[0]),
            "neuron": pa.array(keys[1]),
            "measure": pa.repeat(measure, len(own)),
            "outcome": pa.repeat(outcome, len(own)),
            "p_value_permutation": nullable(own),
            "p_value_familywise": nullable(_familywise(null, index)),
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)
