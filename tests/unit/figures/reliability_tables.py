"""Small tables of the neurons' analysis, for the tests of figures, tables and the page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_amplification.artifacts.schemas import NEURON_CALIBRATION, NEURON_OVERLAP_CURVE, NEURON_RELIABILITY
from bias_amplification.neurons.reliability import KEYS


def make_reliability(changed: Mapping[tuple[str, str, str, str], Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Return a table in which nothing is told from chance, with some rows changed.

    Rows are named by measure, statistic, source and target.
    """
    rows = []
    for measure in ("weight", "activation"):
        for statistic, source, target in KEYS:
            row = dict.fromkeys(NEURON_RELIABILITY.names)
            row |= {"measure": measure, "statistic": statistic, "source": source, "target": target}
            row |= {"by": "rounds", "units": 6, "splits": 10, "centre": "both", "neurons": 1288, "alpha": 0.05}
            row |= {"value": 0.1, "value_low": -0.05, "value_high": 0.25, "reproduces": False}
            row |= {"chance": 0.04, "chance_low": -0.2, "chance_high": 0.3, "p_value": 0.4, "smallest_p": 0.002}
            row |= {"permutations": 1024, "chosen": 100 if statistic == "prediction" else None}
            rows.append(row | dict((changed or {}).get((measure, statistic, source, target), {})))
    return pd.DataFrame(rows)


def make_calibration(rejected: float = 0.04) -> pd.DataFrame:
    """Return rates of two tests in two worlds; the count of bias rejects as often as said in the run's own world."""
    rows = []
    for world in ("random_walks", "own_neurons"):
        for scheme, test in ((None, "neuron"), ("flip_generations", "count of bias"), ("exchange", "count of bias")):
            row = dict.fromkeys(NEURON_CALIBRATION.names)
            row |= {"world": world, "test": test, "scheme": scheme, "difference": "within", "lags": "1"}
            row |= {"reference": "t", "fixed_effects": "both", "small_sample": True, "effect": 0.0, "studies": 100}
            rate = rejected if (world, scheme) == ("own_neurons", "flip_generations") else 0.05
            rows.append(row | {"rejected": rate, "standard_error": 0.02, "valid": rate <= 0.08})
    return pd.DataFrame(rows)


def make_world(nearest: str = "random_walks") -> pd.DataFrame:
    """Return the description of a run."""
    facts = {"between_rounds": 0.1, "scale_ratio": 2.0, "early_ratio": 1.5, "drift": 0.1, "persistence": -0.1}
    facts |= {"nearest": nearest, "distance": 0.9, "fits": True}
    return pd.DataFrame([{"of": name, **facts} for name in ("bias", "quality", "neurons")])


def make_curve() -> pd.DataFrame:
    """Return the overlap of sets of one size in studies that see nothing."""
    rows = []
    for measure in ("weight", "activation"):
        row = dict.fromkeys(NEURON_OVERLAP_CURVE.names)
        row |= {"measure": measure, "scheme": "flip_generations", "complete": True, "permutations": 512}
        row |= {"tested": 1288, "size": 100, "splits": 10, "visible": True, "share": 0.1, "chance": 0.08}
        row |= {"by": "rounds", "halves": 0.09, "halves_common": 0.3, "halves_distinct": 0.05, "chance_by_layer": 0.08}
        row |= {"estimate": 0.2, "estimate_low": 0.0, "estimate_high": 0.6}
        rows.append(row)
    return pd.DataFrame(rows)
