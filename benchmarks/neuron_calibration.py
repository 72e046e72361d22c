"""Simulate studies of several shapes and count how often each test and interval of the neurons is wrong.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/neuron_calibration.py --studies 1000 [--out FOLDER]
[--results FOLDER]``. It writes one Markdown table for each shape; docs/neurons.md has them. With the results of a study
of six rounds without replicates, the world of its own neurons and outcomes is in the tables of shapes without
replicates; a shape of fewer rounds takes the first ones.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bias_amplification.neurons.calibrate import calibrate_world, changing_neurons
from bias_amplification.neurons.designs import Versions
from bias_amplification.neurons.panel import Outcomes, read_outcomes
from bias_amplification.neurons.worlds import WORLDS, Run
from bias_amplification.study.sections import Calibration, Neurons

#: Rounds, generations and replicates of each shape; the rounds of a shape are of two seed sets, as in the paper.
SHAPES = {"4 x 11": (4, 11, 1), "6 x 11": (6, 11, 1), "6 x 11 x 3": (6, 11, 3)}


def list_versions(rounds: int, generations: int, replicates: int) -> Versions:
    """Name the versions of a study: two thirds of the rounds have the first seed set."""
    rows = [
        (f"round {i}/{k}", g, f"round {i}", k, "first" if 3 * i < 2 * rounds else "second")
        for i in range(rounds)
        for k in range(1, replicates + 1)
        for g in range(generations)
    ]
    return Versions(*map(tuple, zip(*rows, strict=True)))


def read_run(results: Path, number: int, rounds: int) -> tuple[Outcomes, Run]:
    """Read outcomes and neurons of the first rounds of a study."""
    table = pd.read_parquet(results / "neurons" / "panel.parquet")
    paths = [
        results / f"rounds/{row.round}/generation_{row.generation:02d}/neurons.parquet" for row in table.itertuples()
    ]
    outcomes = read_outcomes(results / "neurons" / "panel.parquet", len(paths))
    values = changing_neurons(paths, "weight_mean", outcomes.versions, number, np.random.default_rng(1))
    kept = np.isin(outcomes.versions.rounds, list(dict.fromkeys(outcomes.versions.rounds))[:rounds])
    versions = Versions(*(tuple(np.asarray(column)[kept]) for column in outcomes.versions))
    pair = [outcome[kept] for outcome in outcomes.pair("share", "class")]
    return Outcomes(versions, {}), Run(values[kept], pair)


def calibrate(shape: Sequence[int], studies: int, results: Path | None) -> pd.DataFrame:
    """Return the rows of `NEURON_CALIBRATION` for a shape."""
    settings = Neurons(calibration=Calibration(studies=studies))
    versions = list_versions(*shape)
    outcomes, run = Outcomes(versions, {}), Run(np.zeros((len(versions.rounds), 0)), [])
    if results is not None and shape[2] == 1:
        outcomes, run = read_run(results, settings.calibration.neurons, shape[0])
    rows = [row for world in WORLDS for row in calibrate_world(world, outcomes, run, settings, seed=1)]
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame) -> str:
    """Return rates without an effect by test and world, and power, in per cent, as Markdown."""
    single = rows["scheme"].isna() & rows["test"].eq("neuron")
    rows = rows.assign(
        scheme=rows["scheme"].fillna("").str.replace("_", " "),
        test=np.where(
            single,
            "one neuron, " + rows["difference"] + ", lags " + rows["lags"] + ", " + rows["fixed_effects"] + ", "
            + rows["reference"],
            rows["test"],
        ),
    )  # fmt: skip
    plain = rows[rows["effect"] == 0].pivot_table(
        index=["scheme", "test"], columns="world", values="rejected", sort=False
    )
    power = rows[rows["planted"].notna()].pivot_table(
        index=["scheme", "test"], columns=["world", "planted"], values="power", sort=False
    )
    power.columns = [f"power, {world}, {planted}" for world, planted in power.columns]
    shown = (100 * plain.join(power)).round(1).reset_index()
    shown.columns = [str(name).replace("_", " ") for name in shown.columns]
    lines = [
        shown.columns,
        ["---"] * shown.shape[1],
        *shown.astype(object).where(shown.notna(), "").astype(str).to_numpy(),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Simulate all shapes, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--shapes", nargs="*", default=[*SHAPES], choices=[*SHAPES])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--out", type=Path, default=Path("."))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.shapes:
        start = time.perf_counter()
        rows = calibrate(SHAPES[name], arguments.studies, arguments.results)
        title = f"{name}, {arguments.studies} studies, {time.perf_counter() - start:.0f} s"
        path = arguments.out / f"neuron_calibration_{name.replace(' ', '')}"
        rows.to_csv(path.with_suffix(".csv"), index=False)
        path.with_suffix(".md").write_text(f"{title}\n\n{table(rows)}\n", encoding="utf-8")
        print(title)


if __name__ == "__main__":
    main()
