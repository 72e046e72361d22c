"""Compare the sets of neurons with those under permuted outcomes, from files to files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_NULL, NEURON_OVERLAP, NEURON_PERMUTED
from bias_amplification.neurons.designs import Rows, count_lags, make_rows
from bias_amplification.neurons.null_distribution import Null, fill_layer
from bias_amplification.neurons.null_tables import null_table, overlap_row, permuted_table
from bias_amplification.neurons.panel import (
    OUTCOMES,
    each_layer,
    layer_numbers,
    measure_columns,
    read_keys,
    read_outcomes,
    stream_batches,
)
from bias_amplification.neurons.permutations import permute_changes, resolve_schemes
from bias_amplification.neurons.regress import known_rows
from bias_amplification.study.sections import Neurons, Quality


class PermutationFiles(NamedTuple):
    """The tables that `permute_outcomes` writes (schemas `NEURON_NULL`, `NEURON_OVERLAP`, `NEURON_PERMUTED`)."""

    null: Path
    overlap: Path
    permuted: Path


class _Scheme(NamedTuple):
    """The outcomes under the permutations of one scheme."""

    pair: list[np.ndarray]
    """Bias and quality, each [permutations, versions]."""
    complete: bool
    """Whether these are all permutations."""


def permute_outcomes(
    panel: Path, neurons: Sequence[Path], out: PermutationFiles, settings: Neurons, quality: Quality, seed: int
) -> None:
    """Write the counts and overlaps of significant neurons under permuted outcomes.

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    out
        The tables to write. The p-values of single neurons in `permuted` are those of the first scheme.
    settings
        The test, the measures, alpha, `permutations.schemes` and `permutations.number`.
    quality
        The config's section; `score` is the measure of text quality.
    seed
        Seed of the draws.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    permutations = settings.permutations
    outcomes = read_outcomes(panel, len(neurons))
    pair = outcomes.pair(settings.bias, quality.score)
    rows = make_rows(outcomes.versions, settings.difference)
    keys = read_keys(neurons)
    layers = layer_numbers(keys[0])
    schemes = {
        "+".join(moves): _Scheme(
            *permute_changes(pair, outcomes.versions, moves, permutations.number, seed, settings.fixed_effects)
        )
        for moves in resolve_schemes(permutations.schemes, pair, outcomes.versions, settings.alpha)
    }
    columns = measure_columns(settings)
    nulls = {
        (scheme, measure): Null.empty(len(layers), len(drawn.pair[0]), len(keys[0]))
        for scheme, drawn in schemes.items()
        for measure in columns
    }
    for layer in each_layer(stream_batches(neurons, list(columns.values()))):
        for (scheme, measure), null in nulls.items():
            x = layer.values[columns[measure]]
            fill_layer(null, layer.index, layer.places, x, schemes[scheme].pair, rows, settings)

    overlap_rows = []
    tests = _describe_tests(pair, rows, settings)
    for (scheme, measure), null in nulls.items():
        common = {"scheme": scheme, "measure": measure, "complete": schemes[scheme].complete} | tests
        places = (None, *range(len(layers)))
        overlap_rows += [common | overlap_row(null, place, layers, settings.alpha) for place in places]
    first = next(iter(schemes))
    null_tables = [null_table(*key, null) for key, null in nulls.items()]
    permuted = [permuted_table(keys, measure, nulls[first, measure]) for measure in columns]
    write_table(pa.concat_tables(null_tables), out.null, NEURON_NULL)
    write_table(pa.Table.from_pylist(overlap_rows, schema=NEURON_OVERLAP), out.overlap, NEURON_OVERLAP)
    write_table(pa.concat_tables(permuted), out.permuted, NEURON_PERMUTED)


def _describe_tests(pair: Sequence[np.ndarray], rows: Rows, settings: Neurons) -> Mapping[str, int | None]:
    """Return the rows and lags of the regressions on each outcome."""
    described: dict[str, int | None] = {}
    for outcome, y in zip(OUTCOMES, pair, strict=True):
        known = int(known_rows(y, rows).sum())
        described |= {f"rows_{outcome}": known, f"lags_{outcome}": count_lags(settings.lags, known)}
    return described
