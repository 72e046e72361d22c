"""What a run says when it is interrupted, and what its jobs see of the interrupt."""

import logging
import signal
import subprocess
import sys

import pytest
from snakemake.shell import shell

from bias_amplification.execution.interrupts import end_jobs_on_interrupt, record_is_shown

STOPPED = "Stopped. The same command goes on from here.\n"


def end_of(code: str) -> tuple[int, str]:
    """Return exit status and stderr of a process that explains its interrupts and then runs some code."""
    start = (
        "import os, signal, sys; from bias_amplification.execution.interrupts import explain_interrupts\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "explain_interrupts()\n"
    )
    command = [sys.executable, "-c", start + code]
    ended = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("clean_up", ["pass", "os.kill(os.getpid(), signal.SIGINT)"])
def test_ctrl_c_before_the_first_job_ends_with_a_sentence(clean_up: str) -> None:
    code = "try:\n    os.kill(os.getpid(), signal.SIGINT)\nfinally:\n"

    status, said = end_of(f"{code}    {clean_up}\n    print('unlocked', file=sys.stderr)")

    assert (status, said) == (-signal.SIGINT, f"unlocked\n{STOPPED}")


def test_other_errors_keep_their_traceback() -> None:
    status, said = end_of("sys.exit(3 / 0)")

    assert status == 1
    assert said.startswith("Traceback") and said.endswith("ZeroDivisionError: division by zero\n")


def test_jobs_do_not_see_the_terminals_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_process_prefix", None)

    end_jobs_on_interrupt()

    ignored = next(line for line in shell("cat /proc/self/status", iterable=True) if line.startswith("SigIgn:"))
    assert int(ignored.split()[1], 16) >> (signal.SIGINT - 1) & 1
    with pytest.raises(subprocess.CalledProcessError):
        shell("false | true")


def test_jobs_that_were_asked_to_end_are_not_reported_as_failed() -> None:
    def record(level: int, words: str) -> logging.LogRecord:
        return logging.LogRecord("snakemake", level, "", 0, words, None, None)

    begun = record(logging.INFO, "Terminating processes on user request, this might take some time.")

    assert record_is_shown(begun)
    assert begun.getMessage() == "Stopping: running jobs have 10 seconds to save their state."
    assert record_is_shown(record(logging.INFO, "Complete log(s): a.log"))
    assert not record_is_shown(record(logging.ERROR, "At least one job did not complete successfully."))
