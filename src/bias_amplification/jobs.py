"""Run one function of the package as one job of the workflow.

Every script of the workflow ends in a call of `run_job`. The job's output goes to its log; a fault that the user can
mend is one sentence there, anything else a traceback.
"""

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from bias_amplification import warm
from bias_amplification.tasks import DISK_FAULTS, Task, run_here

#: Holds the process id of the Snakemake that local jobs belong to.
HEAD = "BIAS_AMPLIFICATION_HEAD"

#: Between two looks at whether that Snakemake lives.
_SECONDS_BETWEEN_LOOKS = 0.2

#: Where Snakemake shows what a job says; the job's own output goes to its log.
_terminal = os.fdopen(os.dup(2), "w")


def announce(head: int) -> None:
    """Let the local jobs of a scheduler end with it, however it ends.

    A job that outlived it would use its device for hours, and could write what the config asked for then over what
    another run has made since.

    Parameters
    ----------
    head
        The scheduler's process id.
    """
    os.environ[HEAD] = str(head)


def _end_with_the_head() -> None:
    """End this process when its scheduler is gone; a job that keeps its state has time to save it."""
    head = os.environ.get(HEAD)
    if head is None:
        return

    def watch() -> None:
        while psutil.pid_exists(int(head)):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(warm.SECONDS_TO_SAVE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def plain(value: Any) -> Any:
    """Turn Snakemake's named lists and path strings into plain lists, dicts and str."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def saved_state(job: Any) -> dict[str, Any]:
    """Tell where a job keeps the state of its unfinished work: arguments of `Checkpoint`.

    The place goes by the job's log, so that every job has one of its own.
    """
    log = str(job.log[0])
    root, name = log.rsplit("/logs/", 1)
    return {
        "path": f"{root}/state/{name.removesuffix('.log')}.safetensors",
        "seconds": job.config["compute"]["checkpoint_seconds"],
    }


def run_job(function: str, job: Any, *, threads: int = 1, **arguments: Any) -> None:
    """Call a function of the package for a rule, in a warm process if there is one, and exit with its status.

    Parameters
    ----------
    function
        "module:name" below `bias_amplification`, which is imported where the call is made.
    job
        Snakemake's object: `log[0]` names the log.
    threads
        CPU threads of numerical libraries: the config's, not Snakemake's, which fall with the cores that there are and
        would change last bits.
    arguments
        Keyword arguments of the function.
    """
    heavy = f"bias_amplification.{function.split(':')[0]}" in warm.PRELOAD
    task = Task(function, plain(arguments), str(job.log[0]), threads, heavy)
    _date_inputs(job)
    _end_with_the_head()
    try:
        status = warm.run(task)
        if status is None:
            status = run_here(task)
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        status = 1
    if status:
        _tell_a_full_disk(Path(task.log))
    sys.exit(status)


def _tell_a_full_disk(log: Path) -> None:
    """Tell it in the terminal, because the log may be on the disk that is full."""
    free = shutil.disk_usage(next(folder for folder in log.absolute().parents if folder.exists())).free
    if free < 1_000_000:
        print(
            f"No space left for {log.parent} and what belongs to it: make room and run snakemake again, nothing "
            "finished is lost.",
            file=_terminal,
            flush=True,
        )


def _date_inputs(job: Any) -> None:
    """Date inputs from the future, which a clock that was set back leaves, to now: outputs would seem older."""
    now = time.time()
    for path in job.input:
        if os.path.exists(path) and os.stat(path).st_mtime > now and os.access(path, os.W_OK):
            os.utime(path)
