"""A function of the package runs as one job: exit status, log, arguments."""

import os
import re
import subprocess
import sys
import time
import traceback
import types
from pathlib import Path
from types import SimpleNamespace

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.execution import jobs, warm
from bias_amplification.execution.jobs import job_compute, plain, run_job
from bias_amplification.execution.tasks import Task, run_here
from helpers import mount


def succeed(word: str) -> None:
    print(f"said {word}")
    os.system("echo said by a child")
    print("to stderr", file=sys.stderr)


def fail_for_the_user() -> None:
    raise StudyError("corpus.csv has no row 7: add it.")


def fail_otherwise() -> None:
    raise ZeroDivisionError("a fault of the program")


def write_weights(folder: str) -> None:
    from bias_amplification.language_model.load import save_model
    from bias_amplification.language_model.pretrain import new_model

    save_model(new_model(layers=1, width=64, heads=2, context=64, vocabulary=400, end=0, seed=0), f"{folder}/base")


def print_threads(compute: dict) -> None:
    names = "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM"
    print(*(os.environ[name] for name in names))


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the functions of this file importable as a module of the package."""
    room = types.ModuleType("bias_amplification.probe")
    for function in (succeed, fail_for_the_user, fail_otherwise, print_threads, write_weights):
        setattr(room, function.__name__, function)
    monkeypatch.setitem(sys.modules, "bias_amplification.probe", room)
    monkeypatch.delenv(warm.VARIABLE, raising=False)


def in_fork(call, *arguments: object) -> int:
    """Return the exit status of a call made in a fork, because a job redirects its process's output for good."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 99
        # pytest replaces both streams.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        try:
            status = call(*arguments)
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_log_has_all_output_and_the_time(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"

    status = in_fork(run_here, Task("probe:succeed", {"word": "hello"}, str(log)))

    lines = log.read_text().splitlines()
    assert status == 0
    assert set(lines[:-1]) == {"said hello", "said by a child", "to stderr"}
    assert re.fullmatch(r"done in [\d.]+ s, at most [\d,]+ MB of memory", lines[-1])


def test_a_study_error_is_one_sentence_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("an earlier run's log")

    status = in_fork(run_here, Task("probe:fail_for_the_user", {}, str(log)))

    assert status == 1
    assert log.read_text() == "corpus.csv has no row 7: add it.\n"


def test_a_full_disk_is_one_sentence_in_the_log(tmp_path: Path) -> None:
    disk, log = tmp_path / "disk", tmp_path / "job.log"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "none", disk)
    try:
        status = in_fork(run_here, Task("probe:write_weights", {"folder": str(disk)}, str(log)))
        left = list(disk.rglob("*.safetensors"))
    finally:
        subprocess.run(["umount", disk], check=True)

    assert status == 1
    assert left == []
    assert log.read_text() == (
        f"{disk}/base: No space left on device: correct that and run snakemake again. Finished files are kept.\n"
    )


@pytest.mark.parametrize(
    ("function", "last"),
    [
        ("probe:fail_otherwise", "ZeroDivisionError: a fault of the program"),
        ("none:function", "ModuleNotFoundError: No module named 'bias_amplification.none'"),
    ],
)
def test_other_errors_are_tracebacks_in_the_log(tmp_path: Path, function: str, last: str) -> None:
    log = tmp_path / "job.log"

    status = in_fork(run_here, Task(function, {}, str(log)))

    lines = log.read_text().splitlines()
    assert status == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == last


def test_threads_are_those_of_compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = SimpleNamespace(log=[tmp_path / "job.log"], params=SimpleNamespace(), input=[])

    status = in_fork(lambda: run_job("probe:print_threads", job, compute={"threads": 3}))

    assert status == 0
    assert (tmp_path / "job.log").read_text().startswith("3 3 1 true\n")


def test_run_job_exits_with_the_warm_process_status(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(warm, "run", lambda task: seen.append(task) or 7)
    monkeypatch.setattr(jobs, "run_here", lambda task: pytest.fail("the job ran twice"))

    with pytest.raises(SystemExit) as end:
        run_job("probe:succeed", SimpleNamespace(log=["a.log"], params=SimpleNamespace(), input=[]), word="x")

    assert end.value.code == 7
    assert seen == [Task("probe:succeed", {"word": "x"}, "a.log", threads=1, heavy=False, folder=os.getcwd())]


def test_a_job_without_a_warm_process_runs_by_itself_and_its_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    def refuse(task: Task) -> int:
        raise warm.NoWarmProcess("The warm process cannot be used: the reason")

    monkeypatch.setattr(warm, "run", refuse)
    job = SimpleNamespace(log=[tmp_path / "job.log"], params=SimpleNamespace(), input=[])

    status = in_fork(lambda: run_job("probe:succeed", job, word="hello"))

    lines = (tmp_path / "job.log").read_text().splitlines()
    assert status == 0
    assert lines[0] == "The warm process cannot be used: the reason"
    assert "said hello" in lines
    assert capfd.readouterr().err == ""


def test_a_notebooks_backend_of_figures_does_not_reach_a_job(tmp_path: Path) -> None:
    code = (
        "import sys, types; from bias_amplification.execution.tasks import Task, run_here; "
        "room = types.ModuleType('bias_amplification.probe'); sys.modules['bias_amplification.probe'] = room; "
        "room.draw = lambda: print(__import__('matplotlib').get_backend(), chr(0x6d77)); "
        f"sys.exit(run_here(Task('probe:draw', {{}}, {str(tmp_path / 'job.log')!r})))"
    )
    environment = {
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(sys.path),
        # A locale whose encoding lacks most characters.
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }

    subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    assert (tmp_path / "job.log").read_text(encoding="utf-8").startswith("agg 海\n")


def test_snakemakes_types_become_plain_values() -> None:
    class Path2(str):
        flags = ()

    class Named(list):
        pass

    value = {"files": Named([Path2("a"), Path2("b")]), "share": 0.5, "none": None, "yes": True, "pair": (1, Path2("c"))}

    found = plain(value)

    assert found == {"files": ["a", "b"], "share": 0.5, "none": None, "yes": True, "pair": [1, "c"]}
    assert type(found["files"]) is list
    assert {type(item) for item in [*found["files"], found["pair"][1]]} == {str}


def test_the_time_of_inputs_from_the_future_becomes_now(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "run", lambda task: 0)
    late, early = tmp_path / "late", tmp_path / "early"
    for path, shift in ((late, 3600), (early, -3600)):
        path.touch()
        os.utime(path, (time.time() + shift,) * 2)
    before = early.stat().st_mtime_ns

    with pytest.raises(SystemExit):
        run_job(
            "probe:succeed", SimpleNamespace(log=["a.log"], params=SimpleNamespace(), input=[str(late), str(early)])
        )

    assert late.stat().st_mtime <= time.time()
    assert early.stat().st_mtime_ns == before


def test_compute_has_the_jobs_threads_and_a_state_file_named_after_its_log() -> None:
    job = SimpleNamespace(
        log=["results/logs/rounds/a/generation_01/finetune.log"],
        config={"compute": {"device": "cpu", "gpus": 1, "threads": 1, "training_threads": 2, "checkpoint_seconds": 5}},
        resources={"gpu": 1, "gpu_mb": 4000},
    )

    found = job_compute(job, threads="training_threads")

    assert found == {
        "processes": 1,
        "device": "cpu",
        "gpus": 1,
        "threads": 2,
        "training_threads": 2,
        "checkpoint_seconds": 5,
        "state": "results/state/rounds/a/generation_01/finetune.safetensors",
        "gpu_mb": 4000,
    }


@pytest.mark.parametrize(("device", "processes"), [("cuda", 2), ("cpu", 1)])
def test_a_job_has_a_process_for_each_gpu(device: str, processes: int) -> None:
    compute = {"device": device, "gpus": 2, "threads": 1}
    job = SimpleNamespace(log=["results/logs/a.log"], config={"compute": compute}, resources={})

    assert job_compute(job)["processes"] == processes
