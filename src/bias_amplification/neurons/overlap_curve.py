"""The overlap of the neurons of bias and of text quality as an estimate, for sets of several sizes.

The rows of `NEURON_OVERLAP_CURVE`, and what they say in words. The estimate is explained in `overlap_estimate.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_OVERLAP_CURVE
from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.half_sets import Halves, choose_splits, compare_halves, leave_out_generations
from bias_amplification.neurons.null_distribution import MOVED, permutation_p_value
from bias_amplification.neurons.overlap_estimate import ceiling_height, estimate_share
from bias_amplification.neurons.panel import layer_slices, measure_columns, read_outcomes, stream_batches
from bias_amplification.neurons.permutations import permute_by_first
from bias_amplification.neurons.top_sets import Compared, common_share
from bias_amplification.study.sections import Neurons, Quality

#: Reasons why there is no estimate.
NOTHING_TESTED = "fewer than two neurons are tested on both outcomes"
TOO_FEW_ROUNDS = "too few rounds"
NOT_REPRODUCED = "a ceiling is not above chance"
TOO_FEW_PERMUTATIONS = "too few permutations"

#: Permutations of the halves, besides the one that changes nothing.
HALVES_PERMUTATIONS = 199


def estimate_overlap(
    panel: Path, neurons: Sequence[Path], out: Path, settings: Neurons, quality: Quality, seed: int
) -> None:
    """Write the estimated overlap of the two outcomes' neurons, by size of the sets (schema `NEURON_OVERLAP_CURVE`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    out
        The table to write.
    settings
        The test, the measures, alpha, and `set_sizes`. Chance is from `permutations.sensitivity` permutations by the
        first of `permutations.schemes`.
    quality
        The config's section; `score` is the measure of text quality.
    seed
        Seed of the permutations, and of the choices of splits and of permutations of the halves.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    outcomes = read_outcomes(panel, len(neurons))
    pair = outcomes.pair(settings.bias, quality.score)
    number = settings.permutations.sensitivity
    pair, complete, moves = permute_by_first(pair, outcomes.versions, settings, number, seed)
    columns = measure_columns(settings)
    batches = list(stream_batches(neurons, list(columns.values())))
    layer = np.concatenate([batch.layer for batch in batches])
    table: list[dict[str, Any]] = []
    for measure, column in columns.items():
        values = np.concatenate([batch.values[column] for batch in batches], axis=1)
        described = {"measure": measure, "scheme": "+".join(moves), "complete": complete}
        found = estimate_sizes(values, layer, pair, outcomes.versions, settings, np.random.default_rng(seed))
        table += [described | row for row in found]
    write_table(pa.Table.from_pylist(table, schema=NEURON_OVERLAP_CURVE), out, NEURON_OVERLAP_CURVE)


def estimate_sizes(
    neurons: np.ndarray,
    layer: np.ndarray,
    pair: Sequence[np.ndarray],
    versions: Versions,
    settings: Neurons,
    generator: np.random.Generator,
) -> list[dict[str, Any]]:
    """Estimate the overlap for each size of the sets.

    Parameters
    ----------
    neurons
        [versions, neurons], of one measure.
    layer
        [neurons], ascending.
    pair
        Bias and quality, each [permutations, versions], the unpermuted outcome first.
    versions
        Round and generation of each version.
    settings
        The test, alpha and `set_sizes`.
    generator
        Source of the choices of splits and of permutations of the halves.

    Returns
    -------
    list of dict
        The rows of `NEURON_OVERLAP_CURVE` without measure, scheme and complete, one for each size. One row without a
        size if fewer than two neurons are tested on both outcomes.
    """
    compared, tested = Compared.prepare(neurons, pair, versions, settings)
    common = {"permutations": len(pair[0]), "tested": int(tested.sum()), "splits": 0, "visible": False}
    if not len(compared.sizes):
        return [common | {"reason": NOTHING_TESTED}]
    whole = _whole_rows(compared, layer[tested])
    common["by"], splits = choose_splits(compared, versions, generator)
    chosen = 1 + generator.permutation(len(pair[0]) - 1)[:HALVES_PERMUTATIONS]
    halves, used = compare_halves(compared, splits, np.append(0, chosen))
    if not used:
        return [common | row | {"reason": TOO_FEW_ROUNDS} for row in whole]
    common["splits"] = len(used)
    rows = [_halves_row(_of_size(halves, place), settings.alpha) for place in range(len(whole))]
    if any(row["visible"] for row in rows):
        left_out = leave_out_generations(compared, used)
        for place, row in enumerate(rows):
            if row["visible"]:
                size = int(compared.sizes[place])
                row |= _estimate_row(_of_size(halves, place), _of_size(left_out, place), size)
    return [common | one | other for one, other in zip(whole, rows, strict=True)]


def _whole_rows(compared: Compared, layer: np.ndarray) -> list[dict[str, Any]]:
    """Compare the sets of all rounds with those under permutation, for each size."""
    bias, quality = compared.sets(np.ones(len(compared.generations), dtype=bool), slice(None))
    nulls = ((bias, quality), (bias, quality[:, :1]), (bias[:, :1], quality))  # as `MOVED`
    shares = np.stack([common_share(*sets, compared.sizes) for sets in nulls])  # [nulls, permutations, sizes]
    low, high = np.quantile(shares, [0.025, 0.975], axis=1)
    widest = (high - low).argmax(axis=0)
    # Neurons of each layer in the two unpermuted sets, each [sizes, layers].
    many = len(layer)
    places = layer_slices(layer)
    first, second = (
        np.stack([np.unpackbits(sets[:, 0], axis=1, count=many)[:, place].sum(axis=1) for place in places], axis=1)
        for sets in (bias, quality)
    )
    by_layer = (first * second / [place.stop - place.start for place in places]).sum(axis=1)
    return [
        {
            "size": int(size),
            "share": float(shares[0, 0, place]),
            "share_low": float(low[widest[place], place]),
            "share_high": float(high[widest[place], place]),
            "share_null": MOVED[widest[place]],
            "chance": float(size / many),
            "chance_by_layer": float(by_layer[place] / size),
        }
        for place, size in enumerate(compared.sizes)
    ]


def _of_size(halves: Halves, place: int) -> Halves:
    """Return the shares of one size: [lines] each."""
    return Halves(*(values[:, place] for values in halves))


def _halves_row(permuted: Halves, alpha: float) -> dict[str, Any]:
    """Tell whether an overlap of one size can be seen, from the shares of the halves under permutation."""
    row: dict[str, Any] = {}
    for name, values in zip(("halves", "ceiling_bias", "ceiling_quality"), permuted, strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        row |= {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    for name, values in zip(("bias", "quality"), permuted[1:], strict=True):
        row[f"p_ceiling_{name}"] = permutation_p_value(values)
    row["visible"] = max(row["p_ceiling_bias"], row["p_ceiling_quality"]) <= alpha
    if row["visible"]:
        return row
    few = 1 / len(permuted.crossed) > alpha
    reason = TOO_FEW_PERMUTATIONS if few else NOT_REPRODUCED
    return row | {"estimate_low": 0.0, "estimate_high": 1.0, "reason": reason}


def _estimate_row(permuted: Halves, left_out: Halves, size: int) -> dict[str, Any]:
    """Estimate the overlap at one size from the shares of the halves under permutation and without each generation."""
    chance = Halves(*(float(values[1:].mean()) for values in permuted))
    observed = Halves(*(float(values[0]) for values in permuted))
    ceiling = float(ceiling_height(observed, chance))
    estimate = estimate_share(observed, left_out, chance, size)
    return {
        "halves_common": chance.crossed + ceiling,
        "halves_distinct": max(0.0, chance.crossed - ceiling * chance.crossed / (1 - chance.crossed)),
        **dict(zip(("estimate", "estimate_low", "estimate_high"), estimate, strict=True)),
    }
