"""What a run tells in the terminal: one line when a job starts, one when it has ended, and failures whole."""

import logging
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

#: Rules that only list what is wanted; Snakemake counts them as jobs.
_LISTS = frozenset({"all", "corpus", "base", "chain", "measures", "neurons", "figures"})


@dataclass
class _Job:
    says: str
    log: str | None
    started: float
    rule: str
    round: str | None
    generation: int


class StudyProgress(logging.Filter):
    """Turn Snakemake's records about jobs into short lines.

    Attached to Snakemake's logger, it lets everything else pass: what a run is about to do, and every error.

    Parameters
    ----------
    generations
        Generations of each round.
    """

    def __init__(self, generations: int) -> None:
        super().__init__()
        self.generations = generations
        self.jobs: dict[int, _Job] = {}
        self.ended: list[int] = []
        self.rounds: dict[str, int] = {}
        self.planned: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.start = time.time()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record in place; return whether it is shown."""
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
            (record.wildcards or {}).get("round"),
            int((record.wildcards or {}).get("generation", 0)),
        )
        return self._say(record, f"{time.strftime('%H:%M:%S')}  ...        {self.jobs[record.jobid].says}")

    def _end(self, record: logging.LogRecord) -> bool:
        ended, self.ended = [self.jobs.pop(i) for i in self.ended if i in self.jobs], []
        if not ended:
            return False
        count = f"{record.done}/{self.planned.total() or record.total}".rjust(9)
        lines = [
            f"{time.strftime('%H:%M:%S')}  {count}  {job.says}: {time.time() - job.started:.0f} s{_result(job.log)}"
            for job in ended
        ]
        for job in ended:
            self.seconds[job.rule].append(time.time() - job.started)
        written = [job for job in ended if job.rule == "generate" and job.round]
        if written:
            self.rounds |= {job.round: job.generation + 1 for job in written}
            lines.append(f"          {self._progress()}")
        return self._say(record, "\n".join(lines))

    def _progress(self) -> str:
        """How far each round is, and how long the rest will take if jobs take as long as those before."""
        took = [seconds for some in self.seconds.values() for seconds in some]
        # What no job is known of takes the usual time; a mean would take it for one more training of the base model.
        usual, spent = statistics.median(took), sum(took)
        left = 0.0
        for rule, number in self.planned.items():
            known = self.seconds.get(rule)
            left += max(0, number - len(known or ())) * (statistics.mean(known) if known else usual)
        # Jobs run side by side as they have so far.
        left *= (time.time() - self.start) / max(spent, 1e-9)
        rounds = ", ".join(f"{name} {number}/{self.generations}" for name, number in sorted(self.rounds.items()))
        return f"generations written: {rounds}; about {_duration(left)} left"

    @staticmethod
    def _say(record: logging.LogRecord, line: str) -> bool:
        record.event, record.msg, record.args = None, line, None
        return True


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _result(log: str | None) -> str:
    """What a job's log says it has done: the line before its last, which tells the time."""
    try:
        lines = Path(log).read_text(encoding="utf-8").splitlines() if log else []
    except OSError:
        return ""
    return f", {lines[-2]}" if len(lines) > 1 and len(lines[-2]) < 100 else ""


def show_progress(generations: int) -> None:
    """Shorten what Snakemake says about jobs of a study with so many generations, from now on."""
    from snakemake.logging import logger

    if not any(isinstance(known, StudyProgress) for known in logger.filters):
        logger.addFilter(StudyProgress(generations))
