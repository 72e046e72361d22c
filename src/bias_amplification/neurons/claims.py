"""What the analysis of neurons claims in a simulated study: its tests, verdicts and intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.null_distribution import Null, fill_layer
from bias_amplification.neurons.null_tables import overlap_row
from bias_amplification.neurons.overlap_curve import TOO_FEW_PERMUTATIONS, estimate_sizes
from bias_amplification.neurons.panel import OUTCOMES
from bias_amplification.neurons.permutations import permute_changes
from bias_amplification.neurons.reliability import (
    Key,
    PermutedStudy,
    compute_halves,
    compute_predictions,
    scaled_changes,
    told_apart,
)
from bias_amplification.neurons.sets import NOT_ENOUGH_PERMUTATIONS
from bias_amplification.neurons.worlds import Simulation
from bias_amplification.study.sections import Neurons

#: Permutations of each test if they cannot all be listed.
PERMUTATIONS = 199
#: Level of intervals and of the verdict on the overlap, whatever alpha is.
FIXED_LEVEL = 0.05
#: Studies whose intervals and overlaps are estimated, which takes as long as all tests: so many, or this share if more.
INTERVALS, SHARE_OF_INTERVALS = 40, 0.2
#: Share of the neurons that are chosen for predictions and that are in a set whose overlap is estimated.
CHOSEN = 0.1

BIAS, QUALITY = OUTCOMES


class Truth(NamedTuple):
    """What is true of the effects in a simulated study."""

    correlation: float | None = 0.0
    """Of the effects on bias and on text quality over neurons."""
    share: float | None = None
    """Share of the neurons of one outcome that are the other's too; None: no neuron has an effect."""

    @property
    def without_effects(self) -> bool:
        """Whether no neuron has an effect."""
        return self.share is None


NO_EFFECT = Truth()


def level_of(claim: str, alpha: float) -> float:
    """Return the rate at which a valid claim may be wrong."""
    return FIXED_LEVEL if claim.startswith(("interval", "overlap")) else alpha


def count_claims(
    simulation: Simulation,
    moves: Sequence[str],
    settings: Neurons,
    seed: int,
    *,
    whole: bool = True,
    truth: Truth = NO_EFFECT,
) -> dict[str, np.ndarray]:
    """Return for each claim in which studies it is made, [studies]; studies without a decision are left out.

    The parameters are those of `study_claims`.
    """
    from threadpoolctl import threadpool_limits

    # The products are small: threads, for each product or for several studies at once, take longer than one.
    with threadpool_limits(limits=1):
        found = [
            study_claims(simulation, study, moves, settings, seed, whole=whole, truth=truth)
            for study in range(simulation.x.shape[1])
        ]
    return {name: np.array([one[name] for one in found if one.get(name) is not None]) for name in found[0]}


def study_claims(
    simulation: Simulation,
    study: int,
    moves: Sequence[str],
    settings: Neurons,
    seed: int,
    *,
    whole: bool = True,
    truth: Truth = NO_EFFECT,
) -> dict[str, bool | None]:
    """Return which claims are made in one simulated study.

    Parameters
    ----------
    simulation, study
        The studies, and the number of the one.
    moves
        The moves of the permutations.
    settings
        The study's own test and alpha.
    seed
        Seed of the permutations.
    whole
        Whether reproduction and the overlap are tested too; a study does that by its first scheme only.
    truth
        What its intervals should hold.

    Returns
    -------
    dict
        Tests that reject, verdicts, and intervals that miss the truth; None without a decision.
    """
    versions, alpha = simulation.versions, settings.alpha
    x, number = simulation.x[:, study], simulation.x.shape[2]
    outcomes, effects = simulation.y[:, :, study], settings.fixed_effects
    pair, _ = permute_changes(outcomes, versions, moves, PERMUTATIONS, seed + study, effects)
    null = Null.empty(1, len(pair[0]), number)
    fill_layer(null, 0, slice(0, number), x, pair, make_rows(versions, settings.difference), settings)
    row = overlap_row(null, None, [0], alpha)

    def below(name: str) -> bool | None:
        return None if row[name] is None else row[name] <= alpha

    found: dict[str, bool | None] = {f"count of {name}": below(f"p_{name}") for name in (*OUTCOMES, "both")}
    familywise = {name: row.get(f"{name}_familywise") for name in OUTCOMES}
    found |= {f"family-wise, {name}": None if number is None else number > 0 for name, number in familywise.items()}
    can_tell = row["tested"] and row["verdict"] != NOT_ENOUGH_PERMUTATIONS
    for words in ("alike", "distinct"):
        found[f"overlap {words}"] = row["verdict"] == f"more {words} than chance" if can_tell else None
    found |= {"ranks agree": below("p_rank_agreement"), "signs agree": below("p_same_sign")}
    if whole:
        intervals = study < max(INTERVALS, SHARE_OF_INTERVALS * simulation.x.shape[1])
        found |= _reproduction(x, pair, versions, settings, truth, intervals=intervals)
        found |= _overlap(x, pair, versions, settings, truth, seed + study) if intervals else {}
    return found


def _reproduction(
    neurons: np.ndarray,
    pair: Sequence[np.ndarray],
    versions: Versions,
    settings: Neurons,
    truth: Truth,
    *,
    intervals: bool,
) -> dict[str, bool | None]:
    """Return which tests of reproduction reject, and which intervals miss the truth."""
    study = PermutedStudy.of(pair, pair, versions, settings, 0)
    changes = scaled_changes(neurons, study.rows, settings.fixed_effects)
    found: dict[Key, dict[str, Any]] = {}
    if study.layout.splits and changes.shape[1] > 1:
        found = compute_halves(changes, study, intervals=intervals)
        found |= compute_predictions(changes, study.fewer, study, max(1, int(CHOSEN * changes.shape[1])))

    def rejects(*key: str) -> bool | None:
        return found[key]["p_value"] <= settings.alpha if key in found else None

    claims: dict[str, bool | None] = {}
    for outcome, other in (OUTCOMES, OUTCOMES[::-1]):
        claims[f"reliability, {outcome}"] = rejects("reliability", outcome, outcome)
        claims[f"prediction, {outcome}"] = rejects("prediction", outcome, outcome)
        claims[f"prediction, {outcome} neurons of {other}"] = rejects("prediction", outcome, other)
        claims[f"reproduces, {outcome}"] = told_apart(found, outcome, settings.alpha)
    claims["cross-correlation"] = rejects("cross_correlation", BIAS, QUALITY)
    # The expected correlations of halves with effects depend on the noise.
    noisy = 0.0 if truth.without_effects else None
    for outcome in OUTCOMES:
        claims[f"interval of reliability, {outcome}"] = misses(found.get(("reliability", outcome, outcome)), noisy)
    claims["interval of cross-correlation"] = misses(found.get(("cross_correlation", BIAS, QUALITY)), noisy)
    claims["interval of corrected correlation"] = misses(found.get(("corrected", BIAS, QUALITY)), truth.correlation)
    return claims


def misses(row: Mapping[str, Any] | None, value: float | None) -> bool | None:
    """Return whether the interval of a row excludes a value; None without an interval or a value."""
    if not row or value is None or np.isnan(row["value_low"]):
        return None
    return not row["value_low"] <= value <= row["value_high"]


def _overlap(
    neurons: np.ndarray,
    pair: Sequence[np.ndarray],
    versions: Versions,
    settings: Neurons,
    truth: Truth,
    seed: int,
) -> dict[str, bool | None]:
    """Return whether an overlap is said to be visible, and what is said of it, for a tenth of the neurons."""
    sized = settings.model_copy(update={"set_sizes": [max(1, int(CHOSEN * neurons.shape[1]))]})
    layer = np.zeros(neurons.shape[1], dtype=np.int64)
    row = estimate_sizes(neurons, layer, pair, versions, sized, np.random.default_rng(seed))[0]
    visible, low, high = row["visible"], row.get("estimate_low"), row.get("estimate_high")
    halved = row["splits"] > 0 and row.get("reason") != TOO_FEW_PERMUTATIONS
    claims: dict[str, bool | None] = {
        "ceilings of overlap": visible if halved else None,
        "overlap estimated above chance": visible and low > row["chance"] if halved else None,
        "overlap estimated below chance": visible and high < row["chance"] if halved else None,
    }
    if not truth.without_effects:
        claims["interval of overlap"] = not low <= truth.share <= high if visible else None
    return claims
