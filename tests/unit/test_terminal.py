"""What the terminal shows of a run."""

import logging
from types import SimpleNamespace

from bias_amplification.terminal import StudyProgress, _duration


def record(event: str, **facts) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, "words", None, None)
    made.event = SimpleNamespace(name=event)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def job(progress: StudyProgress, number: int, rule: str, **wildcards) -> None:
    info = {"rule_name": rule, "rule_msg": f"doing {rule}", "log": [], "wildcards": wildcards}
    assert progress.filter(record("JOB_INFO", jobid=number, **info))


def ended(progress: StudyProgress, number: int, done: int) -> str:
    assert not progress.filter(record("JOB_FINISHED", job_id=number))
    told = record("PROGRESS", done=done, total=7)
    assert progress.filter(told)
    return told.msg


def test_generations_and_the_time_left_are_told(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("bias_amplification.terminal.time.time", lambda: now[0])
    progress = StudyProgress(generations=3)
    progress.filter(record("RUN_INFO", stats={"finetune": 3, "generate": 3, "all": 1, "total": 7}))
    job(progress, 1, "finetune", round="a", generation="00")
    now[0] += 20
    assert "left" not in ended(progress, 1, 1)
    job(progress, 2, "generate", round="a", generation="00")
    now[0] += 10

    said = ended(progress, 2, 2)

    # Two more of 20 s and two more of 10 s, one after the other as before.
    assert said.splitlines()[1].strip() == "generations written: a 1/3; about 60 s left"
    assert "doing generate: 10 s" in said


def test_one_long_job_does_not_make_unknown_ones_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("bias_amplification.terminal.time.time", lambda: now[0])
    progress = StudyProgress(generations=1)
    progress.filter(record("RUN_INFO", stats={"pretrain": 1, "finetune": 1, "generate": 1, "classify": 5}))
    for number, (rule, seconds) in enumerate({"pretrain": 200, "finetune": 4, "generate": 2}.items(), start=1):
        job(progress, number, rule, round="a", generation="00")
        now[0] += seconds
        said = ended(progress, number, number)

    assert said.splitlines()[1].strip() == "generations written: a 1/1; about 20 s left"


def test_durations_are_said_as_people_say_them():
    assert [_duration(s) for s in (5, 89, 600, 5399, 5400, 90_000)] == [
        "5 s", "89 s", "10 min", "1 h 30 min", "1 h 30 min", "25 h 00 min",
    ]  # fmt: skip


def test_other_records_pass():
    assert StudyProgress(3).filter(record("ERROR"))
