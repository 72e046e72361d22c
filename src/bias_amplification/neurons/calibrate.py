"""How often each test and interval is wrong in simulated studies without an effect, and what it finds with one.

The worlds are in `worlds.py`. A rate above `TOLERATED` means that a test is not valid in that world.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import NEURON_CALIBRATION, NEURON_WORLD
from bias_amplification.neurons.claims import Truth, count_claims, level_of
from bias_amplification.neurons.describe import describe_world
from bias_amplification.neurons.designs import DATA_DRIVEN, Versions, make_rows
from bias_amplification.neurons.panel import Outcomes, read_outcomes, stream_batches
from bias_amplification.neurons.permutations import resolve_schemes
from bias_amplification.neurons.regress import ROUNDING, regress
from bias_amplification.neurons.sets import CORRECTIONS, overlap, significant
from bias_amplification.neurons.worlds import WORLDS, Run, Simulation, plant, simulate
from bias_amplification.study.sections import Neurons, Quality

#: Share of the neurons that follow an outcome when power is measured.
PLANTED = 0.1
#: A test is valid up to this multiple of its level: 8% for 5%.
TOLERATED = 1.6
#: Standard errors by which the rate of a test that is not valid exceeds the level: few studies would call sound tests
#: invalid by chance.
MARGIN = 1.645
#: The same for claims that a study makes or not: the level of a binomial test.
CLEARLY = 0.05
#: The rule of the lags with which neurons are counted too.
PLUGIN = "plugin"
#: Largest number of neurons, and number of studies, in which claims about many neurons are simulated. The more neurons
#: there are, the more often such claims are wrong.
MANY_NEURONS, MANY_STUDIES = 10_000, 60
#: Numbers that are simulated at once for these claims.
BLOCK = 2_000_000
#: Fewest studies that say whether a claim is valid.
FEWEST_STUDIES = 20
#: What is claimed of many neurons at once: that a correction finds at least one, and that the sets of bias and of
#: quality have more in common than those of independent neurons.
ANY_NEURON = {correction: f"any neuron, {correction}" for correction in CORRECTIONS}
INDEPENDENT_OVERLAP = "overlap of independent neurons"
#: Worlds in which effects are planted too.
PLANTED_WORLDS = ("random_walks", "own_neurons")


def calibrate_neurons(
    panel: Path, neurons: Sequence[Path], out: Path, out_world: Path, settings: Neurons, quality: Quality, seed: int
) -> None:
    """Write how often the tests reject in simulated studies, and what world the run seems to be.

    Parameters
    ----------
    panel, neurons
        As for `analyse.analyse_neurons`. Rounds, generations, neurons and outcomes are taken from them.
    out, out_world
        The tables to write (schemas `NEURON_CALIBRATION` and `NEURON_WORLD`).
    settings
        The study's own test, measures and alpha; `weight`, the column whose neurons are used; `permutations.schemes`;
        and `calibration`, the size of the simulation.
    quality
        The config's section; `score` is the measure of text quality.
    seed
        Seed of the draws.

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    outcomes = read_outcomes(panel, len(neurons))
    generator = np.random.default_rng(seed)
    many = changing_neurons(neurons, f"weight_{settings.weight}", outcomes.versions, MANY_NEURONS, generator)
    few = np.sort(generator.permutation(many.shape[1])[: settings.calibration.neurons])
    run = Run(many[:, few], outcomes.pair(settings.bias, quality.score), many)
    world = describe_world(outcomes.versions, run)
    write_table(pa.Table.from_pylist(world, schema=NEURON_WORLD), out_world, NEURON_WORLD)
    rows = [row for name in WORLDS for row in calibrate_world(name, outcomes, run, settings, seed)]
    write_table(pa.Table.from_pylist(rows, schema=NEURON_CALIBRATION), out, NEURON_CALIBRATION)


class NeuronTest(NamedTuple):
    """A test of one neuron: the keys of the config's section `neurons` that define it."""

    difference: str
    lags: int | str
    reference: str
    small_sample: bool
    fixed_effects: str


def list_tests(own: Neurons) -> list[Neurons]:
    """List the settings of the tests to compare, the study's own first, each once."""
    tests = [NeuronTest(**{key: getattr(own, key) for key in Neurons.TEST_KEYS})]
    tests += [NeuronTest("within", 1, "t", True, fixed_effects) for fixed_effects in ("both", "rounds", "none")]
    tests += [tests[0]._replace(lags=lags) for lags in (PLUGIN, *DATA_DRIVEN)]
    tests += [NeuronTest(difference, 1, "normal", False, "none") for difference in ("within", "across", "levels")]
    return [own.model_copy(update=test._asdict()) for test in dict.fromkeys(tests)]


def changing_neurons(
    paths: Sequence[Path], column: str, versions: Versions, number: int, generator: np.random.Generator
) -> np.ndarray:
    """Read some of the run's neurons, drawn from all layers, without those that never change.

    Parameters
    ----------
    paths
        neurons.parquet of each version.
    column
        The column that is read.
    versions
        The versions, in the order of `paths`.
    number
        Largest number of neurons.
    generator
        Source of the draw of neurons.

    Returns
    -------
    np.ndarray
        [versions, neurons].

    Raises
    ------
    StudyError
        If versions or neurons are missing or do not match.
    """
    rows = make_rows(versions, "within")
    parts = []
    for batch in stream_batches(paths, [column]):
        values = batch.values[column]
        steps = rows.take(values)
        changing = np.isfinite(values).all(axis=0) & (
            np.abs(steps).max(axis=0, initial=0.0) > ROUNDING * np.abs(values).max(axis=0)
        )
        parts.append(values[:, changing])
    values = np.concatenate(parts, axis=1)
    chosen = generator.permutation(values.shape[1])[:number]
    return values[:, np.sort(chosen)]


def calibrate_world(world: str, outcomes: Outcomes, run: Run, settings: Neurons, seed: int) -> Iterator[dict[str, Any]]:
    """Simulate studies of one world and yield its rows of `NEURON_CALIBRATION`; none without neurons."""
    size, versions = settings.calibration, outcomes.versions
    if world == "own_neurons" and not run.neurons.shape[1]:
        return
    simulation = simulate(world, versions, run, size.studies, size.neurons, [seed, list(WORLDS).index(world)])
    for test in list_tests(settings):
        p_values = _p_values(simulation, test)
        yield _describe(world, "neuron", test) | _rates(p_values, significant(p_values, test.alpha), test.alpha)
    yield from _many_neurons_rows(world, outcomes.versions, run, settings, seed)
    schemes = resolve_schemes(settings.permutations.schemes, run.outcomes, versions, settings.alpha)
    for moves in schemes:
        yield from _scheme_rows(simulation, moves, settings, seed, whole=moves == schemes[0])
    if world in PLANTED_WORLDS:
        for effect in size.effects:
            yield from _power_rows(simulation, effect, settings)
        yield from _scheme_power_rows(simulation, schemes[0], max(size.effects, default=0.5), settings, seed)


def _describe(world: str, test: str, settings: Neurons, **others: object) -> dict[str, Any]:
    """Return the columns of a row that say what was simulated and tested."""
    keys = {name: getattr(settings, name) for name in Neurons.TEST_KEYS}
    return {"world": world, "test": test, **keys, "lags": str(settings.lags), "effect": 0.0} | others


def _many_neurons_rows(
    world: str, versions: Versions, run: Run, settings: Neurons, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield how often something is found in any neuron, and in the overlap of both sets, of as many as the run has."""
    own = run.neurons if run.many is None else run.many
    number = own.shape[1] or settings.calibration.neurons
    at_once = max(1, BLOCK // (number * len(versions.rounds)))
    studies = min(MANY_STUDIES, settings.calibration.studies)
    claims: dict[str, list[bool]] = {claim: [] for claim in (*ANY_NEURON.values(), INDEPENDENT_OVERLAP)}
    for start in range(0, studies, at_once):
        key = [seed, list(WORLDS).index(world), 1 + start]
        count = min(at_once, studies - start)
        simulation = simulate(world, versions, Run(own, run.outcomes), count, number, key)
        both = [_p_values(simulation, settings, outcome) for outcome in (0, 1)]
        for line in both[0][np.isfinite(both[0]).any(axis=1)]:
            for correction, claim in ANY_NEURON.items():
                claims[claim].append(significant(line, settings.alpha, correction).any())
        for pair in zip(*both, strict=True):
            sets = (significant(line, settings.alpha) for line in pair)
            shared = overlap(*sets, np.isfinite(pair).all(axis=0))
            if shared.population:
                claims[INDEPENDENT_OVERLAP].append(shared.p_overlap <= settings.alpha)
    for claim, found in claims.items():
        yield _describe(world, claim, settings) | share_of_studies(np.array(found), settings.alpha)


def _p_values(simulation: Simulation, settings: Neurons, outcome: int = 0) -> np.ndarray:
    """Test every neuron of every study on bias, or on quality: [studies, neurons]."""
    versions, studies, neurons = simulation.x.shape
    rows = make_rows(simulation.versions, settings.difference)
    repeated = np.repeat(simulation.y[outcome], neurons, axis=1)
    return regress(simulation.x.reshape(versions, -1), repeated, rows, settings).p_value.reshape(studies, -1)


def _rates(p_values: np.ndarray, found: np.ndarray, alpha: float) -> dict[str, Any]:
    """Compute how often neurons without an effect are found; both arrays are [studies, neurons]."""
    tested = np.isfinite(p_values)
    known = tested.any(axis=1)
    share = np.where(tested, found, False)[known].sum(axis=1) / tested[known].sum(axis=1)
    if not len(share):
        return {"studies": 0}
    low, high = np.quantile(share, [0.025, 0.975])
    rejected = float(share.mean())
    error = float(share.std(ddof=1) / np.sqrt(len(share))) if len(share) > 1 else 0.0
    return {
        "studies": len(share),
        "rejected": rejected,
        "standard_error": error,
        "rejected_low": float(low),
        "rejected_high": float(high),
        "valid": is_valid(rejected, error, alpha),
    }


def is_valid(rejected: float, error: float, level: float) -> bool:
    """Return whether a rate of rejections, with its Monte Carlo error, fits a test at a level (fractions)."""
    return rejected <= TOLERATED * level or rejected - MARGIN * error <= level


def _scheme_rows(
    simulation: Simulation, moves: Sequence[str], settings: Neurons, seed: int, *, whole: bool
) -> Iterator[dict[str, Any]]:
    """Yield how often the tests by permutation reject, and how often intervals miss the truth."""
    for claim, wrong in count_claims(simulation, moves, settings, seed, whole=whole).items():
        about = _describe(simulation.world, claim, settings, scheme="+".join(moves))
        yield about | share_of_studies(wrong, level_of(claim, settings.alpha))


def share_of_studies(rejected: np.ndarray, level: float) -> dict[str, Any]:
    """Return the share of the studies in which a claim is wrong, and whether that fits its level.

    Too few studies do not say whether it fits.
    """
    if not len(rejected):
        return {"studies": 0}
    from scipy.stats import binom

    wrong, studies = int(np.sum(rejected)), len(rejected)
    share = wrong / studies
    error = float(np.sqrt(share * (1 - share) / studies))
    # The standard error is 0 if all of few studies are wrong.
    chance = float(binom.sf(wrong - 1, studies, level))
    valid = share <= TOLERATED * level or chance > CLEARLY - 1e-12 if studies >= FEWEST_STUDIES else None
    return {"studies": studies, "rejected": share, "standard_error": error, "valid": valid}


def _power_rows(simulation: Simulation, effect: float, settings: Neurons) -> Iterator[dict[str, Any]]:
    """Plant effects on bias in a tenth of the neurons and compute what each criterion finds."""
    planted = max(1, int(PLANTED * simulation.x.shape[2]))
    p_values = _p_values(plant(simulation, [0], slice(0, planted), effect), settings)
    for correction in (None, *CORRECTIONS):
        found = np.array([significant(line, settings.alpha, correction) for line in p_values])
        false = found[:, planted:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        row = _describe(simulation.world, correction or "neuron", settings, effect=effect)
        row |= _rates(p_values[:, planted:], found[:, planted:], settings.alpha) | {"valid": None}
        yield row | {"power": float(found[:, :planted].mean()), "false_discovery": float(false.mean())}


def _scheme_power_rows(
    simulation: Simulation, moves: Sequence[str], effect: float, settings: Neurons, seed: int
) -> Iterator[dict[str, Any]]:
    """Plant the same or other neurons for the two outcomes and compute how often each test of a study finds it."""
    planted = max(1, int(PLANTED * simulation.x.shape[2]))
    first, second = slice(0, planted), slice(planted, 2 * planted)
    # Two sets without a common neuron have effects that correlate negatively over all neurons.
    share = planted / simulation.x.shape[2]
    apart = -share / (1 - share) if share < 1 else None
    for kind, both, truth in (
        ("same neurons", plant(simulation, [0, 1], first, effect), Truth(1.0, 1.0)),
        ("other neurons", plant(plant(simulation, [0], first, effect), [1], second, effect), Truth(apart, 0.0)),
    ):
        for claim, found in count_claims(both, moves, settings, seed, truth=truth).items():
            about = _describe(simulation.world, claim, settings, scheme="+".join(moves), effect=effect, planted=kind)
            if claim.startswith("interval"):
                if len(found):
                    yield about | share_of_studies(found, level_of(claim, settings.alpha))
            else:
                yield about | {"studies": len(found), "power": float(np.mean(found)) if len(found) else None}
