"""What a run tells in the terminal: one line when a job starts, one when it has ended, and failures whole."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class _Job:
    says: str
    log: str | None
    started: float


class StudyProgress(logging.Filter):
    """Turn Snakemake's records about jobs into short lines.

    Attached to Snakemake's logger, it lets everything else pass: what a run is about to do, and every error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, _Job] = {}
        self.ended: list[int] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record in place; return whether it is shown."""
        event = getattr(getattr(record, "event", None), "name", None)
        if event == "JOB_INFO":
            return self._start(record)
        if event == "JOB_FINISHED":
            self.ended.append(record.job_id)
            return False
        if event == "PROGRESS":
            return self._end(record)
        return not record.getMessage().startswith(("Select jobs to execute", "Execute "))

    def _start(self, record: logging.LogRecord) -> bool:
        if record.rule_name == "all":
            return False
        self.jobs[record.jobid] = _Job(
            record.rule_msg or record.rule_name, record.log[0] if record.log else None, time.time()
        )
        return self._say(record, f"{time.strftime('%H:%M:%S')}  ...        {self.jobs[record.jobid].says}")

    def _end(self, record: logging.LogRecord) -> bool:
        ended, self.ended = [self.jobs.pop(i) for i in self.ended if i in self.jobs], []
        if not ended:
            return False
        # The rule that only lists what is wanted is counted by Snakemake, and is no work.
        count = f"{record.done}/{record.total - 1}".rjust(9)
        lines = [
            f"{time.strftime('%H:%M:%S')}  {count}  {job.says}: {time.time() - job.started:.0f} s{_result(job.log)}"
            for job in ended
        ]
        return self._say(record, "\n".join(lines))

    @staticmethod
    def _say(record: logging.LogRecord, line: str) -> bool:
        record.event, record.msg, record.args = None, line, None
        return True


def _result(log: str | None) -> str:
    """What a job's log says it has done: the line before its last, which tells the time."""
    try:
        lines = Path(log).read_text(encoding="utf-8").splitlines() if log else []
    except OSError:
        return ""
    return f", {lines[-2]}" if len(lines) > 1 and len(lines[-2]) < 100 else ""


def show_progress() -> None:
    """Shorten what Snakemake says about jobs, from now on."""
    from snakemake.logging import logger

    if not any(isinstance(known, StudyProgress) for known in logger.filters):
        logger.addFilter(StudyProgress())
