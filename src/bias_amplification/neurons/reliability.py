"""Whether associations of neurons with the outcomes reproduce, from files to files.

Effects in one half of the rounds are correlated with effects in the other half (`halves`), and neurons that are chosen
on the other rounds predict a held-out round (`held_out`). Each number has a p-value and a range under permutation of
the outcomes, and a 95% interval over generations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
from bias_amplification.neurons.designs import Rows, Versions, make_rows
from bias_amplification.neurons.halves import Changes, Layout, correlate_halves, lay_out, series_with
from bias_amplification.neurons.held_out import CHANGING, predict_held_out
from bias_amplification.neurons.null_distribution import MOVED
from bias_amplification.neurons.panel import OUTCOMES, measure_columns, read_outcomes, stream_batches
from bias_amplification.neurons.permutations import permute_by_first
from bias_amplification.neurons.regress import CONSTANT_OUTCOME, ROUNDING, TOO_FEW_ROWS
from bias_amplification.study.sections import Neurons, Quality

#: Reasons why a number is missing, beside those of `regress`.
TOO_FEW_ROUNDS = "too few rounds"
TOO_FEW_NEURONS = "fewer than two neurons change"
UNRELIABLE = "a reliability is not above zero"

BIAS, QUALITY = OUTCOMES

#: Statistic, source and target of every number of a measure (see `NEURON_RELIABILITY`), the most important first.
KEYS = (
    *(("reliability", outcome, outcome) for outcome in OUTCOMES),
    *(("prediction", outcome, outcome) for outcome in OUTCOMES),
    ("cross_correlation", BIAS, QUALITY),
    ("corrected", BIAS, QUALITY),
    ("prediction", BIAS, QUALITY),
    ("prediction", QUALITY, BIAS),
    *(("stepped_up", outcome, outcome) for outcome in OUTCOMES),
)

#: Fewest generations whose changes give an interval.
FEWEST_GENERATIONS = 3

#: Values of permutations that differ by less are equal: sums of the same numbers in another order.
EQUAL = 1e-9


#: Statistic, source and target of a number.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class PermutedStudy:
    """A study without its neurons."""

    rows: Rows
    layout: Layout
    outcomes: list[Changes]
    """Bias and quality under permutation; the first permutation is the outcome itself."""
    fewer: list[Changes]
    """The same under the fewer permutations for which neurons are chosen anew."""
    settings: Neurons
    seed: int

    @classmethod
    def of(
        cls, many: Sequence[np.ndarray], fewer: Sequence[np.ndarray], versions: Versions, settings: Neurons, seed: int
    ) -> "PermutedStudy":
        """Take bias and quality under many and under fewer permutations, each [permutations, versions].

        Series without both outcomes are left out: they cannot be in a half. An outcome that no series has is no
        reason to leave out the other.
        """
        rows = make_rows(versions, "within")
        drawn = [[Changes.of(outcome, rows) for outcome in pair] for pair in (many, fewer)]
        known = [one.known for one in drawn[0] if one.known.any()] or [drawn[0][0].known]
        usable = series_with(np.logical_and.reduce(known), versions, rows.after)
        outcomes, chosen = ([one.only(usable) for one in pair] for pair in drawn)
        return cls(rows, lay_out(versions, seed, usable), outcomes, chosen, settings, seed)


def measure_reliability(
    panel: Path, neurons: Sequence[Path], out: Path, settings: Neurons, quality: Quality, seed: int
) -> None:
    """Write whether associations of neurons reproduce (schema `NEURON_RELIABILITY`).

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`.
    out
        The table to write.
    settings
        The measures, alpha, fixed_effects, `reliability`, and `permutations`: the first of the schemes, `number`
        permutations for halves, and `sensitivity` permutations for predictions.
    quality
        The config's section; `score` is the measure of text quality.
    seed
        Seed of the permutations, and of the splits if they are sampled.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    from threadpoolctl import threadpool_limits

    outcomes = read_outcomes(panel, len(neurons))
    pair, permutations = outcomes.pair(settings.bias, quality.score), settings.permutations
    permuted = [
        permute_by_first(pair, outcomes.versions, settings, number, seed)[0]
        for number in (permutations.number, permutations.sensitivity)
    ]
    study = PermutedStudy.of(*permuted, outcomes.versions, settings, seed)
    table: list[dict[str, Any]] = []
    # The products are small: threads would take longer to start than to multiply.
    with threadpool_limits(limits=1):
        for measure, column in measure_columns(settings).items():
            changes = read_changes(neurons, column, study.rows, settings.fixed_effects)
            table += [{"measure": measure, **row} for row in reliability_rows(changes, study)]
    write_table(pa.Table.from_pylist(table, schema=NEURON_RELIABILITY), out, NEURON_RELIABILITY)


def read_changes(paths: Sequence[Path], column: str, rows: Rows, fixed_effects: str) -> np.ndarray:
    """Read the changes of one column of the neurons, as `scaled_changes`."""
    batches = stream_batches(paths, [column])
    return np.concatenate([scaled_changes(batch.values[column], rows, fixed_effects) for batch in batches], axis=1)


def scaled_changes(values: np.ndarray, rows: Rows, fixed_effects: str) -> np.ndarray:
    """Return the changes of [versions, neurons] values.

    Returns
    -------
    np.ndarray
        [rows, neurons], scaled so that the centred changes of each neuron have length 1. Neurons that never change, or
        have a value that is not finite, are left out.
    """
    basis = rows.constants(fixed_effects)
    values = values[:, np.isfinite(values).all(axis=0)]
    changes = rows.take(values)
    # A change at the size of rounding is none.
    changes[np.abs(changes) <= ROUNDING * np.abs(values).max(axis=0)] = 0.0
    size = np.square(changes - basis @ (basis.T @ changes)).sum(axis=0)
    changing = size > CHANGING * np.square(changes).sum(axis=0)
    return changes[:, changing] / np.sqrt(size[changing])


def reliability_rows(neurons: np.ndarray, study: PermutedStudy) -> list[dict[str, Any]]:
    """Return the rows of one measure, without its name.

    Parameters
    ----------
    neurons
        [rows, neurons], from `scaled_changes`.
    study
        The study.

    Returns
    -------
    list of dict
        Columns of `NEURON_RELIABILITY`, in the order of `KEYS`.
    """
    layout, settings = study.layout, study.settings
    many = neurons.shape[1]
    chosen = min(settings.reliability.neurons, max(1, many // 10))
    found: dict[Key, dict[str, Any]] = {}
    if layout.splits and many > 1:
        found = compute_halves(neurons, study) | compute_predictions(neurons, study.fewer, study, chosen)
    told = {outcome: bool(told_apart(found, outcome, settings.alpha)) for outcome in OUTCOMES}
    common = {
        "by": layout.by,
        "units": len(np.unique(layout.unit[layout.unit >= 0])),
        "splits": len(layout.splits),
        "centre": settings.fixed_effects,
        "neurons": many,
        "alpha": settings.alpha,
    }
    rows = []
    for key in KEYS:
        statistic, source, target = key
        row = common | {"statistic": statistic, "source": source, "target": target}
        row |= {"chosen": chosen if statistic == "prediction" else None, "reproduces": told[source] and told[target]}
        if key in found:
            row |= {name: None if value != value else value for name, value in found[key].items()}
        else:
            row["reason"] = _reason(key, found, many, study)
        rows.append(row)
    return rows


def told_apart(found: Mapping[Key, Mapping[str, Any]], outcome: str, alpha: float) -> bool | None:
    """Return whether an outcome's associations reproduce: by halves or by prediction, each tested at half the level.

    None if neither has a value.
    """
    keys = [(name, outcome, outcome) for name in ("reliability", "prediction")]
    tests = [found[key]["p_value"] <= alpha / len(keys) for key in keys if key in found]
    return any(tests) if tests else None


def _reason(key: Key, found: Mapping[Key, Mapping[str, Any]], neurons: int, study: PermutedStudy) -> str:
    """Say why a number is missing."""
    if not study.layout.splits:
        return TOO_FEW_ROUNDS
    if len(np.unique(study.layout.generation)) < 2:  # one change in each round: nothing is left after centring
        return TOO_FEW_ROWS
    if neurons < 2:
        return TOO_FEW_NEURONS
    if key[0] == "corrected" and all(("reliability", outcome, outcome) in found for outcome in OUTCOMES):
        return UNRELIABLE
    own = [one for outcome, one in zip(OUTCOMES, study.outcomes, strict=True) if outcome in key[1:]]
    return CONSTANT_OUTCOME if any(one.known.any() and not one.observed().changing() for one in own) else TOO_FEW_ROWS


def compute_halves(neurons: np.ndarray, study: PermutedStudy, *, intervals: bool = True) -> dict[Key, dict[str, Any]]:
    """Compute everything that is estimated from halves; a number without a value is left out."""
    layout, centre = study.layout, study.settings.fixed_effects
    spread = neurons - neurons.mean(axis=1, keepdims=True)
    products = spread @ spread.T
    observed = [one.observed() for one in study.outcomes]
    correlations = correlate_halves(products, study.outcomes, layout, centre)
    left_out = [
        correlate_halves(products, [one.only(layout.generation != generation) for one in observed], layout, centre)
        for generation in np.unique(layout.generation)
        if intervals
    ]
    found: dict[Key, dict[str, Any]] = {}
    for index, outcome in enumerate(OUTCOMES):
        values, without = correlations[index], np.array([one[index][0] for one in left_out])
        if np.isfinite(values[0]):
            row = compare(values) | _jackknife(values[0], without)
            found["reliability", outcome, outcome] = row
            found["stepped_up", outcome, outcome] = _rescale(row, step_up)
    if np.isfinite(correlations.cross[0, 0]):
        # Both outcomes permuted, bias alone, quality alone: all three must be rejected.
        tests = [compare(line, both_sides=True) for line in correlations.cross]
        place = int(np.argmax([test["p_value"] for test in tests]))
        row = {"moved": MOVED[place], **tests[place]}
        row |= _jackknife(correlations.cross[0, 0], np.array([one.cross[0, 0] for one in left_out]))
        found["cross_correlation", BIAS, QUALITY] = row
        reliabilities = [correlations.bias[0], correlations.quality[0]]
        if min(reliabilities) > 0:
            most = float(np.sqrt(np.prod(reliabilities)))
            found["corrected", BIAS, QUALITY] = _rescale(row, lambda value: value / most)
    return found


def compute_predictions(
    neurons: np.ndarray, outcomes: Sequence[Changes], study: PermutedStudy, chosen: int
) -> dict[Key, dict[str, Any]]:
    """Predict held-out units; a number without a value is left out.

    Predictions have no interval: resampled generations repeat one another, and such an interval missed 0 far too often
    where rounds have other scales.
    """
    predicted = predict_held_out(neurons, outcomes, study.layout, study.settings.fixed_effects, chosen)
    return {
        ("prediction", OUTCOMES[source], OUTCOMES[target]): compare(predicted[source, target])
        for source, target in np.ndindex(2, 2)
        if np.isfinite(predicted[source, target, 0])
    }


def compare(values: np.ndarray, *, both_sides: bool = False) -> dict[str, Any]:
    """Compare the first of [permutations] values with all of them.

    Parameters
    ----------
    values
        The first one is the observed one. A permutation without a value (NaN) counts as at least as extreme.
    both_sides
        Whether values far below the permutations' mean are extreme, too.

    Returns
    -------
    dict
        Columns of `NEURON_RELIABILITY`: the value, its p-value, and mean and 95% range under permutation.
    """
    mean = np.nanmean(values)
    size = np.abs(values - mean) if both_sides else values
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {
        "value": float(values[0]),
        "p_value": float(np.mean(~(size < size[0] - EQUAL))),
        "smallest_p": float(np.mean(np.abs(values - values[0]) <= EQUAL)),
        "permutations": len(values),
        "chance": float(mean),
        "chance_low": float(low),
        "chance_high": float(high),
    }


def step_up(reliability: float) -> float:
    """Return the reliability of effects in a whole study from that in its halves (Spearman, 1910; Brown, 1910).

    2 r / (1 + r); for a negative r, 2 r / (1 - r), so that it stays above -1.
    """
    return 2 * reliability / (1 + abs(reliability))


def _rescale(row: Mapping[str, Any], scale: Callable[[float], float]) -> dict[str, Any]:
    """Apply a monotone function to a number and to the ends of its ranges; the test stays the same."""
    ends = ("value", "value_low", "value_high", "chance", "chance_low", "chance_high")
    return {name: scale(value) if name in ends else value for name, value in row.items()}


def _jackknife(value: float, left_out: np.ndarray) -> dict[str, float]:
    """Return the 95% t interval of a correlation from its values without one generation each, [generations].

    The ends are NaN if there are too few generations.
    """
    from scipy.special import stdtrit

    many = len(left_out)
    if many < FEWEST_GENERATIONS:
        return {"value_low": np.nan, "value_high": np.nan}
    half = float(stdtrit(many - 1, 0.975) * np.sqrt((many - 1) * np.var(left_out)))
    return {"value_low": float(np.clip(value - half, -1, 1)), "value_high": float(np.clip(value + half, -1, 1))}
