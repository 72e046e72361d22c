"""Ctrl-C and SIGTERM end a run in the same way: the running jobs are asked to end first."""

import importlib
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import psutil

from bias_amplification.execution.warm import SECONDS_TO_SAVE


def end_jobs_on_interrupt() -> None:
    """End the running local jobs and then Snakemake when Snakemake receives Ctrl-C or SIGTERM.

    By itself Snakemake waits for its jobs, which may take hours. After SIGTERM it may wait forever, because its handler
    takes a lock that the interrupted code can be holding. Jobs have some seconds to save their state; a second Ctrl-C
    ends them at once. Snakemake's own handler of Ctrl-C cancels jobs on a cluster.
    """
    # Snakemake imports polars, where it is installed, when it runs its first script. Polars then takes over Ctrl-C, and
    # Python would notice it only when a job ends. A handler that is set after the import is not replaced.
    with suppress(ImportError):
        importlib.import_module("polars")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    jobs = psutil.Process().children(recursive=True)
    asked = time.monotonic()

    def end_at_once(number: int, frame: FrameType | None) -> None:
        # Terminals send one Ctrl-C to the process and to its group, so a signal within a second is the same request.
        if time.monotonic() - asked > 1:
            _send(signal.SIGKILL, jobs)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, end_at_once)
    _send(signal.SIGTERM, jobs)
    threading.Thread(target=_wait_and_kill, args=(jobs,), daemon=True).start()
    raise KeyboardInterrupt


def _wait_and_kill(jobs: Sequence[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(jobs, timeout=SECONDS_TO_SAVE)
    _send(signal.SIGKILL, alive)


def _send(number: int, jobs: Sequence[psutil.Process]) -> None:
    for job in jobs:
        try:
            job.send_signal(number)
        except psutil.NoSuchProcess:
            continue
