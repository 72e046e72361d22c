"""What unit tests, runs of the workflow and runs on a cluster share."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

#: The files and folders of the project that a study's folder needs.
PROJECT = ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs")


def link_project(folder: Path, *more: str) -> Path:
    """Make a folder with links to the project's files, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*PROJECT, *more):
        os.symlink(ROOT / name, folder / name)
    return folder


def checksums(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Return the checksums of files, by path below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.is_file()
    }


def merge(below: dict, above: dict) -> dict:
    """Apply an overlay to a config, as Snakemake does: maps key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def mount(*arguments: str | Path) -> None:
    """Mount a file system, or skip the test if this user cannot."""
    if os.geteuid() or subprocess.run(["mount", *arguments]).returncode:
        pytest.skip("only root can mount a file system")


def wait_until(condition: Callable[[], Any], process: subprocess.Popen | None = None, seconds: float = 300) -> Any:
    """Wait until a condition is true, while a process runs, and return the condition's value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, "the process ended first"
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s"
        time.sleep(0.05)
    return found
