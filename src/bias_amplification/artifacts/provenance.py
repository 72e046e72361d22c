"""What made a file: versions, commit, seed, device, time."""

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

from bias_amplification.artifacts.atomic import new_file

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
        "peak_memory_mb": round(usage.ru_maxrss / 1024),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "host": platform.node(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "commit": os.environ.get("BIAS_AMPLIFICATION_COMMIT") or commit(),
    }
    with new_file(path) as file:
        file.write_text(json.dumps({**facts, **known}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
