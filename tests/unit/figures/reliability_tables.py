"""A table of whether associations of neurons reproduce, for the tests of figures, tables and the page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_amplification.artifacts.schemas import NEURON_RELIABILITY
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
