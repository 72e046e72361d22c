"""The terminal output of a run.

A job has a line when it starts and a line when it has ended. Warnings of its log (`artifacts.notices.warn`) are below
that line. Failures are shown in full.
"""

import logging
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bias_amplification.artifacts.notices import WARNING
from bias_amplification.execution.jobs import state_file

#: Rules that only list files. Snakemake counts them as jobs.
_LISTS = frozenset({"all", "corpus", "base", "chain", "measures", "replicates", "neurons", "figures"})


@dataclass
class _Job:
    message: str
    log: str | None
    started: float
    rule: str
    chain: str | None
    generation: int


class StudyProgress(logging.Filter):
    """Turn Snakemake's records about jobs into short lines.

    It is attached to Snakemake's logger. All other records pass, such as the plan of the run and errors.

    Parameters
    ----------
    versions
        Number of generations of each round, over all its replicates.
    is_dry_run
        Returns whether nothing will be run. Snakemake's own lines then pass, because they give each job's reason.
    """

    def __init__(self, versions: Mapping[str, int], is_dry_run: Callable[[], bool]) -> None:
        super().__init__()
        self.versions = versions
        self.is_dry_run = is_dry_run
        self.jobs: dict[int, _Job] = {}
        self.ended: list[int] = []
        self.chains: dict[str, int] = {}
        self.warned: set[str] = set()
        self.planned: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.start = time.time()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record in place; return whether it is shown."""
        if self.is_dry_run():
            return True
        event = getattr(getattr(record, "event", None), "name", None)
        if event == "JOB_INFO":
            return self._start(record)
        if event == "JOB_FINISHED":
            self.ended.append(record.job_id)
            return False
        if event == "RUN_INFO":
            self.planned = Counter({rule: n for rule, n in record.stats.items() if rule not in _LISTS | {"total"}})
            self.start = time.time()
            return True
        if event == "PROGRESS":
            return self._end(record)
        return not record.getMessage().startswith(("Select jobs to execute", "Execute "))

    def _start(self, record: logging.LogRecord) -> bool:
        if record.rule_name in _LISTS:
            return False
        self.jobs[record.jobid] = _Job(
            record.rule_msg or record.rule_name,
            record.log[0] if record.log else None,
            time.time(),
            record.rule_name,
            (record.wildcards or {}).get("chain"),
            int((record.wildcards or {}).get("generation", 0)),
        )
        job = self.jobs[record.jobid]
        # The job itself finds out whether the state belongs to its settings. Its end says where it went on.
        state = ", with a saved state" if job.log and os.path.exists(state_file(job.log)) else ""
        return self._show(record, f"{time.strftime('%H:%M:%S')}  ...        {job.message}{state}")

    def _end(self, record: logging.LogRecord) -> bool:
        ended, self.ended = [self.jobs.pop(i) for i in self.ended if i in self.jobs], []
        if not ended:
            return False
        count = f"{record.done}/{self.planned.total() or record.total}".rjust(9)
        lines: list[str] = []
        for job in ended:
            took = f"{time.time() - job.started:.0f} s"
            lines.append(f"{time.strftime('%H:%M:%S')}  {count}  {job.message}: {took}{_result(job.log)}")
            warnings = [line for line in _lines(job.log) if line.startswith(WARNING)]
            lines += [f"          {line}" for line in dict.fromkeys(warnings) if line not in self.warned]
            self.warned.update(warnings)
            self.seconds[job.rule].append(time.time() - job.started)
        written = [job for job in ended if job.rule == "generate" and job.chain]
        if written:
            self.chains |= {job.chain: job.generation + 1 for job in written}
            lines.append(f"          {self._progress()}")
        return self._show(record, "\n".join(lines))

    def _progress(self) -> str:
        """Describe how far each round is, and estimate the time left from the durations of finished jobs."""
        took = [seconds for some in self.seconds.values() for seconds in some]
        # Rules without a finished job are given the median duration. The mean would be far too long: the few long
        # jobs, such as pretraining, come first.
        usual, spent = statistics.median(took), sum(took)
        left = 0.0
        for rule, number in self.planned.items():
            known = self.seconds.get(rule)
            left += max(0, number - len(known or ())) * (statistics.mean(known) if known else usual)
        # Assume that as many jobs run at once as so far.
        left *= (time.time() - self.start) / max(spent, 1e-9)
        written: Counter[str] = Counter()
        for chain, number in self.chains.items():
            written[chain.split("/")[0]] += number
        rounds = ", ".join(f"{name} {number}/{self.versions[name]}" for name, number in sorted(written.items()))
        return f"generations written: {rounds}; about {_duration(left)} left"

    @staticmethod
    def _show(record: logging.LogRecord, line: str) -> bool:
        record.event, record.msg, record.args = None, line, None
        return True


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _result(log: str | None) -> str:
    """Return what a job's log reports: where it went on, and its result.

    The result is the line before the last, which has the time.
    """
    lines = _lines(log)
    resumed = [line for line in lines[:-1] if line.startswith("going on after ")]
    shown = dict.fromkeys([*resumed, *lines[-2:-1]])
    return "".join(f", {line.replace('going on', 'went on', 1)}" for line in shown if len(line) < 100)


def _lines(log: str | None) -> list[str]:
    """Return the lines of a job's log; none if it has no log."""
    try:
        return Path(log).read_text(encoding="utf-8").splitlines() if log else []
    except OSError:
        return []


def show_progress(versions: Mapping[str, int], is_dry_run: Callable[[], bool]) -> None:
    """Shorten Snakemake's output about jobs from now on.

    Parameters
    ----------
    versions, is_dry_run
        See `StudyProgress`.
    """
    from snakemake.logging import logger

    if not any(isinstance(known, StudyProgress) for known in logger.filters):
        logger.addFilter(StudyProgress(versions, is_dry_run))
