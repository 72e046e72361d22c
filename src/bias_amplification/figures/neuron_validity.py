"""Which tests of the neurons are not valid in the world that a run seems to be."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_CALIBRATION, NEURON_WORLD
from bias_amplification.neurons.calibrate import PLUGIN
from bias_amplification.neurons.describe import world_in_words

#: The simulated world made of the run itself.
OWN = "own_neurons"
#: For each scheme, the tests that are wrong too often and their rates; the scheme of the test of one neuron is "".
Invalid = Mapping[str, Mapping[str, float]]
ALL_VALID: Invalid = MappingProxyType({})
#: Names of the test of one neuron, with the study's own lags and with those of the plug-in rule.
ONE_NEURON, ONE_NEURON_PLUGIN = "neuron", "neuron, plug-in lags"
#: What the curve of the overlap claims.
OVERLAP_CLAIMS = (
    "ceilings of overlap",
    "overlap estimated above chance",
    "overlap estimated below chance",
    "interval of overlap",
)
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
        As `Invalid`: the tests and intervals that are not valid in the world of the run's own neurons or, if the run
        fits it, in the nearest other world, with the larger rate.
    """
    rows = _like_the_run(calibration, world)
    single = rows[rows["scheme"].isna() & rows["effect"].eq(0)].assign(scheme="")
    plugin = single[single["lags"].eq(PLUGIN)].assign(test=ONE_NEURON_PLUGIN)
    # The study's own tests are the first ones of a world.
    own = pd.concat([single, plugin]).drop_duplicates(["world", "test"])
    rows = pd.concat([rows[rows["scheme"].notna()], own])
    rows = rows[rows["valid"].eq(False)]
    worst = rows.groupby(["scheme", "test"], sort=False)["rejected"].max()
    invalid = {scheme: of.droplevel(0).to_dict() for scheme, of in worst.groupby(level=0, sort=False)}
    return {scheme: invalid.get(scheme, {}) for scheme in (*calibration["scheme"].dropna().unique(), "")}


def known_here(calibration: pd.DataFrame, world: pd.DataFrame) -> set[str]:
    """Return the tests by the first scheme of which it is known whether they are valid in worlds that are like a run.

    The parameters are those of `not_valid_here`.
    """
    rows = _like_the_run(calibration, world)
    first = calibration["scheme"].dropna().head(1)
    return set(rows.loc[rows["scheme"].isin(first) & rows["valid"].notna(), "test"])


def _like_the_run(calibration: pd.DataFrame, world: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the worlds that are like a run: of its own neurons, and of the nearest world if it fits."""
    return calibration[calibration["world"].isin({OWN, *world.loc[world["fits"].eq(True), "nearest"]})]


def read_invalid(calibration_file: Path, world_file: Path) -> dict[str, dict[str, float]]:
    """Read the tables of the calibration and return `not_valid_here`."""
    calibration, world = (
        read_table(path, schema).to_pandas()
        for path, schema in ((calibration_file, NEURON_CALIBRATION), (world_file, NEURON_WORLD))
    )
    return not_valid_here(calibration, world)


def one_neuron_in_words(invalid: Invalid) -> str:
    """Say that the test of one neuron is not valid here; an empty text if it is, or if nothing is known."""
    rate = invalid.get("", {}).get(ONE_NEURON)
    if rate is None:
        return ""
    return (
        f"Not valid here: in simulated studies like this run, the test of one neuron finds {100 * rate:.0f}% of the "
        "neurons that are not associated."
    )


def mark_single_tests(figure: Figure, invalid: Invalid, claims: Collection[str] = ()) -> Figure:
    """Write above a figure of single neurons' tests that they are not valid here, and the same of further claims."""
    texts = [one_neuron_in_words(invalid), further_claims_in_words(invalid, claims)]
    if any(texts):
        figure.suptitle("\n".join(filter(None, texts)), fontsize="small", fontstyle="italic", fontweight="normal")
    return figure


def further_claims_in_words(invalid: Invalid, claims: Collection[str] | None = None) -> str:
    """Say which claims about many neurons are not valid here, of those named or of all; an empty text if none."""
    wrong = {
        claim: rate
        for claim, rate in invalid.get("", {}).items()
        if claim != ONE_NEURON and (claims is None or claim in claims)
    }
    return f"Not valid here without permutations: {rates_in_words(wrong)}." if wrong else ""


def of_first_scheme(invalid: Invalid) -> Mapping[str, float]:
    """Return the tests that are not valid here, by the permutations that decide."""
    return next((tests for scheme, tests in invalid.items() if scheme), {})


def overlap_claims(tests: Mapping[str, float]) -> dict[str, float]:
    """Return the tests that are about the estimated overlap."""
    return {test: rate for test, rate in tests.items() if test in OVERLAP_CLAIMS}


def rates_in_words(tests: Mapping[str, float]) -> str:
    """Name tests with their rates."""
    return ", ".join(f"{test} ({100 * rate:.0f}%)" for test, rate in tests.items())


def validity_in_words(calibration: pd.DataFrame, world: pd.DataFrame) -> str:
    """Say in which world a run seems to be, and which of its tests by the first scheme are not valid there."""
    sentence = world_in_words(world)
    rows = _like_the_run(calibration, world)
    if not (rows["scheme"].notna() & rows["valid"].notna()).any():
        return f"{sentence} So it is not known whether the tests are valid here."
    invalid = not_valid_here(calibration, world)
    wrong = of_first_scheme(invalid)
    like = "like this run" if world["fits"].eq(True).all() else "with its own neurons"
    claim = f"Not valid here, because they are wrong too often in simulated studies {like}: {rates_in_words(wrong)}."
    if not wrong:
        claim = f"No test by the permutations that decide is clearly wrong too often in simulated studies {like}."
    return " ".join(filter(None, (sentence, claim, one_neuron_in_words(invalid), further_claims_in_words(invalid))))
