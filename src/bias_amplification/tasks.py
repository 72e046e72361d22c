"""A call of one function of the package that can be made in another process, and how it is made."""

import errno
import importlib
import os
import resource
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """A call: everything in it can be pickled, so that another process can make it.

    `function` is "module:name"; `threads` the CPU threads of numerical libraries, which is part of what fixes the
    last bits of results. `heavy` says that it needs the libraries that a warm process has loaded: what does not
    would wait for them longer than for its own.
    """

    function: str
    arguments: dict[str, Any]
    log: str
    threads: int = 1
    heavy: bool = True
    folder: str = field(default_factory=os.getcwd)


#: Libraries' own progress bars have no place in a job's log. NumPy's threads are fixed because they are part of what
#: fixes last bits.
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


#: What a disk can refuse.
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def run_here(task: Task) -> int:
    """Make the call in this process, its output in the log.

    Returns
    -------
    int
        0, or 1 after a fault, which the log's end tells.
    """
    # Imported here, because a job that runs in a fork of the warm process needs nothing of it in its own.
    from bias_amplification.artifacts import StudyError

    log = Path(task.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ.update(QUIET)
    os.environ.setdefault("OMP_NUM_THREADS", str(task.threads))
    # The tokenizer's threads have no part in its results; they would take all of the machine's cores, not the job's.
    os.environ["RAYON_NUM_THREADS"] = str(task.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if task.threads > 1 else "false"
    with log.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    start = time.perf_counter()
    try:
        module, name = task.function.split(":")
        call = getattr(importlib.import_module(f"bias_amplification.{module}"), name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(task.threads)
        if "transformers" in sys.modules:
            sys.modules["transformers"].utils.logging.disable_progress_bar()
        call(**task.arguments)
    except StudyError as fault:
        print(fault, file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            traceback.print_exc()
            return 1
        print(
            f"{error.filename or task.log}: {os.strerror(error.errno)}: mend that and run snakemake again, nothing "
            "finished is lost.",
            file=sys.stderr,
            flush=True,
        )
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    print(f"done in {time.perf_counter() - start:.1f} s, at most {_memory()}", flush=True)
    return 0


def _memory() -> str:
    """Tell the most memory that this process had, and of a GPU what its tensors had."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    said = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6:,.0f} MB of memory"
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        said += f", {torch.cuda.max_memory_reserved() / 1e6:,.0f} MB of the GPU's"
    return said
