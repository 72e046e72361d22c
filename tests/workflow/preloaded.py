"""Load the libraries of Snakemake and of the study's jobs once, and fork for each request.

    python preloaded.py MODULE ...

Loading PyTorch takes five seconds of a core and loading Snakemake two. The tests run Snakemake about 200 times.

A request is one line on the standard input, a JSON list of strings. The answer is one line with an exit status.

    ["warm", PROCESS]                            start a warm process for the jobs of the Snakemake with this id
    ["snakemake", FOLDER, OUTPUT, ARGUMENT ...]  run Snakemake in a folder, with its output in a file
    ["study", FOLDER, OUTPUT, ARGUMENT ...]      the same with a warm process for its jobs
"""

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from bias_amplification.execution import warm


def start_warm_process(scheduler: str) -> None:
    warm.announce(int(scheduler))
    Path(os.environ[warm.VARIABLE]).mkdir(mode=0o700, exist_ok=True)
    if os.fork() == 0:
        os.setsid()
        warm.serve((), ())
        os._exit(0)


def run_snakemake(folder: str, output: str, *arguments: str) -> None:
    from snakemake.cli import main

    # End a run that hangs.
    signal.alarm(900)
    os.chdir(folder)
    with open(output, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    main(list(arguments))


def run_study(folder: str, output: str, *arguments: str) -> None:
    # As a shell does: a process group of its own.
    os.setpgid(0, 0)
    start_warm_process(str(os.getpid()))
    run_snakemake(folder, output, *arguments)


def call_in_fork(call: Callable[..., None], *arguments: str) -> int:
    """Make a call in a fork and return its exit status."""
    fork = os.fork()
    if fork:
        return os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    status = 1
    try:
        answers.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        call(*arguments)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    # Forks must not print into the answers.
    os.dup2(2, 1)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    calls = {"warm": start_warm_process, "snakemake": run_snakemake, "study": run_study}
    for line in sys.stdin:
        name, *given = json.loads(line)
        print(call_in_fork(calls[name], *given), file=answers, flush=True)
