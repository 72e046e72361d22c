"""Invented tables of interventions, of which the effects are known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import (
    INTERVENTION_CONDITIONS,
    INTERVENTION_UNITS,
    INTERVENTION_UNITS_MISSING,
    QUALITY,
    predictions,
)
from bias_amplification.interventions.effects import ChangedVersion

LABELS = ("red", "blue")
CONTROLS = 19
#: Features of every neuron of a set, and of every neuron of a control.
OF_SET, OF_CONTROLS = (0.5, -1.0, 0.25), (0.25, -0.25, 0.25)


def units_of(sets: Mapping[str, Sequence[int]], first: int = 0) -> pa.Table:
    """Return the units of sets with these sizes: no neuron is in two sets or controls."""
    rows, place = [], first
    for name, sizes in sets.items():
        for size in sizes:
            for control in range(CONTROLS + 1):
                features = OF_CONTROLS if control else OF_SET
                for _ in range(size):
                    row = {"set": name, "size": size, "control": control, "layer": place % 2, "neuron": place // 2}
                    names = INTERVENTION_UNITS.names[-3:]
                    rows.append(row | dict(zip(names, features, strict=True)))
                    place += 1
    return pa.Table.from_pylist(rows, INTERVENTION_UNITS)


def missing_of(sets: Sequence[tuple[str, int, str]]) -> pa.Table:
    """List sets that could not be made, with sizes and reasons."""
    names = INTERVENTION_UNITS_MISSING.names
    return pa.Table.from_pylist([dict(zip(names, one, strict=True)) for one in sets], INTERVENTION_UNITS_MISSING)


def conditions_of(units: pa.Table, actions: Sequence[tuple[str, float | None]]) -> pa.Table:
    """List the conditions as `write.list_conditions` does: sizes ascending."""
    found = units.select(["set", "size", "control"]).to_pandas().drop_duplicates()
    names = list(dict.fromkeys(found["set"]))
    ordered = sorted(found.itertuples(index=False), key=lambda one: (names.index(one.set), one.size, one.control))
    rows: list[dict[str, Any]] = [{"condition": 0}]
    for one in ordered:
        for action, amount in actions:
            rows.append({"condition": len(rows), **one._asdict(), "action": action, "amount": amount})
    return pa.Table.from_pylist(rows, INTERVENTION_CONDITIONS)


def write_version(
    folder: Path,
    *,
    sets: Mapping[str, Sequence[int]],
    actions: Sequence[tuple[str, float | None]] = (("restore base", None),),
    planted: Mapping[tuple[str, str], float] | None = None,
    articles: int = 12,
    seed: int = 0,
    name: tuple[str, int, int] = ("first", 1, 3),
    missing: bool = False,
    missing_sets: Sequence[tuple[str, int, str]] = (),
) -> ChangedVersion:
    """Write the tables of a version.

    Parameters
    ----------
    planted
        Effects of sets themselves, by set and outcome.
    missing
        Whether some texts have no label and no sentence.
    missing_sets
        Names, sizes and reasons of sets that could not be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    units = units_of(sets)
    conditions = conditions_of(units, actions)
    table = conditions.to_pandas()
    own = table["control"].eq(0).to_numpy()
    shape = (len(table), articles)
    shift = {
        outcome: sum(
            (own & table["set"].eq(one).to_numpy()) * effect
            for (one, acted), effect in (planted or {}).items()
            if acted == outcome
        )
        for outcome in ("bias", "quality")
    }
    # Articles differ, conditions add to them.
    red = generator.normal(0.5, 0.15, articles) + generator.normal(0, 0.1, shape) + np.reshape(shift["bias"], (-1, 1))
    red = np.clip(red, 0.01, 0.99)
    quality = generator.normal(2, 0.3, articles) + generator.normal(0, 0.2, shape)
    quality += np.reshape(shift["quality"], (-1, 1))
    if missing:
        red[generator.random(shape) < 0.1] = np.nan
        quality[generator.random(shape) < 0.1] = np.nan
    ids = [f"{condition:05d}/paper/{article}" for condition in range(len(table)) for article in range(articles)]
    written = pd.DataFrame({"article_id": ids, "probability_red": red.ravel(), "probability_blue": 1 - red.ravel()})
    written["predicted"] = np.where(written["probability_red"] > 0.5, "red", "blue")
    written["predicted"] = written["predicted"].where(written["probability_red"].notna(), None)
    shares = dict.fromkeys([field for field in QUALITY.names if field.startswith("share_")], 0.25)
    scored = pd.DataFrame({"article_id": ids, "sentences": 3, "quality": quality.ravel(), **shares})
    scored["quality_weighted"] = scored["quality"] / 2
    schema = predictions(LABELS)
    tables = {
        "units": (units, INTERVENTION_UNITS),
        "units_missing": (missing_of(missing_sets), INTERVENTION_UNITS_MISSING),
        "conditions": (conditions, INTERVENTION_CONDITIONS),
        "predictions": (pa.Table.from_pandas(written[schema.names], schema, preserve_index=False), schema),
        "quality": (pa.Table.from_pandas(scored[QUALITY.names], QUALITY, preserve_index=False), QUALITY),
    }
    for part, (content, columns) in tables.items():
        write_table(content, folder / f"{part}.parquet", columns)
    return ChangedVersion(*name, "red", *(folder / f"{part}.parquet" for part in tables))
