"""Ctrl-C and SIGTERM end a run in the same way: the running jobs are asked to end first."""

import atexit
import importlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType, TracebackType

import psutil

from bias_amplification.execution.warm import SECONDS_TO_SAVE


def explain_interrupts() -> None:
    """Let Ctrl-C end this process with a sentence instead of Python's traceback, before its first job and after.

    A second Ctrl-C is ignored until the process has ended, so that Snakemake can unlock the folder.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    sys.excepthook = _explain


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _say_at_the_end()
    else:
        sys.__excepthook__(kind, error, trace)


def _say_at_the_end() -> None:
    """Print how to go on after everything that Snakemake still prints."""
    atexit.unregister(_say)
    atexit.register(_say)


def _say() -> None:
    print("Stopped. The same command goes on from here.", file=sys.stderr, flush=True)


def end_jobs_on_interrupt() -> None:
    """End the running local jobs and then Snakemake when Snakemake receives Ctrl-C or SIGTERM.

    By itself Snakemake waits for its jobs, which may take hours. After SIGTERM it may wait forever, because its handler
    takes a lock that the interrupted code can be holding. Jobs have some seconds to save their state; a second Ctrl-C
    ends them at once. Snakemake's own handler of Ctrl-C cancels jobs on a cluster.
    """
    from snakemake.shell import shell

    # Snakemake imports polars, where it is installed, when it runs its first script. Polars then takes over Ctrl-C, and
    # Python would notice it only when a job ends. A handler that is set after the import is not replaced.
    with suppress(ImportError):
        importlib.import_module("polars")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # A terminal sends Ctrl-C to the jobs, too. They would print tracebacks, and they are asked to end anyway.
    shell.prefix("set -euo pipefail; trap '' INT; ")


def _end(number: int, frame: FrameType | None) -> None:
    from snakemake.logging import logger

    jobs = psutil.Process().children(recursive=True)
    asked = time.monotonic()
    _say_at_the_end()
    logger.addFilter(record_is_shown)

    def end_at_once(number: int, frame: FrameType | None) -> None:
        # Terminals send one Ctrl-C to the process and to its group, so a signal within a second is the same request.
        if time.monotonic() - asked > 1:
            _send(signal.SIGKILL, jobs)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, end_at_once)
    _send(signal.SIGTERM, jobs)
    threading.Thread(target=_wait_and_kill, args=(jobs,), daemon=True).start()
    raise KeyboardInterrupt


def record_is_shown(record: logging.LogRecord) -> bool:
    """Leave out Snakemake's errors after an interrupt: jobs that were asked to end have not failed."""
    if record.getMessage().startswith("Terminating processes on user request"):
        record.msg, record.args = f"Stopping: running jobs have {SECONDS_TO_SAVE} seconds to save their state.", None
    return record.levelno < logging.ERROR


def _wait_and_kill(jobs: Sequence[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(jobs, timeout=SECONDS_TO_SAVE)
    _send(signal.SIGKILL, alive)


def _send(number: int, jobs: Sequence[psutil.Process]) -> None:
    for job in jobs:
        try:
            job.send_signal(number)
        except psutil.NoSuchProcess:
            continue
