"""Invented effects of changed neurons."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_amplification.artifacts.schemas import INTERVENTION_EFFECTS


def effects(
    acting: Sequence[tuple[str, str]] = (), sets: Sequence[str] = ("bias", "quality"), **columns: Any
) -> pd.DataFrame:
    """Invent effects that are told of; `acting` has the sets and outcomes that are told from controls.

    Parameters
    ----------
    acting
        Pairs of a set and an outcome.
    sets
        Names of sets.
    columns
        Columns of all rows.
    """
    rows = []
    for name in sets:
        for outcome in ("bias", "quality"):
            acts = (name, outcome) in acting
            row = dict.fromkeys(INTERVENTION_EFFECTS.names) | {"round": "first", "replicate": 1, "generation": 10}
            row |= {"set": name, "expected": name, "action": "restore base", "chosen_on": "others", "size": 10}
            row |= {"outcome": outcome, "articles": 48, "versions": 1, "controls": 20, "told": True, "amount": np.nan}
            row |= {"effect": -0.2 if acts else 0.01, "controls_mean": 0.004, "specific": -0.204 if acts else 0.006}
            row |= {"specific_low": -0.3, "specific_high": 0.12, "p_value": 1 / 21, "imbalance": 0.1}
            row |= {"p_family": 1 / 21 if acts else 0.4, "smallest_p": 1 / 21, "seen": 0.15}
            rows.append(row | columns)
    return pd.DataFrame(rows)
