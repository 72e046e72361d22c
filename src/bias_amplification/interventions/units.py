"""Choose the neurons of a version that are changed, and their controls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import INTERVENTION_UNITS, INTERVENTION_UNITS_MISSING
from bias_amplification.interventions.controls import (
    FEATURES,
    Measured,
    ModelFiles,
    draw_controls,
    full_layer,
    measure_neurons,
    standardise,
)
from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.p_value_files import read_neuron_list
from bias_amplification.neurons.panel import OUTCOMES, Outcomes, measure_columns, read_outcomes, stream_batches
from bias_amplification.neurons.regress import Slopes, regress
from bias_amplification.neurons.sets import significant
from bias_amplification.seeds import derive_seed
from bias_amplification.study.choosing import choosing_chains
from bias_amplification.study.sections import Interventions, Neurons, Quality, UnitSet
from bias_amplification.study.versions import Chain


class Analysed(NamedTuple):
    """The files of the neuron analysis."""

    panel: Path
    """The outcomes of each version (schema `NEURON_PANEL`)."""
    neurons: list[Path]
    """The neurons table of each version, in the panel's order."""


class Changed(NamedTuple):
    """The version whose neurons are changed, and the model since which changes of neurons are counted."""

    round: str
    replicate: int
    version: ModelFiles
    reference: ModelFiles
    left_out: Sequence[str] = ()
    """Rounds that do not choose, because their held neurons were found on the changed round."""


class Chosen(NamedTuple):
    """Tables that `choose_units` makes."""

    units: Path
    """Schema `INTERVENTION_UNITS`; without rows if no set can be chosen."""
    missing: Path
    """The sets and sizes that cannot be made (schema `INTERVENTION_UNITS_MISSING`)."""


class NoSet(Exception):
    """There is no set of this kind; the message is a part of a sentence that says why."""


def choose_units(
    analysed: Analysed,
    changed: Changed,
    out: Chosen,
    interventions: Interventions,
    neurons: Neurons,
    quality: Quality,
    seed: int,
) -> None:
    """Write the neurons of each set and of its controls, and which sets and sizes cannot be made.

    The log says how well controls are balanced.

    Parameters
    ----------
    analysed
        The analysis, from which sets are chosen.
    changed
        The version that is changed.
    out
        The tables to write.
    interventions
        `sets`, `chosen_on`, `measure`, `criterion`, `sizes` and `controls`.
    neurons
        The test (difference, lags, reference, small_sample, fixed_effects), `alpha`, the measures (weight, activation,
        bias) and `architecture`.
    quality
        `score`, the measure of text quality.
    seed
        Of the draws of controls.

    Raises
    ------
    StudyError
        If files are missing or do not match, if `chosen_on` names the changed round, or if the file of a set has a
        fault.
    """
    measured = measure_neurons(changed.version, changed.reference, neurons.architecture)
    scores = standardise(measured.features, measured.layer)
    associations = Associations(analysed, changed, interventions, neurons, quality)
    tables, missing = [], []
    for one in interventions.sets:
        for size, chosen in list_sizes(one, measured, associations):
            if isinstance(chosen, NoSet):
                missing.append({"set": one.name, "size": size, "reason": str(chosen)})
                _say(one, size, f"left out, because {chosen}")
                continue
            generator = np.random.default_rng(derive_seed(seed, one.name, size))
            controls = draw_controls(chosen, measured.layer, scores, interventions.controls, generator)
            differences = scores[chosen].mean(axis=0) - scores[controls].mean(axis=(0, 1))
            _say(one, size, f"{len(controls)} controls; standardised differences of the set: {_in_words(differences)}")
            tables.append(_table(one.name, np.vstack([chosen, controls]), measured, scores))
    write_table(pa.concat_tables([INTERVENTION_UNITS.empty_table(), *tables]), out.units, INTERVENTION_UNITS)
    write_table(
        pa.Table.from_pylist(missing, schema=INTERVENTION_UNITS_MISSING), out.missing, INTERVENTION_UNITS_MISSING
    )


def list_sizes(
    one: UnitSet, measured: Measured, associations: "Associations"
) -> Iterator[tuple[int | None, np.ndarray | NoSet]]:
    """Yield the sizes of a set in the config's order, each with the places of its neurons, ascending.

    A set from a file, or of all significant neurons, has one size. If there is no such set, or if a layer has too few
    other neurons for its controls, the reason is yielded instead; the size is None if it is unknown then.
    """
    for size, chosen in _choose_sizes(one, measured, associations):
        full = None if isinstance(chosen, NoSet) else full_layer(chosen, measured.layer)
        yield size, chosen if full is None else NoSet(f"layer {full} has too few other neurons for controls")


def _choose_sizes(
    one: UnitSet, measured: Measured, associations: "Associations"
) -> Iterator[tuple[int | None, np.ndarray | NoSet]]:
    """Yield the sizes of a set, whether controls can be drawn or not."""
    if one.file:
        places = {key: place for place, key in enumerate(zip(measured.layer, measured.neuron, strict=True))}
        listed = read_neuron_list(one.file, dict(zip(*np.unique(measured.layer, return_counts=True), strict=True)))
        yield len(listed), np.sort([places[key] for key in listed.itertuples(index=False, name=None)])
        return
    interventions, alpha = associations.interventions, associations.neurons.alpha
    for size in interventions.sizes if interventions.criterion == "strongest" else [None]:
        try:
            slopes = associations.slopes
            chosen = strongest(one.outcome, slopes, size) if size else all_significant(one.outcome, slopes, alpha)
        except NoSet as reason:
            yield size, reason
            continue
        yield len(chosen), np.sort(chosen)


@dataclass(frozen=True)
class Associations:
    """The regressions of both outcomes on all neurons, over the versions that choose; computed when asked for."""

    analysed: Analysed
    changed: Changed
    interventions: Interventions
    neurons: Neurons
    quality: Quality

    @cached_property
    def slopes(self) -> Mapping[str, Slopes]:
        """The regression of each outcome, arrays [neurons]; empty if no version is left to choose on."""
        files, settings, chosen_on = self.analysed.neurons, self.neurons, self.interventions.chosen_on
        outcomes = read_outcomes(self.analysed.panel, len(files))
        keep = choosing_versions(outcomes.versions, self.changed, chosen_on)
        print(f"{keep.sum()} of {len(keep)} versions choose (interventions.chosen_on: {chosen_on})", flush=True)
        if self.changed.left_out and chosen_on == "others":
            names = ", ".join(self.changed.left_out)
            print(f"Left out, because their held neurons were found on {self.changed.round}: {names}", flush=True)
        if not keep.any():
            return {}
        versions = Versions(*(tuple(np.asarray(part)[keep].tolist()) for part in outcomes.versions))
        chosen = Outcomes(versions, {name: values[keep] for name, values in outcomes.values.items()})
        return associate(chosen, list(compress(files, keep)), self.interventions.measure, settings, self.quality)


def associate(
    outcomes: Outcomes, files: Sequence[Path], measure: str, neurons: Neurons, quality: Quality
) -> dict[str, Slopes]:
    """Regress bias and text quality on every neuron.

    Parameters
    ----------
    outcomes
        Those of some versions.
    files
        The neurons table of each of them, in the same order.
    measure
        "weight" or "activation".
    neurons, quality
        The settings of `choose_units`.

    Returns
    -------
    dict of str to Slopes
        The regression of each of `OUTCOMES`, arrays [neurons].
    """
    rows = make_rows(outcomes.versions, neurons.difference)
    pair = dict(zip(OUTCOMES, outcomes.pair(neurons.bias, quality.score), strict=True))
    column = measure_columns(neurons)[measure]
    parts: dict[str, list[Slopes]] = {outcome: [] for outcome in OUTCOMES}
    for batch in stream_batches(files, [column]):
        for outcome, values in pair.items():
            parts[outcome].append(regress(batch.values[column], values, rows, neurons))
    return {outcome: Slopes.join(found) for outcome, found in parts.items()}


def choosing_versions(versions: Versions, changed: Changed, chosen_on: str | Sequence[str]) -> np.ndarray:
    """Return which versions choose the sets for a changed version: [versions].

    Parameters
    ----------
    versions
        The versions that are analysed.
    changed
        The changed version.
    chosen_on
        As for `choosing_chains`.

    Raises
    ------
    StudyError
        If `chosen_on` names the changed round.
    """
    if not isinstance(chosen_on, str) and changed.round in chosen_on:
        raise StudyError(
            f"interventions.chosen_on has {changed.round}, whose neurons are changed: remove it, or set chosen_on to "
            "own."
        )
    chains = [Chain(*chain) for chain in zip(versions.strategies, versions.replicates, strict=True)]
    chosen = choosing_chains(chains, Chain(changed.round, changed.replicate), chosen_on, changed.left_out)
    return np.array([chain in chosen for chain in chains])


def strongest(outcome: str, slopes: Mapping[str, Slopes], size: int) -> np.ndarray:
    """Choose so many neurons with the largest absolute t statistics.

    Parameters
    ----------
    outcome
        "bias" or "quality"; "both": by the smaller of the two |t|; "bias_only", "quality_only": the strongest for one
        outcome that are not among as many strongest for the other.
    slopes
        The regression of each outcome.
    size
        Number of neurons.

    Returns
    -------
    np.ndarray
        [size], places of neurons, strongest first.

    Raises
    ------
    NoSet
        If there are too few such neurons.
    """
    first, other = _outcomes(outcome)
    strength = np.abs(_tested(slopes, first).statistic)
    if outcome == "both":
        strength = np.minimum(strength, np.abs(_tested(slopes, other).statistic))
    elif other:
        strength[_largest(np.abs(_tested(slopes, other).statistic), size)] = np.nan
    found = _largest(strength, size)
    if len(found) < size:
        raise NoSet(f"only {len(found)} neurons can be chosen")
    return found


def all_significant(outcome: str, slopes: Mapping[str, Slopes], alpha: float) -> np.ndarray:
    """Choose all neurons that are significant for an outcome, for both, or for one and not for the other.

    Parameters
    ----------
    outcome, slopes
        As for `strongest`.
    alpha
        Level of each test.

    Returns
    -------
    np.ndarray
        Places of neurons.

    Raises
    ------
    NoSet
        If no neuron is.
    """
    first, other = _outcomes(outcome)
    found = significant(_tested(slopes, first).p_value, alpha)
    if other:
        of_other = significant(_tested(slopes, other).p_value, alpha)
        found &= of_other if outcome == "both" else ~of_other
    if not found.any():
        raise NoSet(f"no neuron is significant at {alpha:g}")
    return np.flatnonzero(found)


def _outcomes(outcome: str) -> tuple[str, str | None]:
    """Return the outcome of a kind of set, and the one with which it is compared."""
    return {
        "both": OUTCOMES,
        "bias_only": ("bias", "quality"),
        "quality_only": ("quality", "bias"),
    }.get(outcome, (outcome, None))


def _tested(slopes: Mapping[str, Slopes], outcome: str) -> Slopes:
    """Return the regression of an outcome if any neuron is tested."""
    if outcome not in slopes:
        raise NoSet("no version is left to choose neurons on")
    found = slopes[outcome]
    if not np.isfinite(found.statistic).any():
        reasons, counts = np.unique(found.reason, return_counts=True)
        raise NoSet(f"no neuron has a test on {outcome} in the versions that choose ({reasons[counts.argmax()]})")
    return found


def _largest(strength: np.ndarray, size: int) -> np.ndarray:
    """Return the places of the largest values, at most `size`, without NaN. Of equal values, the first is taken."""
    order = np.argsort(-strength, kind="stable")  # NaN last
    return order[: min(size, int(np.isfinite(strength).sum()))]


def _table(name: str, sets: np.ndarray, measured: Measured, scores: np.ndarray) -> pa.Table:
    """Return the rows of a set and of its controls, [1 + controls, units]."""
    sets = np.sort(sets, axis=1)
    places = sets.ravel()
    columns = {
        "set": pa.repeat(name, len(places)),
        "size": np.full(len(places), sets.shape[1], dtype=np.int32),
        "control": np.repeat(np.arange(len(sets), dtype=np.int16), sets.shape[1]),
        "layer": measured.layer[places],
        "neuron": measured.neuron[places],
    }
    return pa.table(columns | dict(zip(FEATURES, scores[places].T, strict=True)), schema=INTERVENTION_UNITS)


def _in_words(differences: np.ndarray) -> str:
    named = zip(FEATURES, differences, strict=True)
    return ", ".join(f"{name.replace('_', ' ')} {value:+z.2f}" for name, value in named)


def _say(one: UnitSet, size: int | None, text: str) -> None:
    """Write a sentence about a set to the log."""
    print(f"set {one.name}{'' if size is None else f', {size} neurons'}: {text}", flush=True)
