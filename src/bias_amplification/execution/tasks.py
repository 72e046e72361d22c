"""A call of one function of the package, made in this process or in another one."""

import errno
import importlib
import io
import os
import sys
import time
import traceback
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """A call of a function, with everything that another process needs to make it. It can be pickled."""

    function: str
    """"module:name" below `bias_amplification`."""
    arguments: dict[str, Any]
    """Keyword arguments, as plain values."""
    log: str
    """File that receives the call's output."""
    threads: int = 1
    """CPU threads of numerical libraries. They affect the last bits of results."""
    heavy: bool = True
    """Whether the function needs the libraries that the warm process loads. Light jobs use a warm process if there is
    one, but do not start it: waiting for it takes longer than their own imports."""
    folder: str = field(default_factory=os.getcwd)
    """Working folder of the call."""


#: Environment of every job: no progress bars in logs, and one thread for NumPy, because threads affect last bits. A
#: notebook's shell names a backend of matplotlib that exists only in the notebook.
QUIET = {
    "MPLBACKEND": "agg",
    "OPENBLAS_NUM_THREADS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


#: Errors of a disk: full, over quota, read-only, not permitted.
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def run_here(task: Task, note: str = "") -> int:
    """Make the call in this process, its output in the log.

    Parameters
    ----------
    task
        The call.
    note
        A first line for the log, if not empty.

    Returns
    -------
    int
        0, or 1 after an error, which is at the end of the log.
    """
    # Imported here: when the job runs in a fork of the warm process, its own process does not need the import.
    from bias_amplification.artifacts import StudyError

    _begin(task, note)
    start = time.perf_counter()
    try:
        _call(task)
    except StudyError as fault:
        print(fault, file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            traceback.print_exc()
            return 1
        print(
            f"{error.filename or task.log}: {os.strerror(error.errno)}: correct that and run snakemake again. Finished "
            "files are kept.",
            file=sys.stderr,
            flush=True,
        )
        return 1
    except Exception:
        # This is the outermost frame of a job: any error belongs in its log and becomes its status. SystemExit, by
        # which a job ends that was asked to, passes.
        traceback.print_exc()
        return 1
    print(f"done in {time.perf_counter() - start:.1f} s, at most {_memory_in_words()}", flush=True)
    return 0


def _begin(task: Task, note: str) -> None:
    """Set the process's threads, and send its output to the log."""
    log = Path(task.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ.update(QUIET)
    os.environ.setdefault("OMP_NUM_THREADS", str(task.threads))
    # By default a tokenizer uses all cores of the machine instead of the job's. Its threads do not affect its results.
    os.environ["RAYON_NUM_THREADS"] = str(task.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if task.threads > 1 else "false"
    with log.open("w", encoding="utf-8") as stream:
        if note:
            print(note, file=stream)
            stream.flush()
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        # The locale's encoding may lack the characters of a path or an article.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _call(task: Task) -> None:
    """Import the task's function and call it."""
    module, name = task.function.split(":")
    call = getattr(importlib.import_module(f"bias_amplification.{module}"), name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(task.threads)
    if "transformers" in sys.modules:
        sys.modules["transformers"].utils.logging.disable_progress_bar()
    given = typed_arguments(call, task.arguments)
    compute = given.get("compute")
    # Several processes start their GPUs themselves.
    if getattr(compute, "gpu_mb", None) and compute.processes == 1:
        from bias_amplification.models.device import claim_device

        claim_device(compute.device, compute.gpu_mb)
    call(**given)


def typed_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Turn plain values into the types that a function's signature names.

    Snakemake compares and stores plain values alone, so sections of the config travel as dictionaries. Here they become
    the frozen models again that the function takes. A rule leaves out the keys that its function does not read. Such a
    key has no value here, not even its default: a function that reads it fails, where the default would hide that the
    user's value was not passed on. The keys of `Section.LATER` are left out at their defaults only.

    Parameters
    ----------
    function
        With type hints. Arguments of a parameter without one are passed on as they are.
    arguments
        Its keyword arguments, as plain values: numbers, text, lists and dictionaries.

    Returns
    -------
    dict
        The same arguments, each of the type of its parameter.

    Raises
    ------
    pydantic.ValidationError
        If a value does not fit.
    """
    from pydantic import TypeAdapter

    hints = typing.get_type_hints(function, include_extras=True)
    typed = {name: TypeAdapter(hints.get(name, Any)).validate_python(value) for name, value in arguments.items()}
    for value in typed.values():
        _remove_defaults(value)
    return typed


def _remove_defaults(value: Any) -> None:
    """Remove the keys that were not given from the sections in a value."""
    from bias_amplification.study.sections import Section

    if isinstance(value, Section):
        for key in set(vars(value)) - value.model_fields_set - value.LATER:
            del vars(value)[key]
        value = vars(value)
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for part in value:
        _remove_defaults(part)


def _memory_in_words() -> str:
    """Describe the peak memory of this process and, on a GPU, of its tensors."""
    from bias_amplification.artifacts.provenance import peak_memory

    words = f"{peak_memory():,.0f} MB of memory"
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        words += f", {torch.cuda.max_memory_reserved() / 1e6:,.0f} MB of the GPU's"
    return words
