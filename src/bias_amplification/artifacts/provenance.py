"""How files were made: checksums, and metadata such as versions, commit and time."""

import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bias_amplification.artifacts.atomic import StudyError, new_file
from bias_amplification.artifacts.placement import check_place, place_in_study

_LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "pyarrow", "numpy")


@cache
def commit() -> str | None:
    """Return the git commit of the running code, with "+changes" if files differ from it; None if it has none."""
    try:
        # An installed copy may be in a folder of another project's repository, which does not track it.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    """Return the output of git in this file's folder."""
    command, folder = ["git", *arguments], Path(__file__).parent
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return found.stdout.strip()


def checksum(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(folder: Path | str, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files in a folder, by name."""
    return {name: checksum(Path(folder) / name) for name in names}


def check_checksums(folder: Path | str, expected: Mapping[str, str], recorded_in: Path) -> None:
    """Check files that the run has made against the checksums that it recorded.

    Parameters
    ----------
    folder
        Folder of the files.
    expected
        SHA-256 by file name.
    recorded_in
        The file that has the checksums, for messages.

    Raises
    ------
    StudyError
        If a file is missing or has another checksum. The message names the file and the remedy.
    """
    for name, digest in expected.items():
        file = Path(folder) / name
        if not file.exists():
            raise StudyError(f"{file} does not exist: run snakemake again to make it.")
        if checksum(file) != digest:
            raise StudyError(
                f"{file} does not have the checksum recorded in {recorded_in}: delete it and run snakemake again."
            )


def check_made_here(folder: Path | str, names: Sequence[str]) -> None:
    """Check files of a model against the metadata.json beside them: their checksums, and the place they were made for.

    Parameters
    ----------
    folder
        Folder of a model that the run has made. Without a metadata.json nothing is checked.
    names
        Names of the files to check. Files without a checksum in metadata.json are not checked.

    Raises
    ------
    StudyError
        If a file is damaged or was made for another place. The message names the file and the remedy.
    """
    metadata = Path(folder) / "metadata.json"
    if not metadata.exists():
        return
    try:
        facts = json.loads(metadata.read_text(encoding="utf-8"))
        recorded = dict(facts["checksums"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{metadata} is damaged ({error!r}): delete it and run snakemake again.") from error
    check_place(metadata, facts.get("made_as"))
    check_checksums(folder, {name: recorded[name] for name in names if name in recorded}, metadata)


def peak_memory() -> float:
    """Return the peak memory of this process, MB (10^6 bytes).

    `ru_maxrss` is the second choice, because it includes the peak of the process that this one was forked from.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        # Linux counts in KiB, macOS in bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def write_metadata(path: Path | str, *, earlier_cpu_seconds: float = 0.0, **facts: Any) -> None:
    """Write metadata.json: facts about one job, and the facts that are recorded for every job.

    It contains times, so it differs between runs whose other results are the same.

    Parameters
    ----------
    path
        The JSON file to make.
    earlier_cpu_seconds
        CPU time of the processes that were interrupted before this one finished the job.
    facts
        Facts about the job, as JSON values.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    known = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "made_as": place_in_study(path),
        "peak_memory_mb": round(peak_memory()),
        "cpu_seconds": round(earlier_cpu_seconds + usage.ru_utime + usage.ru_stime, 2),
        "host": platform.node(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "commit": os.environ.get("BIAS_AMPLIFICATION_COMMIT") or commit(),
    }
    with new_file(path) as file:
        file.write_text(json.dumps({**facts, **known}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
