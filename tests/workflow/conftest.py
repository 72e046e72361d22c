"""Studies that have run, studies that have not, and the benchmarks as modules."""

import fcntl
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from studies import ShortStudy, Study, make_study

from helpers import ROOT


def run_once(tmp_path_factory: pytest.TempPathFactory, name: str, run: Callable[[Path], None]) -> Path:
    """Run a study in one of the parallel test processes, and return its folder in each of them.

    The folder is as deep as those of single tests, because Snakemake records the project's own files by their paths
    relative to the study, and copies of the study must find them under the same paths.
    """
    shared = tmp_path_factory.getbasetemp()
    folder = shared / name / "study"
    # Each process of pytest-xdist has its own folder within the folder of the test run.
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
        folder = shared / name / "shared" / "study"
    done = shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Study:
    """A complete tiny study, run once. Each test process has its own copy, whose results tests may delete and remake.

    `first_run.txt` is the output of Snakemake.
    """

    def run(folder: Path) -> None:
        study = make_study(folder)
        (folder / "first_run.txt").write_text(study.finish(preload=False), encoding="utf-8")

    original = run_once(tmp_path_factory, "finished_study", run)
    return Study(shutil.copytree(original, tmp_path_factory.mktemp("finished") / "study", symlinks=True))


@pytest.fixture
def fresh(tmp_path) -> Iterator[Study]:
    """A tiny study that has not run."""
    study = make_study(tmp_path / "study")
    yield study
    shutil.rmtree(study.results, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> ShortStudy:
    """A complete short study, run once without a fault. Tests do not change it."""

    def run(folder: Path) -> None:
        ShortStudy(make_study(folder).folder).finish()

    return ShortStudy(run_once(tmp_path_factory, "undisturbed_study", run))


@pytest.fixture
def begun(tmp_path) -> Iterator[ShortStudy]:
    """A short study that has not run."""
    study = ShortStudy(make_study(tmp_path / "study").folder)
    yield study
    shutil.rmtree(study.folder)


@pytest.fixture
def clone(undisturbed, tmp_path) -> Iterator[ShortStudy]:
    """A copy of the complete short study with Snakemake's records of it, without logs."""
    folder = tmp_path / "study"
    shutil.copytree(undisturbed.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("logs"))
    yield ShortStudy(folder)
    shutil.rmtree(folder)


@pytest.fixture
def without_rounds(clone) -> ShortStudy:
    """A copy of the complete short study in which all rounds are still to be run."""
    shutil.rmtree(clone.results / "rounds")
    (clone.results / "metrics.parquet").unlink()
    return clone


@pytest.fixture
def benchmark(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """A function that imports one of the benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    known = set(sys.modules)
    yield importlib.import_module
    for name in {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - known:
        sys.modules.pop(name, None)
