"""The lines that a run shows in the terminal."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from bias_amplification.artifacts.notices import warn
from bias_amplification.execution.terminal import StudyProgress


def record(event: str, **facts) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, "words", None, None)
    made.event = SimpleNamespace(name=event)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def job(progress: StudyProgress, number: int, rule: str, log: Path | None = None, **wildcards) -> None:
    info = {"rule_name": rule, "rule_msg": f"doing {rule}", "log": [log] if log else [], "wildcards": wildcards}
    assert progress.filter(record("JOB_INFO", jobid=number, **info))


def ended(progress: StudyProgress, number: int, done: int) -> str:
    assert not progress.filter(record("JOB_FINISHED", job_id=number))
    progress_record = record("PROGRESS", done=done, total=7)
    assert progress.filter(progress_record)
    return progress_record.msg


def test_generations_and_the_time_left_are_shown(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("bias_amplification.execution.terminal.time.time", lambda: now[0])
    progress = StudyProgress({"a": 3}, lambda: False)
    progress.filter(record("RUN_INFO", stats={"finetune": 3, "generate": 3, "all": 1, "total": 7}))
    job(progress, 1, "finetune", chain="a", generation="00")
    now[0] += 20
    assert "left" not in ended(progress, 1, 1)
    job(progress, 2, "generate", chain="a", generation="00")
    now[0] += 10

    said = ended(progress, 2, 2)

    # Two more of 20 s and two more of 10 s, one after the other as before.
    assert said.splitlines()[1].strip() == "generations written: a 1/3; about 60 s left"
    assert "doing generate: 10 s" in said


def test_rules_without_a_finished_job_are_given_the_median_duration(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("bias_amplification.execution.terminal.time.time", lambda: now[0])
    progress = StudyProgress({"a": 1}, lambda: False)
    progress.filter(record("RUN_INFO", stats={"pretrain": 1, "finetune": 1, "generate": 1, "classify": 5}))
    for number, (rule, seconds) in enumerate({"pretrain": 200, "finetune": 4, "generate": 2}.items(), start=1):
        job(progress, number, rule, chain="a", generation="00")
        now[0] += seconds
        said = ended(progress, number, number)

    assert said.splitlines()[1].strip() == "generations written: a 1/1; about 20 s left"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(5, "5 s"), (89, "89 s"), (600, "10 min"), (5399, "1 h 30 min"), (5400, "1 h 30 min"), (90_000, "25 h 00 min")],
)
def test_the_time_left_has_two_units_at_most(monkeypatch, seconds, shown):
    now = [0.0]
    monkeypatch.setattr("bias_amplification.execution.terminal.time.time", lambda: now[0])
    progress = StudyProgress({"a": 2}, lambda: False)
    progress.filter(record("RUN_INFO", stats={"generate": 2}))
    job(progress, 1, "generate", chain="a", generation="00")
    now[0] += seconds

    assert ended(progress, 1, 1).endswith(f"about {shown} left")


def test_each_warning_of_the_logs_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    progress, said = StudyProgress({"a": 3}, lambda: False), []
    for number, sentence in enumerate(
        ("The texts are short.", "The texts are short.", "The texts are empty."), start=1
    ):
        log = tmp_path / f"{number}.log"
        warn(sentence)
        log.write_text(f"reading\n{capsys.readouterr().out}9 tokens written\ndone in 2 s\n", encoding="utf-8")
        job(progress, number, "write", str(log))
        said.append(ended(progress, number, number).splitlines())

    assert [lines[0].endswith(", 9 tokens written") for lines in said] == [True] * 3
    assert [[line.strip() for line in lines[1:]] for lines in said] == [
        ["warning: The texts are short."],
        [],
        ["warning: The texts are empty."],
    ]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("done in 3 s\n", ""),
        ("step 1\ntrained 80 steps\ndone in 3 s\n", ", trained 80 steps"),
        (
            "going on after step 48 of 80\nstep 56\ntrained 80 steps\ndone in 3 s\n",
            ", went on after step 48 of 80, trained 80 steps",
        ),
        ("going on after batch 4 of 9\ndone in 3 s\n", ", went on after batch 4 of 9"),
    ],
)
def test_a_job_that_went_on_says_where(monkeypatch, tmp_path, log, shown):
    monkeypatch.setattr("bias_amplification.execution.terminal.time.time", lambda: 1000.0)
    for folder in ("logs", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "logs" / "job.log").write_text(log, encoding="utf-8")
    progress = StudyProgress({"a": 1}, lambda: False)
    facts = {"rule_name": "finetune", "rule_msg": "tuning", "log": [str(tmp_path / "logs/job.log")], "wildcards": {}}
    begun = [record("JOB_INFO", jobid=1, **facts) for _ in range(2)]

    progress.filter(begun[0])
    (tmp_path / "state" / "job.safetensors").touch()
    progress.filter(begun[1])

    assert [words.msg.rsplit("  ", 1)[1] for words in begun] == ["tuning", "tuning, with a saved state"]
    assert ended(progress, 1, 1).endswith(f"tuning: 0 s{shown}")


def test_other_records_pass():
    assert StudyProgress({"a": 3}, lambda: False).filter(record("ERROR"))


def test_a_dry_run_keeps_snakemakes_own_lines() -> None:
    info = record("JOB_INFO", jobid=1, rule_name="finetune", rule_msg="fine-tuning", log=[], wildcards={})

    assert StudyProgress({"a": 3}, lambda: True).filter(info)
    assert info.msg == "words"
    assert info.event.name == "JOB_INFO"


def test_replicates_of_a_round_are_counted_together(monkeypatch):
    monkeypatch.setattr("bias_amplification.execution.terminal.time.time", lambda: 1000.0)
    progress = StudyProgress({"a": 6}, lambda: False)
    progress.filter(record("RUN_INFO", stats={"generate": 6}))
    job(progress, 1, "generate", chain="a", generation="01")
    ended(progress, 1, 1)
    job(progress, 2, "generate", chain="a/replicate_02", generation="00")

    assert ended(progress, 2, 2).splitlines()[1].strip().startswith("generations written: a 3/6;")
