"""What changed neurons do to bias and to text quality, beside what matched controls do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    INTERVENTION_CALIBRATION,
    INTERVENTION_CONDITIONS,
    INTERVENTION_EFFECTS,
    INTERVENTION_MISSING,
    INTERVENTION_UNITS,
    INTERVENTION_UNITS_MISSING,
    QUALITY,
    predictions,
)
from bias_amplification.artifacts.schemas.interventions import FROM_FILE
from bias_amplification.interventions.calibrate import DECIDING, Comparison, calibrate_comparisons
from bias_amplification.interventions.controls import FEATURES
from bias_amplification.interventions.place import family_p_values, inflation, place_among
from bias_amplification.measures.compare import OUTCOMES as LARGEST
from bias_amplification.measures.compare import stack_articles
from bias_amplification.measures.contrasts import Contrast, paired_contrast
from bias_amplification.measures.intervals import ALPHA
from bias_amplification.study.sections import BiasMeasure, Interventions, UnitSet

#: A change that single articles may have although none of those seen has it, as in `measures.compare`.
_SPAN = 1.0
#: More neurons than a layer has, to number all neurons of a model.
_WIDTH = 2**32


class ChangedVersion(NamedTuple):
    """A version that wrote with changed neurons, and its tables."""

    round: str
    replicate: int
    generation: int
    tracked_label: str
    """The label whose share or probability is the bias."""
    units: Path
    units_missing: Path
    conditions: Path
    predictions: Path
    quality: Path


class Compared(NamedTuple):
    """Tables that `compare_interventions` makes."""

    effects: Path
    """Schema `INTERVENTION_EFFECTS`; without rows if no set could be chosen."""
    missing: Path
    """The sets and sizes that could not be made (schema `INTERVENTION_MISSING`)."""
    calibration: Path
    """How often the comparisons are wrong in simulated studies (schema `INTERVENTION_CALIBRATION`)."""


class Key(NamedTuple):
    """What was changed."""

    set: str
    size: int
    action: str
    amount: float | None


@dataclass(frozen=True)
class Cell:
    """The effects of a set and of its controls on one outcome of one version."""

    values: np.ndarray
    """[1 + controls]: mean differences over articles; NaN if no article has the outcome in both texts."""
    differences: pd.Series
    """Differences under the set itself, by article."""
    before: float
    """Mean of the outcome without a change of neurons."""
    members: np.ndarray
    """[1 + controls, units], a number for each neuron."""
    features: np.ndarray
    """[1 + controls, units, features], the features of these neurons."""
    told: bool

    @property
    def spread(self) -> float:
        """Standard deviation of the controls' effects, 0 without any."""
        controls = self.values[1:]
        return float(np.nanstd(controls)) if np.isfinite(controls).any() else 0.0

    @property
    def differences_of_features(self) -> np.ndarray:
        """Standardised differences of the set from its controls, [features]."""
        return self.features[0].mean(axis=0) - self.features[1:].mean(axis=(0, 1))


#: The cells of one version or of several, by what was changed and by outcome.
Group = dict[tuple[Key, str], list[Cell]]


def compare_interventions(
    versions: Sequence[ChangedVersion],
    out: Compared,
    interventions: Interventions,
    labels: Sequence[str],
    bias: BiasMeasure,
    quality: str,
    seed: int,
) -> None:
    """Write the effects of all sets beside those of their controls, and how often such comparisons are wrong.

    Parameters
    ----------
    versions
        The changed versions.
    out
        The tables to write.
    interventions
        `sets` and `chosen_on`.
    labels
        The study's labels.
    bias
        The measure of bias.
    quality
        The study's text quality index: the column "quality" or "quality_weighted" of `QUALITY`.
    seed
        Of the simulated studies.

    Raises
    ------
    StudyError
        If tables do not have the same conditions and articles.
    """
    cells = [read_cells(version, labels, bias, quality) for version in versions]
    # Of several versions, conclusions are about all of them together: single ones are for description.
    alone = len(versions) == 1
    groups: list[tuple[dict[str, Any], Group]] = [
        (_of_version(version), {key: [replace(cell, told=cell.told and alone)] for key, cell in found.items()})
        for version, found in zip(versions, cells, strict=True)
    ]
    if not alone:
        groups.append(({}, over_versions(cells, mean_size=interventions.criterion == "significant")))
    chosen_on = interventions.chosen_on
    chosen_on = chosen_on if isinstance(chosen_on, str) else ", ".join(chosen_on)
    about = {
        one.name: {"expected": expected_outcome(one), "chosen_on": FROM_FILE if one.file else chosen_on}
        for one in interventions.sets
    }
    largest = {"bias": LARGEST[bias], "quality": LARGEST["quality"]}
    # Conclusions are about the last group: all versions together, or the only one.
    calibration = calibrate_comparisons(list_tests(groups[-1][1]), seed)
    valid = all(row["valid"] for row in calibration if row["claim"] == "family" and row["world"] in DECIDING)
    rows = [version | about[row["set"]] | row for version, group in groups for row in list_effects(group, largest)]
    for row in rows:
        row["valid"] = valid if row["told"] and row["p_family"] is not None else None
    missing = [
        _of_version(version) | row
        for version in versions
        for row in read_table(version.units_missing, INTERVENTION_UNITS_MISSING).to_pylist()
    ]
    tables = (rows, INTERVENTION_EFFECTS), (missing, INTERVENTION_MISSING), (calibration, INTERVENTION_CALIBRATION)
    for path, (lines, schema) in zip(out, tables, strict=True):
        write_table(pa.Table.from_pylist(lines, schema=schema), path, schema)


def _of_version(version: ChangedVersion) -> dict[str, Any]:
    return {"round": version.round, "replicate": version.replicate, "generation": version.generation}


def list_tests(group: Group) -> list[Comparison]:
    """List the comparisons of a group that conclusions are about, as simulated studies need them."""
    return [
        Comparison(
            outcome,
            [cell.members for cell in group[key, outcome]],
            [cell.features for cell in group[key, outcome]],
            [cell.spread for cell in group[key, outcome]],
            _inflation(group[key, outcome]),
            _step(group[key, outcome]),
        )
        for key, outcome in _family(group)
    ]


def _family(group: Group) -> list[tuple[Key, str]]:
    """List the comparisons that conclusions are about and that have a value."""
    return [key for key, cells in group.items() if cells[0].told and all(np.isfinite(cell.values[0]) for cell in cells)]


def expected_outcome(one: UnitSet) -> str | None:
    """Return the outcome on which a set is expected to act: "bias", "quality" or "both"; None: on none."""
    return one.outcome.removesuffix("_only") if one.outcome else one.helps


def read_cells(
    version: ChangedVersion, labels: Sequence[str], bias: BiasMeasure, quality: str
) -> dict[tuple[Key, str], Cell]:
    """Read the effects of all sets in one version, for each change and outcome.

    Parameters
    ----------
    version
        The version and its tables.
    labels, bias, quality
        As for `compare_interventions`.

    Raises
    ------
    StudyError
        If tables do not have the same conditions and articles.
    """
    conditions = read_table(version.conditions, INTERVENTION_CONDITIONS).to_pandas()
    units = read_table(version.units, INTERVENTION_UNITS).to_pandas()
    classified = read_table(version.predictions, predictions(labels)).to_pandas()
    scored = read_table(version.quality, QUALITY, ["article_id", quality]).to_pandas()
    label = version.tracked_label
    classified["share"] = (classified["predicted"] == label).astype(float).where(classified["predicted"].notna())
    classified["mean_probability"] = classified[f"probability_{label}"]
    tables = {
        "bias": _by_condition(classified, bias, len(conditions), version.predictions),
        "quality": _by_condition(scored, quality, len(conditions), version.quality),
    }
    units["unit"] = units["layer"].astype(np.int64) * _WIDTH + units["neuron"]
    of_set = dict(list(units.groupby(["set", "size"], sort=False)))
    first_size = {name: size for name, size in reversed(of_set)}
    first_change: dict[str, tuple] = {}
    found: dict[tuple[Key, str], Cell] = {}
    changed = conditions.iloc[1:].sort_values("control", kind="stable")  # so the sets themselves are first
    for key, rows in changed.groupby(list(Key._fields), sort=False, dropna=False):
        name, size, action, amount = key
        own = of_set[name, size]
        change = action, None if np.isnan(amount) else amount
        told = size == first_size[name] and change == first_change.setdefault(name, change)
        by_control = own.sort_values("control", kind="stable")
        members = by_control["unit"].to_numpy().reshape(-1, int(size))
        features = by_control[list(FEATURES)].to_numpy().reshape(*members.shape, len(FEATURES))
        for outcome, table in tables.items():
            differences = table.loc[rows["condition"]] - table.loc[0]
            found[Key(name, int(size), *change), outcome] = Cell(
                differences.mean(axis=1).to_numpy(),
                differences.iloc[0],
                float(table.loc[0].mean()),
                members,
                features,
                told,
            )
    return found


def _by_condition(table: pd.DataFrame, column: str, conditions: int, path: Path) -> pd.DataFrame:
    """Return an outcome with a row for each condition and a column for each article."""
    names = table["article_id"].str.split("/", n=1, expand=True)
    wide = table.assign(condition=names[0].astype(int), article=names[1]).pivot(
        index="condition", columns="article", values=column
    )
    if list(wide.index) != list(range(conditions)) or wide.size != len(table):
        raise StudyError(
            f"{path} does not have the same articles under each of the {conditions} conditions of conditions.parquet "
            "beside it: delete both and run snakemake again."
        )
    return wide.astype(np.float64)


def over_versions(cells: Sequence[Mapping[tuple[Key, str], Cell]], *, mean_size: bool) -> Group:
    """Put the cells of several versions with the same change and outcome together.

    If versions tell of different sizes of a set, together they tell of the one that most of them tell of, and of
    equals, have. With `mean_size`, a set that has one size in each version has their mean: sets of all significant
    neurons.
    """
    sizes: dict[str, list[set[int]]] = {}
    for found in cells:
        for name in dict.fromkeys(key.set for key, _ in found):
            sizes.setdefault(name, []).append({key.size for key, _ in found if key.set == name})
    mean = {
        name: round(np.mean([one for (one,) in own]))
        for name, own in sizes.items()
        if mean_size and all(len(s) == 1 for s in own)
    }
    group: Group = {}
    for found in cells:
        for (key, outcome), cell in found.items():
            group.setdefault((key._replace(size=mean.get(key.set, key.size)), outcome), []).append(cell)
    votes: dict[str, dict[Key, tuple[int, int]]] = {}
    for (key, _), own in group.items():
        votes.setdefault(key.set, {})[key] = sum(cell.told for cell in own), len(own)
    most = {name: max(own, key=own.get) for name, own in votes.items()}
    return {
        (key, outcome): [replace(cell, told=key == most[key.set]) for cell in own]
        for (key, outcome), own in group.items()
    }


def list_effects(group: Group, largest: Mapping[str, float]) -> list[dict[str, Any]]:
    """Compare each set with its controls.

    Parameters
    ----------
    group
        The cells of one version or of several.
    largest
        Largest difference of each outcome.

    Returns
    -------
    list of dict
        Rows of `INTERVENTION_EFFECTS` without the version, `chosen_on`, `expected` and `valid`.
    """
    values = {key: np.mean([cell.values for cell in cells], axis=0) for key, cells in group.items()}
    factor = {key: _inflation(cells) for key, cells in group.items()}
    steps = {key: _step(cells) for key, cells in group.items()}
    family = _family(group)
    p_family: dict = {}
    smallest = 1.0
    if family:
        together = np.stack([values[key] for key in family])
        found = family_p_values(together, *(np.array([numbers[key] for key in family]) for numbers in (factor, steps)))
        p_family = dict(zip(family, found, strict=True))
        smallest = 1 / max(np.isfinite(together).all(axis=0).sum(), 1)
    rows = []
    for key, cells in group.items():
        change, outcome = key
        told, contrast = cells[0].told, _contrast(cells)
        place = place_among(values[key], factor[key], steps[key], tests=len(family) if told else 1)
        if told:
            place = place._replace(smallest_p=smallest, detectable=place.detectable if smallest <= ALPHA else np.nan)
        effect = {
            "effect": contrast.estimate,
            "effect_low": max(contrast.low, -largest[outcome]),
            "effect_high": min(contrast.high, largest[outcome]),
            "before": np.mean([cell.before for cell in cells]),
            "inflation": factor[key],
            "standardised_difference": np.abs(np.mean([c.differences_of_features for c in cells], axis=0)).max(),
            "p_family": p_family.get(key, np.nan),
        }
        numbers = effect | place._asdict()
        numbers |= {"specific_low": numbers.pop("low"), "specific_high": numbers.pop("high")}
        known = {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
        about = {"outcome": outcome, "articles": contrast.articles, "versions": len(cells), "told": told}
        rows.append(change._asdict() | about | known | {"controls": place.controls})
    return rows


def _contrast(cells: Sequence[Cell]) -> Contrast:
    """Return the mean difference over articles, and over versions if there are several."""
    return paired_contrast(*stack_articles([cell.differences for cell in cells]), _SPAN)


def _step(cells: Sequence[Cell]) -> float:
    """Return the change of an effect if one article changes."""
    return _SPAN / max(_contrast(cells).articles * len(cells), 1)


def _inflation(cells: Sequence[Cell]) -> float:
    return inflation([cell.members for cell in cells], [cell.spread for cell in cells])
