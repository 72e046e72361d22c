"""The package declares what it imports, the lock pins what it declares, and the wheel holds the workflow."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bias_amplification
from helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(name: str) -> dict[str, str]:
    """Return the versions that a lock pins, by package."""
    lines = (ROOT / "envs" / name).read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if re.match(r"[a-z]", line)}


LOCK, DOCS_LOCK = pins("requirements.txt"), pins("docs.txt")


def declared(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported(*folders: str) -> set[str]:
    """Return the distributions that the Python files of some folders import."""
    owners = packages_distributions()
    names: set[str] = set()
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").split(".")[0])
    own = {"bias_amplification", *(file.stem for folder in folders for file in (ROOT / folder).rglob("*.py"))}
    foreign = names - sys.stdlib_module_names - own
    return {canonicalize_name(owner) for name in foreign for owner in owners.get(name, [name])}


MAIN = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_the_package_declares_what_it_imports_and_nothing_else() -> None:
    # The SLURM plugin is loaded by Snakemake; pydantic-core comes with pydantic and is its public error type.
    plugins = {"snakemake-executor-plugin-slurm"}

    assert imported("src", "workflow") - {"pydantic-core"} == declared(MAIN) - plugins


def test_the_tests_and_benchmarks_declare_what_they_import() -> None:
    # A benchmark compares with ctranslate2 where it is installed; pydantic-core comes with pydantic.
    others = {"ctranslate2", "pydantic-core"}

    assert imported("tests", "benchmarks") - others <= declared([*MAIN, *EXTRAS["test"]])


def test_the_lock_satisfies_every_requirement() -> None:
    of_lock = [*MAIN, *(text for name, extra in EXTRAS.items() if name != "docs" for text in extra)]
    for lock, texts in ((LOCK, of_lock), (DOCS_LOCK, EXTRAS["docs"])):
        for text in texts:
            requirement = Requirement(text)
            assert requirement.specifier.contains(lock[canonicalize_name(requirement.name)]), text


def test_the_lock_of_the_documentation_changes_no_version_of_the_first() -> None:
    both = LOCK.keys() & DOCS_LOCK.keys()

    assert {name: DOCS_LOCK[name] for name in both} == {name: LOCK[name] for name in both}
    # Users of the study do not install what builds the documentation.
    assert both.isdisjoint(canonicalize_name(name) for name in EXTRAS["docs"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the contents of the wheel, as pip would install it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


@pytest.mark.slow
def test_an_installed_package_plans_a_study_in_any_folder(installed: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bias_amplification.command", "study", "--dry-run", "--cores", "1", "--quiet", "rules"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^finetune +63$", run.stdout + run.stderr, re.MULTILINE)
    assert f"Snakefile: {installed}/bias_amplification/workflow/Snakefile" in run.stdout + run.stderr


@pytest.mark.slow
def test_the_wheel_has_the_command(installed: Path) -> None:
    [points] = installed.glob("*.dist-info/entry_points.txt")

    assert "bias-amplification = bias_amplification.command:main" in points.read_text(encoding="utf-8")


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")

    assert PROJECT["project"]["version"] == bias_amplification.__version__
    assert f"version: {bias_amplification.__version__}" in citation
