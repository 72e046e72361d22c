"""Run one function of the package as one job of the workflow.

Every script of the workflow ends in a call of `run_job`. The job's output goes to its log; a fault that the user can
mend is one sentence there, anything else a traceback.
"""

import sys
from typing import Any

from bias_amplification import warm
from bias_amplification.tasks import Task, run_here


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
    root, name = log.split("/logs/", 1)
    return {
        "path": f"{root}/state/{name.removesuffix('.log')}.safetensors",
        "seconds": job.config["compute"]["checkpoint_seconds"],
    }


def run_job(function: str, job: Any, **arguments: Any) -> None:
    """Call a function of the package for a rule, in a warm process if there is one, and exit with its status.

    Parameters
    ----------
    function
        "module:name" below `bias_amplification`, which is imported where the call is made.
    job
        Snakemake's object: `log[0]` names the log, `params.threads` the threads (1 if absent).
    arguments
        Keyword arguments of the function.
    """
    task = Task(function, plain(arguments), str(job.log[0]), int(getattr(job.params, "threads", 1)))
    status = warm.run(task)
    if status is None:
        status = run_here(task)
    sys.exit(status)
