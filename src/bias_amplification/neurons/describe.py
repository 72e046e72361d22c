"""In which of the simulated worlds a run seems to be: what its steps have in common over rounds and generations."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.panel import OUTCOMES
from bias_amplification.neurons.worlds import WORLDS, Run, Simulation, grid_steps, persistence_of, simulate

#: What is computed of the steps of an outcome, or on average of the neurons.
#:
#: between_rounds  mean correlation of two rounds' steps, not centred
#: scale_ratio     largest root mean square step of a round over the smallest one
#: early_ratio     root mean square step of the first third of the generations over that of the last third
#: drift           share of the steps' sum of squares that the rounds' mean steps explain
#: persistence     correlation of a step with the one before it in the round, after means of rounds and generations are
#:                 subtracted; -0.1 or so without persistence
FACTS = ("between_rounds", "scale_ratio", "early_ratio", "drift", "persistence")

#: Simulated studies of each world with which a run is compared.
STUDIES = 40


def describe_world(versions: Versions, run: Run, seed: int = 0) -> list[dict[str, Any]]:
    """Describe the steps of a run, and name the simulated world that is most like them.

    Parameters
    ----------
    versions
        The versions of the run.
    run
        Its neurons and outcomes.
    seed
        Seed of the simulated studies.

    Returns
    -------
    list of dict
        Rows of `NEURON_WORLD`: one for each outcome, and one for the neurons. The same in all rows are `nearest`, the
        world in whose simulated studies the run's facts are most likely, or None if too little changes; `distance`,
        their mean squared distance from those of the studies, in standard deviations; and `fits`, whether at least 5%
        of that world's own studies are as far away.
    """
    with warnings.catch_warnings():
        # Means of nothing are NaN, which is what is wanted here.
        warnings.simplefilter("ignore", RuntimeWarning)
        return _describe(versions, run, seed)


def _describe(versions: Versions, run: Run, seed: int) -> list[dict[str, Any]]:
    own = {name: _facts(values, versions) for name, values in _parts(run.neurons, run.outcomes)}
    found: dict[str, tuple[float, float, bool]] = {}
    for number, world in enumerate(name for name in WORLDS if name != "own_neurons"):
        simulation = simulate(world, versions, run, STUDIES, max(2, run.neurons.shape[1]), [seed, number])
        studies = [_of_study(simulation, study, versions) for study in range(STUDIES)]
        distance, likelihood = _compare(own, studies)
        # Each study is compared with the others, as the run is.
        of_studies = [_compare(one, [*studies[:k], *studies[k + 1 :]])[0] for k, one in enumerate(studies)]
        if np.isfinite(distance):
            found[world] = likelihood, distance, bool(distance <= np.nanquantile(of_studies, 0.95))
    nearest = min(found, key=lambda world: found[world][0], default=None)
    common = {"nearest": nearest, "distance": None, "fits": None}
    if nearest:
        common |= {"distance": found[nearest][1], "fits": found[nearest][2]}
    return [
        {"of": name, **{key: None if np.isnan(value) else value for key, value in facts.items()}, **common}
        for name, facts in own.items()
    ]


def _parts(neurons: np.ndarray, outcomes: Any) -> list[tuple[str, np.ndarray]]:
    parts = [(name, values[:, None]) for name, values in zip(OUTCOMES, outcomes, strict=True)]
    return [*parts, ("neurons", neurons)] if neurons.shape[1] else parts


def _of_study(simulation: Simulation, study: int, versions: Versions) -> dict[str, dict[str, float]]:
    parts = _parts(simulation.x[:, study], simulation.y[:, :, study])
    return {name: _facts(values, versions) for name, values in parts}


def _compare(own: Mapping[str, Mapping[str, float]], studies: list[dict[str, dict[str, float]]]) -> tuple[float, float]:
    """Compare a run with simulated studies.

    Returns
    -------
    distance : float
        Mean squared distance from the studies' mean, in standard deviations; infinite if nothing is known.
    likelihood : float
        The same with the logarithm of the variance added: -2 times the mean logarithm of a normal density, but for a
        constant. A world whose studies differ much from one another is near to everything, but makes nothing likely.
    """
    squares, spreads = [], []
    for name, facts in own.items():
        for key, value in facts.items():
            simulated = np.array([study[name][key] for study in studies])
            # The ratios are positive and skewed.
            one, many = (np.log(value), np.log(simulated)) if key.endswith("ratio") else (value, simulated)
            variance = max(float(np.nanvar(many)), 1e-4)
            square = np.square(one - np.nanmean(many)) / variance
            if np.isfinite(square):
                squares.append(min(float(square), 100.0))
                spreads.append(np.log(variance))
    if not squares:
        return np.inf, np.inf
    return float(np.mean(squares)), float(np.mean(squares) + np.mean(spreads))


def _facts(values: np.ndarray, versions: Versions) -> dict[str, float]:
    """Compute the facts of [versions, columns] values, means over columns; NaN if unknown."""
    chain = np.unique(versions.rounds, return_inverse=True)[1]
    steps, chains = grid_steps(values, chain, np.asarray(versions.generations))
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.nanmean(np.square(steps), axis=1))  # [chains, columns]
        moving = (scale > 0).all(axis=0)
        if not moving.any() or steps.shape[1] < 3:
            return dict.fromkeys(FACTS, np.nan)
        steps, scale = steps[:, :, moving], scale[:, moving]
        scaled = np.nan_to_num(steps / scale[:, None])
        count = steps.shape[1]
        # The mean over pairs of rounds, from the sum over all rounds.
        total = (np.square(scaled.sum(axis=0)).sum(axis=0) - chains * count) / (count * max(1, chains * (chains - 1)))
        third = max(1, count // 3)
        squares = np.nanmean(np.square(steps), axis=0)  # [generations, columns]
        drift = np.square(np.nanmean(steps, axis=1)).sum(axis=0) / np.square(scale).sum(axis=0)
        return {
            "between_rounds": float(total.mean()) if chains > 1 else np.nan,
            "scale_ratio": float(np.median(scale.max(axis=0) / scale.min(axis=0))),
            "early_ratio": float(np.sqrt(np.nanmedian(squares[:third].mean(axis=0) / squares[-third:].mean(axis=0)))),
            "drift": float(drift.mean()),
            "persistence": float(np.nanmean(persistence_of(steps))),
        }


def world_in_words(world: Any) -> str:
    """Say what a run's steps have in common, and which simulated world is most like them.

    Parameters
    ----------
    world
        A data frame of `NEURON_WORLD`.
    """
    rows = world.set_index("of")
    if "neurons" not in rows.index or rows["nearest"].isna().any():
        return "Too few neurons, rounds or generations change to say which simulated world this run is like."
    nearest = str(rows["nearest"].iloc[0])
    words = {"bias": "bias", "quality": "text quality", "neurons": "the neurons"}

    def each(column: str, digits: int) -> str:
        parts = [
            f"{rows.loc[name, column]:.{digits}f} for {text}"
            for name, text in words.items()
            if name in rows.index and rows.loc[name, column] == rows.loc[name, column]  # not NaN
        ]
        return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + "".join(parts[-1:])

    facts = {
        "changes of two rounds into the same generation correlate": each("between_rounds", 2),
        "the largest movement of a round over the smallest is": each("scale_ratio", 1),
        "the size of first changes over that of last ones is": each("early_ratio", 1),
    }
    sentence = "; ".join(f"{text} {values}" for text, values in facts.items() if values)
    sentence = f"{sentence[0].upper()}{sentence[1:]}."
    named = f"'{nearest.replace('_', ' ')}' ({WORLDS[nearest]})"
    if rows["fits"].iloc[0]:
        sentence += f" Of the simulated worlds, this run is most like {named}."
    else:
        sentence += f" No simulated world is like this run; the nearest is {named}."
    return sentence
