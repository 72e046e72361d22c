"""Invented effects of changed neurons."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_amplification.artifacts.schemas import (
    INTERVENTION_CALIBRATION,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
)


def missing(*sets: tuple[str, float, str], **columns: Any) -> pd.DataFrame:
    """Return the table of sets that could not be made: names, sizes (NaN: unknown) and reasons."""
    version = {"round": "first", "replicate": 1, "generation": 10} | columns
    rows = [version | {"set": name, "size": size, "reason": reason} for name, size, reason in sets]
    return pd.DataFrame(rows, columns=INTERVENTION_MISSING.names)


def calibration(rejected: Sequence[float] = (0.047, 0.053), valid: bool = True) -> pd.DataFrame:
    """Invent how often comparisons are wrong in two worlds of simulated studies."""
    rows = []
    for world, rate in zip(("independent", "half_explained"), rejected, strict=True):
        for claim, level in (("comparison", 0.05), ("interval", 0.05), ("family", 0.05)):
            row = {"world": world, "comparisons": 4, "claim": claim, "level": level, "studies": 1000}
            row |= {"rejected": rate if claim == "family" else 0.04, "standard_error": 0.007}
            rows.append(row | {"valid": valid or claim != "family"})
    return pd.DataFrame(rows, columns=INTERVENTION_CALIBRATION.names)


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
            row |= {"specific_low": -0.3, "specific_high": 0.12, "p_value": 1 / 21, "standardised_difference": 0.1}
            row |= {"p_family": 1 / 21 if acts else 0.4, "smallest_p": 1 / 21, "detectable": 0.15, "valid": True}
            rows.append(row | columns)
    return pd.DataFrame(rows)
