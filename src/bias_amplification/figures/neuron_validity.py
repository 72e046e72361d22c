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
        For each scheme the tests and intervals that are not valid in the world of the run's own neurons or in the
        nearest other world, with the larger rate.
    """
    rows = calibration[calibration["scheme"].notna() & calibration["valid"].eq(False)]
    rows = rows[rows["world"].isin({OWN, *world["nearest"]})]
    worst = rows.groupby(["scheme", "test"], sort=False)["rejected"].max()
    return {scheme: of.droplevel(0).to_dict() for scheme, of in worst.groupby(level=0, sort=False)}


def validity_in_words(calibration: pd.DataFrame, world: pd.DataFrame) -> str:
    """Say in which world a run seems to be, and which of its tests by the first scheme are not valid there."""
    sentence = world_in_words(world)
    schemes = calibration["scheme"].dropna()
    if schemes.empty or world[["between_rounds", "nearest"]].isna().any(axis=None):
        return f"{sentence} So it is not known whether the tests are valid here."
    wrong = not_valid_here(calibration, world).get(schemes.iloc[0], {})
    text = ", ".join(f"{test} ({100 * rate:.0f}%)" for test, rate in wrong.items())
    claim = f"Not valid here, because they are wrong too often in simulated studies like this run: {text}."
    if not wrong:
        claim = (
            "No test by permutation is wrong clearly more often than it should be in simulated studies like this run."
        )
    return f"{sentence} {claim}"
