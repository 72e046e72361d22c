"""What made a file: versions, commit, seed, device, time."""

import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import time
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


def check_made_here(folder: Path | str, name: str = "model.safetensors") -> None:
    """Check a model against the metadata.json beside it, if there is one: its checksum, and that both belong here.

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
        wanted = facts["checksums"][name]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{told} is damaged ({error!r}): delete it and run snakemake again.") from error
    check_identity(told, facts.get("made_as"))
    if checksum(Path(folder) / name) != wanted:
        raise StudyError(
            f"{Path(folder) / name} is not the file that {told} tells of: delete it and run snakemake again."
        )


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
