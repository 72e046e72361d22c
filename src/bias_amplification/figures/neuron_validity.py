"""Which tests of the neurons are not valid in the world that a run seems to be."""

import pandas as pd

from bias_amplification.neurons.describe import world_in_words

#: The simulated world made of the run itself.
OWN = "own_neurons"
#: The rows of the calibration that belong to a panel or column.
TESTS_OF = {
    "bias": ("count of bias",),
    "quality": ("count of quality",),
    "both": ("count of both",),
    "matched": ("overlap alike", "overlap distinct"),
    "rank_agreement": ("ranks agree",),
    "same_sign": ("signs agree",),
    "bias_familywise": ("family-wise, bias",),
    "quality_familywise": ("family-wise, quality",),
}


def not_valid_here(calibration: pd.DataFrame, world: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Find the tests that reject too often in the simulated worlds that are like a run.

    Parameters
    ----------
    calibration
        As in `artifacts.schemas.NEURON_CALIBRATION`.
    world
        As in `artifacts.schemas.NEURON_WORLD`.

    Returns
    -------
    dict
        For each scheme ("" for single neurons, by the study's own test) the tests whose rate is above 8% in the world
        of the run's own neurons or in the nearest other world, with the larger rate.
    """
    here = {OWN, *world["nearest"]}
    own = calibration.iloc[0] if len(calibration) else {}
    found: dict[str, dict[str, float]] = {}
    for row in calibration[calibration["world"].isin(here) & calibration["valid"].eq(False)].to_dict("records"):
        scheme = row["scheme"] or ""
        keys = ("difference", "lags", "reference", "small_sample", "fixed_effects")
        if scheme or all(row[key] == own[key] for key in keys):
            tests = found.setdefault(scheme, {})
            tests[row["test"]] = max(tests.get(row["test"], 0.0), row["rejected"])
    return found


def validity_in_words(calibration: pd.DataFrame, world: pd.DataFrame) -> str:
    """Say in which world a run seems to be, and which of its tests by the first scheme are not valid there."""
    sentence = world_in_words(world)
    schemes = calibration["scheme"].dropna()
    if schemes.empty or world["between_rounds"].isna().any() or "neurons" not in set(world["of"]):
        return f"{sentence} So it is not known whether the tests are valid here."
    found = not_valid_here(calibration, world)
    wrong = found.get(schemes.iloc[0], {})
    text = ", ".join(f"{test} ({100 * rate:.0f}%)" for test, rate in wrong.items())
    claim = f"Not valid here, because they are wrong in more than 8% of simulated studies like this run: {text}."
    if not wrong:
        claim = "No simulated test by permutation is wrong in clearly more than 8% of studies like this run."
    return f"{sentence} {claim}"
