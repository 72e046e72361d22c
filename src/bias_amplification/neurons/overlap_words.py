"""What the estimated overlap of the two outcomes' neurons says, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_amplification.neurons.halves import FEWEST_ROUNDS
from bias_amplification.neurons.overlap_curve import NOTHING_TESTED, TOO_FEW_PERMUTATIONS, TOO_FEW_ROUNDS

if TYPE_CHECKING:
    import pandas as pd

#: The sets that are told of are those whose size is closest to this share of the tested neurons. A fixed choice keeps
#: the sentence from telling of the size with the most striking result.
TOLD = 0.1

_MEASURES = {"weight": "Weights", "activation": "Activations"}
_OUTCOMES = {"bias": "bias", "quality": "text quality"}


def overlap_in_words(curve: pd.DataFrame) -> dict[str, str]:
    """Say for each measure which share of the two outcomes' neurons is common, and what could have been seen.

    Parameters
    ----------
    curve
        As in `artifacts.schemas.NEURON_OVERLAP_CURVE`.

    Returns
    -------
    dict of str to str
        Two to four sentences for each measure, about the sets whose size is closest to a tenth of the tested neurons.
    """
    found = {}
    for measure, rows in curve.groupby("measure", sort=False):
        far = (rows["size"].astype(float) - TOLD * rows["tested"]).abs().fillna(0)
        found[str(measure)] = f"{_MEASURES[str(measure)]}: {_size_in_words(rows.loc[far.idxmin()].to_dict())}"
    return found


def _size_in_words(row: dict[str, Any]) -> str:
    if row["reason"] == NOTHING_TESTED:
        return f"no overlap can be estimated, because {NOTHING_TESTED}."
    size = f"{row['size']:,.0f}"
    found = (
        f"In all rounds together, the sets have {_per_cent(row['share'])} in common, and unrelated sets would have "
        f"{_per_cent(row['chance'])}."
    )
    if row["reason"] == TOO_FEW_ROUNDS:
        return (
            f"how many of their {size} strongest neurons bias and text quality have in common cannot be estimated, "
            f"because it takes {FEWEST_ROUNDS} rounds, or two replicates of every round, with both outcomes. {found}"
        )
    if not row["visible"]:
        return (
            f"how many of their {size} strongest neurons bias and text quality have in common cannot be estimated. "
            f"{_noise_in_words(row)} So every share from 0 to 100% fits. {found} With this much noise, that is no "
            "evidence for or against common neurons."
        )
    interval = f"{_per_cent(row['estimate_low'])} to {_per_cent(row['estimate_high'])}"
    return (
        f"of the {size} neurons most strongly associated with bias, an estimated {_per_cent(row['estimate'])} (95% "
        f"interval {interval}) are also among the {size} most strongly associated with text quality. Unrelated sets "
        f"would have {_per_cent(row['chance'])} in common. {_interval_in_words(row)} Between halves of the {row['by']} "
        f"the two sets have {_per_cent(row['halves'])} in common; with the noise of this study, the same neurons would "
        f"give {_per_cent(row['halves_common'])} and different neurons {_per_cent(row['halves_distinct'])}."
    )


def _noise_in_words(row: dict[str, Any]) -> str:
    """Say which outcome's sets are not found again in the other half, with numbers."""
    by = row["by"]
    if row["reason"] == TOO_FEW_PERMUTATIONS:
        return f"There are too few permutations to tell whether neurons are found again in the other half of the {by}."
    worst = max(_OUTCOMES, key=lambda outcome: row[f"p_ceiling_{outcome}"])
    share, low, high = (_per_cent(row[f"ceiling_{worst}{end}"]) for end in ("", "_low", "_high"))
    return (
        f"The neurons of {_OUTCOMES[worst]} in one half of the {by} are not found again in the other half more often "
        f"than by chance: {share} of them are, by chance {low} to {high} (p = {row[f'p_ceiling_{worst}']:.3g})."
    )


def _interval_in_words(row: dict[str, Any]) -> str:
    """Say what the interval excludes."""
    low, high, chance = row["estimate_low"], row["estimate_high"], row["chance"]
    if low > chance:
        return "So more neurons are common than by chance."
    if high < chance:
        return "So fewer neurons are common than by chance."
    if low <= 0 and high >= 1:
        return "Every share fits, so the study cannot tell common neurons from different ones."
    excluded = [f"below {_per_cent(low)}"] * (low > 0) + [f"above {_per_cent(high)}"] * (high < 1)
    return (
        "The interval includes what unrelated sets would have, so the study cannot tell whether more or fewer are "
        f"common than by chance; shares {' and '.join(excluded)} do not fit."
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f}%"
