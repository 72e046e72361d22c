"""Time the neurons' statistics: regressions against statsmodels, permutations against bare matrix products, and scale.

Run it in the checkout: ``PYTHONPATH=src python benchmarks/neuron_statistics.py [--out FOLDER]``. It writes neurons
tables of random walks, runs both sides alternately and writes a Markdown table with medians and ranges. Nothing else
should run on the machine meanwhile.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.provenance import peak_memory
from bias_amplification.artifacts.schemas import NEURON_PANEL, NEURONS
from bias_amplification.neurons.designs import Versions, make_rows
from bias_amplification.neurons.permute import PermutationFiles, permute_outcomes
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Neurons, Permutations, Quality

WIDTH, GENERATIONS = 768, 11
#: The shape of GPT-2 124M in the paper's study: rounds and layers.
ROUNDS, LAYERS = 6, 12
MOVES = ["flip", "exchange"]


def simulate_tables(folder: Path, rounds: int, layers: int, width: int) -> tuple[Path, list[Path]]:
    """Write a panel, and one neurons table for each version."""
    generator = np.random.default_rng(1)
    outcomes = generator.normal(size=(4, rounds, GENERATIONS)).cumsum(axis=2).reshape(4, -1)
    columns = {"round": [f"r{i}" for i in range(rounds) for _ in range(GENERATIONS)]}
    columns |= {"replicate": [1] * (rounds * GENERATIONS)}
    columns |= {"generation": [*range(GENERATIONS)] * rounds}
    columns |= {name: ["a"] * (rounds * GENERATIONS) for name in ("seed_set", "label")}
    columns |= dict(zip(NEURON_PANEL.names[5:], outcomes, strict=True))
    write_table(pa.table(columns), folder / "panel.parquet", NEURON_PANEL)
    keys = {"layer": np.repeat(np.arange(layers, dtype=np.int16), width)}
    keys["neuron"] = np.tile(np.arange(width, dtype=np.int32), layers)
    paths = []
    for one in range(rounds):
        walk = np.zeros((layers * width, 4))
        for generation in range(GENERATIONS):
            walk = walk + generator.normal(size=walk.shape)
            path = folder / f"{one}_{generation}.parquet"
            write_table(pa.table(keys | dict(zip(NEURONS.names[2:], walk.T, strict=True))), path, NEURONS)
            paths.append(path)
    return folder / "panel.parquet", paths


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def with_statsmodels(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Regress one neuron at a time: [neurons] p-values."""
    import statsmodels.api as sm

    keywords = {"groups": groups, "maxlags": 1, "use_correction": "hac", "df_correction": False}
    return np.array(
        [
            sm.OLS(y, sm.add_constant(column)).fit(cov_type="hac-panel", cov_kwds=keywords, use_t=True).pvalues[1]
            for column in x.T
        ]
    )


def compare_with_statsmodels(repeats: int) -> dict[str, float]:
    """Time one analysis of 9,216 neurons in both ways, alternately."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROUNDS, GENERATIONS, LAYERS * WIDTH)).cumsum(axis=1).reshape(ROUNDS * GENERATIONS, -1)
    y = generator.normal(size=(ROUNDS, GENERATIONS)).cumsum(axis=1).ravel()
    settings = Neurons(fixed_effects="none")
    names = [f"r{i}" for i in range(ROUNDS) for _ in range(GENERATIONS)]
    rows = make_rows(Versions(names, [*range(GENERATIONS)] * ROUNDS), settings.difference)
    groups = np.unique(rows.series, return_inverse=True)[1]
    found: dict[str, np.ndarray] = {}
    ours, theirs = [], []
    regress(x, y, rows, settings)
    with_statsmodels(rows.take(x[:, :2]), rows.take(y), groups)
    for _ in range(repeats):
        ours.append(seconds(lambda: found.update(ours=regress(x, y, rows, settings).p_value)))
        theirs.append(seconds(lambda: found.update(theirs=with_statsmodels(rows.take(x), rows.take(y), groups))))
    apart = float(np.max(np.abs(found["ours"] / found["theirs"] - 1)))
    return {
        "ours": statistics.median(ours),
        "ours_range": [min(ours), max(ours)],
        "statsmodels": statistics.median(theirs),
        "statsmodels_range": [min(theirs), max(theirs)],
        "largest_relative_difference_of_p": apart,
    }


def gemm_rate() -> float:
    """Measure double-precision operations per second in matrix products of the study's shape."""
    generator = np.random.default_rng(0)
    left, right = generator.normal(size=(10_000, 114)), generator.normal(size=(114, 9216))
    left[:100] @ right
    times = [seconds(lambda: left @ right) for _ in range(5)]
    return 2 * 10_000 * 114 * 9216 / min(times)


def permute_here(folder: Path, rounds: int, layers: int, width: int, number: int) -> dict[str, float]:
    """Permute in this process; return seconds and peak memory."""
    panel, paths = simulate_tables(folder, rounds, layers, width)
    out = PermutationFiles(*(folder / f"out_{name}.parquet" for name in PermutationFiles._fields))
    settings = Neurons(permutations=Permutations(schemes=[MOVES], number=number))
    took = seconds(lambda: permute_outcomes(panel, paths, out, settings, Quality(), seed=1))
    return {"seconds": took, "peak_mb": peak_memory()}


def permute_apart(rounds: int, layers: int, width: int, number: int) -> dict[str, float]:
    """Permute in a process of its own, to measure its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--permute", folder, *map(str, (rounds, layers, width, number))]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Run all measurements and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--permute", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.permute:
        folder, *sizes = arguments.permute
        print(json.dumps(permute_here(Path(folder), *map(int, sizes))))
        return
    lines = [*list_speed(arguments.repeats), "", *list_scale()]
    # Imported last, because it imports PyTorch, whose memory would count in the processes above.
    from common import write_report

    write_report("Neurons' statistics", lines, arguments.out, "neuron_statistics")


def list_speed(repeats: int) -> list[str]:
    """Measure one analysis and its permutations: lines of a table."""
    one = compare_with_statsmodels(repeats)
    rate = gemm_rate()
    full = [permute_apart(ROUNDS, LAYERS, WIDTH, 10_000) for _ in range(repeats)]
    # Slope, mixed and squared term: 60 + 60 rows and 114 pairs; two outcomes, two measures.
    arithmetic = 2 * (60 + 60 + 114) * LAYERS * WIDTH * 10_000 * 4
    took = [run["seconds"] for run in full]
    return [
        "| Measured | Result |",
        "|---|---|",
        f"| one analysis, 9,216 neurons x 66 versions, ours | {one['ours'] * 1000:.0f} ms "
        f"({one['ours_range'][0] * 1000:.0f} to {one['ours_range'][1] * 1000:.0f}) |",
        f"| the same, a loop over statsmodels | {one['statsmodels']:.1f} s "
        f"({one['statsmodels_range'][0]:.1f} to {one['statsmodels_range'][1]:.1f}) |",
        f"| ratio | {one['statsmodels'] / one['ours']:.0f} |",
        f"| largest relative difference of a p-value | {one['largest_relative_difference_of_p']:.1e} |",
        f"| 10,000 permutations of all four analyses, from files to files | {statistics.median(took):.1f} s "
        f"({min(took):.1f} to {max(took):.1f}), {max(run['peak_mb'] for run in full):.0f} MB |",
        f"| their matrix products alone, {arithmetic / 1e9:.0f} GFLOP at the measured {rate / 1e9:.0f} GFLOP/s | "
        f"{arithmetic / rate:.1f} s |",
    ]


def list_scale() -> list[str]:
    """Measure more neurons and more versions: lines of a table."""
    lines = [
        "| Versions | Neurons | Seconds for 1,000 permutations | Versions x neurons, relative to the first | Seconds, "
        "relative to the first | Peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    first = 0.0
    for rounds, layers, width in ((6, 12, 768), (6, 24, 1024), (60, 12, 768), (60, 24, 1024)):
        run = permute_apart(rounds, layers, width, 1000)
        first = first or run["seconds"]
        size = rounds * layers * width / (ROUNDS * LAYERS * WIDTH)
        lines.append(
            f"| {rounds * GENERATIONS} | {layers * width:,} | {run['seconds']:.1f} | {size:.1f} | "
            f"{run['seconds'] / first:.1f} | {run['peak_mb']:.0f} |"
        )
    return lines


if __name__ == "__main__":
    main()
