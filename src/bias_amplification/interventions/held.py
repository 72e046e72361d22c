"""Choose the neurons that the training of a round holds, on versions of other rounds or from a file.

The outcomes of these versions are computed from their own tables, because the metrics of the whole study, from which
the neuron analysis takes them, need the round that is still to be trained.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.placement import replicate_name
from bias_amplification.artifacts.schemas import HELD_UNITS, QUALITY, predictions
from bias_amplification.interventions.projections import count_neurons
from bias_amplification.interventions.units import NoSet, associate, strongest
from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.p_value_files import read_neuron_list
from bias_amplification.neurons.panel import Outcomes, read_keys
from bias_amplification.study.sections import Held, Neurons, Quality


class ChoosingVersion(NamedTuple):
    """A version on which neurons are chosen, and the tables that measure it."""

    round: str
    replicate: int
    generation: int
    seed_set: str
    label: str
    """The label whose share is the bias."""
    predictions: Path
    """Schema `predictions`."""
    quality: Path
    """Schema `QUALITY`."""
    neurons: Path
    """Schema `NEURONS`."""


def choose_held_units(
    versions: Sequence[ChoosingVersion],
    base: Path | None,
    out: Path,
    held: Held,
    neurons: Neurons,
    quality: Quality,
    labels: Sequence[str],
) -> None:
    """Write the neurons that the training of a round holds (schema `HELD_UNITS`).

    Parameters
    ----------
    versions
        The versions that choose, round by round, generations ascending; none if the neurons are in a file.
    base
        Folder of the base model, against which a file is checked; None if there is no file.
    out
        The table to write.
    held
        The round's section `held`.
    neurons
        The test (difference, lags, reference, small_sample, fixed_effects), the measures (weight, activation, bias) and
        `architecture`.
    quality
        `score`, the measure of text quality.
    labels
        The study's labels.

    Raises
    ------
    StudyError
        If no such set can be chosen on these versions, or if the file has a fault.
    """
    source = held.file or ", ".join(dict.fromkeys(one.round for one in versions))
    if held.file:
        keys = read_neuron_list(held.file, count_neurons(base, neurons.architecture)).to_numpy()
    else:
        files = [one.neurons for one in versions]
        outcomes = read_version_outcomes(versions, neurons, quality, labels)
        try:
            places = strongest(held.outcome, associate(outcomes, files, held.measure, neurons, quality), held.size)
        except NoSet as reason:
            raise StudyError(
                f"{out} cannot be made: no set of {held.size} neurons can be chosen for {held.outcome} on {source}, "
                f"because {reason}: name more rounds in the round's held.rounds, or another size or outcome."
            ) from None
        keys = np.stack(read_keys(files), axis=1)[places].astype(np.int64)
    keys = keys[np.lexsort((keys[:, 1], keys[:, 0]))]
    penalty = pa.array([held.penalty] * len(keys), pa.float64())
    write_table(pa.table({"layer": keys[:, 0], "neuron": keys[:, 1], "penalty": penalty}), out, HELD_UNITS)
    print(f"{len(keys)} neurons from {source}{'' if held.file else f', {len(versions)} versions'}", flush=True)


def read_version_outcomes(
    versions: Sequence[ChoosingVersion], neurons: Neurons, quality: Quality, labels: Sequence[str]
) -> Outcomes:
    """Compute bias and text quality of versions from the tables of their articles, as the metrics table has them.

    Parameters
    ----------
    versions
        The versions.
    neurons
        `bias`: the share of the articles that have the label, among those that have any, or its mean probability.
    quality
        `score`, the measure of text quality.
    labels
        The study's labels.

    Returns
    -------
    Outcomes
        With these two measures alone; NaN if a version has no article with a label, or none with a sentence.
    """
    pairs = np.array([_outcomes(one, neurons.bias, quality.column, labels) for one in versions]).reshape(-1, 2)
    chains = tuple(replicate_name(one.round, one.replicate) for one in versions)
    generations, rounds, replicates, seed_sets = (
        tuple(getattr(one, name) for one in versions) for name in ("generation", "round", "replicate", "seed_set")
    )
    values = {neurons.bias: pairs[:, 0], f"quality_{quality.score}": pairs[:, 1]}
    return Outcomes(Versions(chains, generations, rounds, replicates, seed_sets), values)


def _outcomes(one: ChoosingVersion, bias: str, column: str, labels: Sequence[str]) -> tuple[float, float]:
    """Return bias and text quality of one version."""
    classified = read_table(one.predictions, predictions(labels), ["predicted", f"probability_{one.label}"])
    scores = read_table(one.quality, QUALITY, [column])[column]
    # Means skip nulls: texts without a label, and texts without a sentence.
    hits = pc.equal(classified["predicted"], one.label).cast(pa.float64())
    found = pc.mean(hits if bias == "share" else classified[f"probability_{one.label}"]), pc.mean(scores)
    return tuple(float("nan") if mean.as_py() is None else mean.as_py() for mean in found)
