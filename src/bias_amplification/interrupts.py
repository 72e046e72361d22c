"""What ends a run from outside: Ctrl-C and a request to terminate mean the same, and reach the running jobs."""

import signal
from types import FrameType

import psutil


def end_jobs_with_the_head() -> None:
    """End the running local jobs when Snakemake is interrupted or asked to terminate, and then Snakemake.

    Snakemake alone would wait for its jobs, which may take hours, and after a request to terminate it may wait
    forever, because its handler takes a lock that the interrupted code can be holding. Jobs on a cluster are
    cancelled by Snakemake's own handling of Ctrl-C.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    # Once: ending takes a moment, and the terminal has sent the signal to the jobs as well.
    signal.signal(number, signal.SIG_IGN)
    for child in psutil.Process().children(recursive=True):
        try:
            child.terminate()
        except psutil.NoSuchProcess:
            continue
    raise KeyboardInterrupt
