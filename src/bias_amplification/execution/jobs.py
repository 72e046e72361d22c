"""Run one function of the package as one job of the workflow.

Every script of the workflow ends in a call of `run_job`. The job's output goes to its log. An error that the user can
correct is one sentence there; any other error is a traceback.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from bias_amplification.execution import warm
from bias_amplification.execution.tasks import DISK_FAULTS, Task, run_here

#: Environment variable with the process id of the Snakemake that started the local jobs.
SCHEDULER = "BIAS_AMPLIFICATION_SCHEDULER"

#: A job checks this often, in seconds, whether its Snakemake still runs.
_SECONDS_BETWEEN_CHECKS = 0.2

#: Snakemake's terminal. The job's own output goes to its log.
_terminal = os.fdopen(os.dup(2), "w")


def announce(scheduler: int) -> None:
    """Make local jobs end when their Snakemake ends, however it ends.

    A job that ran on alone would occupy its device for hours. It could also overwrite files that a later run has made
    with another config.

    Parameters
    ----------
    scheduler
        Snakemake's process id.
    """
    os.environ[SCHEDULER] = str(scheduler)


def _end_with_the_scheduler() -> None:
    """Watch Snakemake from a thread and end this process when Snakemake is gone, after time to save its state."""
    scheduler = os.environ.get(SCHEDULER)
    if scheduler is None:
        return

    def watch() -> None:
        # The scheduler is no child of this process, so the system does not report its end: the thread looks for it.
        while psutil.pid_exists(int(scheduler)):
            time.sleep(_SECONDS_BETWEEN_CHECKS)
        os.kill(os.getpid(), signal.SIGTERM)
        # This thread ends with the process, so the second signal is sent only if the process does not end in time.
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


def state_file(log: str) -> str:
    """Return the file of a job's saved state, which is named after its log, so that every job has a file of its own."""
    root, _, name = log.rpartition("/logs/")
    return f"{root}/state/{name.removesuffix('.log')}.safetensors"


def job_compute(job: Any, *, threads: str = "threads") -> dict[str, Any]:
    """Return where a job computes: the fields of `study.sections.JobCompute`.

    The config's `compute` section is read from the config instead of the rule's params, so that a study that moves to
    another machine goes on instead of starting over. Precision is the exception: it changes results, so rules that
    train have it among their params.

    Parameters
    ----------
    job
        Snakemake's object.
    threads
        The key of `compute` that gives the job's threads.
    """
    compute, processes = job.config["compute"], 1
    if compute["gpus"] > 1:
        # Imported only here, because it takes longer than the rest of a light job's start.
        from bias_amplification.study.machine import gpus_per_job

        processes = compute["gpus"] if gpus_per_job(compute["device"]) else 1
    return {
        # Before the section, in which a test sets `processes` to try several processes without a GPU.
        "processes": processes,
        **compute,
        "threads": compute[threads],
        "state": state_file(str(job.log[0])),
        "gpu_mb": job.resources.get("gpu_mb"),
    }


def run_job(function: str, job: Any, **arguments: Any) -> None:
    """Call a function of the package for a rule, in a warm process if there is one, and exit with its status.

    Parameters
    ----------
    function
        "module:name" below `bias_amplification`, which is imported where the call is made.
    job
        Snakemake's object: `log[0]` names the log.
    arguments
        Keyword arguments of the function, as plain values (see `tasks.typed_arguments`). With `compute` among them,
        its `threads` are the CPU threads of numerical libraries; otherwise it is one thread. Snakemake's own number of
        threads is not used, because it falls with the cores at hand and would change last bits.
    """
    heavy = f"bias_amplification.{function.split(':')[0]}" in warm.PRELOAD
    given = plain(arguments)
    threads = given.get("compute", {}).get("threads", 1)
    task = Task(function, given, str(job.log[0]), threads, heavy)
    _date_inputs(job)
    _end_with_the_scheduler()
    try:
        try:
            status = warm.run(task)
        except warm.NoWarmProcess as reason:
            status = run_here(task, str(reason))
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        status = 1
    if status:
        _report_full_disk(Path(task.log))
    sys.exit(status)


def _report_full_disk(log: Path) -> None:
    """Report in the terminal if the log's disk has less than 1 MB left, because the log may lack the message."""
    from bias_amplification.artifacts.atomic import free_space

    if free_space(log) < 1_000_000:
        print(
            f"No space is left on the disk of {log.parent}: make room and run snakemake again. Finished files are "
            "kept.",
            file=_terminal,
            flush=True,
        )


def _date_inputs(job: Any) -> None:
    """Set the time of inputs from the future to now.

    After a clock was set back, such inputs would be newer than the outputs made from them.
    """
    now = time.time()
    for path in job.input:
        if os.path.exists(path) and os.stat(path).st_mtime > now and os.access(path, os.W_OK):
            os.utime(path)
