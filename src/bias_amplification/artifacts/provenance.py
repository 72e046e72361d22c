"""What made a file: versions, commit, seed, device, time."""

import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bias_amplification.artifacts.atomic import StudyError, new_file
from bias_amplification.artifacts.identity import check_identity, identity

_LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "pyarrow", "numpy")


@cache
def commit() -> str | None:
    """Return the git commit of the code that runs, with "+changes" if files differ from it; None outside git."""
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def checksum(path: Path | str) -> str:
    """SHA-256 of a file, in hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(folder: Path | str, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files in a folder, by name."""
    return {name: checksum(Path(folder) / name) for name in names}


def check_checksums(folder: Path | str, wanted: Mapping[str, str], told: Path) -> None:
    """Check files that the run has made against the checksums that it kept.

    Parameters
    ----------
    folder
        Where the files are.
    wanted
        SHA-256 by file name.
    told
        The file that keeps them, for messages.

    Raises
    ------
    StudyError
        Naming the file and the remedy.
    """
    for name, digest in wanted.items():
        file = Path(folder) / name
        if not file.exists():
            raise StudyError(f"{file} does not exist: run snakemake again to make it.")
        if checksum(file) != digest:
            raise StudyError(f"{file} is not the file that {told} tells of: delete it and run snakemake again.")


def check_made_here(folder: Path | str, names: Sequence[str] = ("model.safetensors", "config.json")) -> None:
    """Check files against the metadata.json beside them, if there is one: checksums, and that all belong here.

    Parameters
    ----------
    folder
        Of a model that the run has made.
    names
        Files that are about to be read; those that metadata.json does not tell of are not checked.

    Raises
    ------
    StudyError
        Naming the file and the remedy.
    """
    told = Path(folder) / "metadata.json"
    if not told.exists():
        return
    try:
        facts = json.loads(told.read_text(encoding="utf-8"))
        known = dict(facts["checksums"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{told} is damaged ({error!r}): delete it and run snakemake again.") from error
    check_identity(told, facts.get("made_as"))
    check_checksums(folder, {name: known[name] for name in names if name in known}, told)


def _peak_memory() -> int:
    """Most memory that this process has held, in MB. Not `ru_maxrss`, which a process inherits from its parent."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    except (OSError, IndexError):
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def write_metadata(path: Path | str, **facts: Any) -> None:
    """Write metadata.json: the facts given, and what is known of every job.

    This is the one kind of result that differs between equal runs, because it tells times.

    Parameters
    ----------
    path
        The JSON file to make.
    facts
        What the job wants remembered; JSON values.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    known = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "made_as": identity(path),
        "peak_memory_mb": _peak_memory(),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "host": platform.node(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "commit": os.environ.get("BIAS_AMPLIFICATION_COMMIT") or commit(),
    }
    with new_file(path) as file:
        file.write_text(json.dumps({**facts, **known}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
