"""The warm process: jobs run in its forks, and end when the process that asked for them ends."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bias_amplification.execution import warm
from bias_amplification.execution.tasks import Task
from helpers import wait_until

#: A light module to load in place of the libraries. Its jobs report the process and the folder in which they run.
PROBE = """
import os, sys, time, types
from pathlib import Path
from bias_amplification.artifacts import StudyError

def tell(out):
    Path(out).write_text(f"{os.getpid()} {os.getppid()} {os.getcwd()} {os.environ.get('BIAS_AMPLIFICATION_WARM')}")

def refuse():
    raise StudyError("mend the config.")

def linger(out):
    Path(out).write_text(str(os.getpid()))
    time.sleep(60)

def loaded(out):
    Path(out).write_text(str([name for name in ("warm_probe", "warm_later") if name in sys.modules]))

def crash(number):
    print("half way", flush=True)
    os.kill(os.getpid(), number)

def leave(status):
    os._exit(status)

def leave_alone():
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)

room = types.ModuleType("bias_amplification.probe")
for call in (tell, refuse, linger, loaded, crash, leave, leave_alone):
    setattr(room, call.__name__, call)
sys.modules["bias_amplification.probe"] = room
"""

CLIENT = """
import sys
from bias_amplification.execution import warm
from bias_amplification.execution.tasks import Task
warm.run(Task("probe:linger", {"out": sys.argv[1]}, sys.argv[2]))
"""


def runs(process: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen]:
    """A process in the role of Snakemake, announced to jobs; the warm process ends with it."""
    # Paths of sockets must be short; pytest's folders are too long.
    with tempfile.TemporaryDirectory(prefix="warm") as short, subprocess.Popen(["sleep", "60"]) as process:
        (tmp_path / "warm_probe.py").write_text(PROBE)
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "warm_later.py").touch()
        monkeypatch.setattr(warm, "PRELOAD", ("warm_probe",))
        monkeypatch.setattr(warm, "LATER", ("warm_later", "no_such_library"))
        monkeypatch.setenv(warm.VARIABLE, "to be set")
        warm.announce(process.pid)
        yield process
        process.kill()
        process.wait()
        folder = Path(os.environ[warm.VARIABLE])
        wait_until(lambda: not (folder / "socket").exists())


def test_jobs_run_in_forks_of_one_process(
    head: subprocess.Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = [tmp_path / f"out{k}" for k in range(3)]
    places = [tmp_path / name for name in ("one", "two", "three")]
    statuses = []
    for out, place in zip(outs, places, strict=True):
        place.mkdir()
        monkeypatch.chdir(place)
        statuses.append(warm.run(Task("probe:tell", {"out": str(out)}, str(tmp_path / "job.log"))))

    told = [out.read_text().split() for out in outs]

    assert statuses == [0, 0, 0]
    assert len({process for process, *_ in told}) == 3
    assert len({parent for _, parent, *_ in told}) == 1
    assert str(os.getpid()) not in {process for process, *_ in told} | {parent for _, parent, *_ in told}
    assert [place for _, _, place, _ in told] == [str(place) for place in places]
    # The variable is unset in a job, so its own children do not ask for forks.
    assert {variable for *_, variable in told} == {"None"}
    assert (tmp_path / "job.log").read_text().startswith("done in ")


def test_some_libraries_are_loaded_after_the_first_job(head: subprocess.Popen, tmp_path: Path) -> None:
    told = []
    for out in (tmp_path / "one", tmp_path / "two"):
        assert warm.run(Task("probe:loaded", {"out": str(out)}, str(tmp_path / "job.log"))) == 0
        told.append(out.read_text())

    assert told == ["['warm_probe']", "['warm_probe', 'warm_later']"]


@pytest.mark.slow
def test_the_modules_of_the_warm_process_exist_and_save_imports() -> None:
    """After they are loaded, reading a table and drawing a figure import nothing more of these libraries."""
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {warm.PRELOAD + warm.LATER}]; "
        "known = set(sys.modules); import io, pyarrow as pa, pyarrow.parquet as pq; pool = io.BytesIO(); "
        "pq.write_table(pa.table({'a': [1]}), pool); pq.read_table(pool); "
        "from matplotlib.figure import Figure; figure = Figure(); figure.subplots().plot([1, 2]); "
        "[figure.savefig(io.BytesIO(), format=kind) for kind in ('png', 'pdf', 'svg')]; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - known}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert not {"pandas", "pyarrow", "matplotlib", "fontTools", "scipy"} & set(found.stdout.split())


def test_a_users_fault_comes_back_as_status_1(head: subprocess.Popen, tmp_path: Path) -> None:
    status = warm.run(Task("probe:refuse", {}, str(tmp_path / "job.log")))

    assert status == 1
    assert (tmp_path / "job.log").read_text() == "mend the config.\n"


@pytest.mark.parametrize(
    ("call", "end"),
    [
        (("crash", {"number": 9}), "half way\nThe job's process was ended by SIGKILL (signal 9).\n"),
        (("crash", {"number": 11}), "half way\nThe job's process was ended by SIGSEGV (signal 11).\n"),
        (("leave", {"status": 3}), "The job's process ended with exit status 3 before the job was done.\n"),
    ],
)
def test_a_killed_job_is_told_with_its_end_and_later_jobs_run(
    head: subprocess.Popen, tmp_path: Path, call: tuple[str, dict], end: str
) -> None:
    function, arguments = call
    log = tmp_path / "job.log"

    assert warm.run(Task(f"probe:{function}", arguments, str(log))) == 1
    assert log.read_text() == end
    assert warm.run(Task("probe:tell", {"out": str(tmp_path / "out")}, str(log))) == 0


def test_a_job_that_ends_with_the_warm_process_is_told_and_later_jobs_run(
    head: subprocess.Popen, tmp_path: Path
) -> None:
    log = tmp_path / "job.log"

    assert warm.run(Task("probe:leave_alone", {}, str(log))) == 1
    assert log.read_text() == (
        "The job's process ended without an answer, and the warm process, which would know how, has ended too.\n"
    )
    # A process that is just ending may still accept a connection.
    again = Task("probe:tell", {"out": str(tmp_path / "out")}, str(log))
    wait_until(lambda: warm.run(again) == 0)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (4, 4, ""),
        (None, None, ""),
        (4, 5, " While it ran, the system killed a process because memory ran out (oom_kill)."),
        (4, 7, " While it ran, the system killed 3 processes because memory ran out (oom_kill)."),
    ],
)
def test_memory_is_named_only_if_the_system_counted_a_process_that_it_killed(
    monkeypatch: pytest.MonkeyPatch, before: int | None, after: int | None, told: str
) -> None:
    monkeypatch.setattr(warm, "_killed_for_memory", lambda: after)

    found = warm._end_in_words(bytes([ord("s"), signal.SIGKILL]), before)

    assert found == f"The job's process was ended by SIGKILL (signal 9).{told}"


def test_the_system_counts_the_processes_that_it_killed_for_memory() -> None:
    count = warm._killed_for_memory()

    assert count is None or count >= 0


def test_a_job_is_told_at_once_that_its_own_process_was_killed_while_others_run(
    head: subprocess.Popen, tmp_path: Path
) -> None:
    """The forks of later jobs do not keep the connection of an earlier job open."""
    warm.run(Task("probe:tell", {"out": str(tmp_path / "out")}, str(tmp_path / "job.log")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    clients = [
        subprocess.Popen([sys.executable, "-c", CLIENT, tmp_path / name, tmp_path / f"{name}.log"], env=environment)
        for name in ("first", "second")
    ]
    first, second = clients
    process = int(wait_until(lambda: (tmp_path / "first").exists() and (tmp_path / "first").read_text(), first))
    wait_until(lambda: (tmp_path / "second").exists() and (tmp_path / "second").read_text(), second)
    try:
        os.kill(process, signal.SIGKILL)
        first.wait(300)
        assert second.poll() is None
    finally:
        second.kill()
        second.wait()
    assert "SIGKILL (signal 9)" in (tmp_path / "first.log").read_text()


def test_a_task_that_cannot_start_comes_back_as_status_1(head: subprocess.Popen, tmp_path: Path) -> None:
    task = Task("probe:tell", {"out": str(tmp_path / "out")}, str(tmp_path / "job.log"), folder=str(tmp_path / "none"))

    assert warm.run(task) == 1
    assert not (tmp_path / "out").exists()


def test_the_job_ends_when_the_one_that_asked_for_it_is_killed(head: subprocess.Popen, tmp_path: Path) -> None:
    out = tmp_path / "out"
    warm.run(Task("probe:tell", {"out": str(tmp_path / "first")}, str(tmp_path / "job.log")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", CLIENT, str(out), str(tmp_path / "log")], env=environment) as client:
        wait_until(lambda: out.exists() and out.read_text())
        job = int(out.read_text())
        running = runs(job)

        client.send_signal(signal.SIGKILL)
        client.wait()

    assert running
    wait_until(lambda: not runs(job))


def test_the_process_ends_with_the_scheduler_and_cleans_up(head: subprocess.Popen, tmp_path: Path) -> None:
    warm.run(Task("probe:tell", {"out": str(tmp_path / "out")}, str(tmp_path / "job.log")))
    server = int((tmp_path / "out").read_text().split()[1])
    folder = Path(os.environ[warm.VARIABLE])
    running = runs(server)

    head.kill()
    head.wait()

    assert running
    wait_until(lambda: not runs(server))
    assert not folder.exists()


def test_jobs_that_ask_at_once_start_one_process(head: subprocess.Popen, tmp_path: Path) -> None:
    outs = [tmp_path / f"out{k}" for k in range(4)]
    children = []
    for out in outs:
        child = os.fork()
        if child == 0:
            os._exit(warm.run(Task("probe:tell", {"out": str(out)}, f"{out}.log")) or 0)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    assert statuses == [0, 0, 0, 0]
    assert len({out.read_text().split()[1] for out in outs}) == 1


def refused(folder: Path) -> str:
    """Return why a heavy job cannot run in the warm process."""
    with pytest.raises(warm.NoWarmProcess) as reason:
        warm.run(Task("probe:tell", {"out": str(folder / "out")}, str(folder / "job.log")))
    return str(reason.value)


def test_without_an_announcement_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(warm.VARIABLE, raising=False)

    assert refused(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["world-writable", "link", "file"])
def test_a_folder_that_others_could_have_made_is_refused(head: subprocess.Popen, tmp_path: Path, kind: str) -> None:
    folder = Path(os.environ[warm.VARIABLE])
    if kind == "world-writable":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.write_text("")

    assert refused(tmp_path).startswith("The warm process cannot be used, so this job loads its libraries by itself: ")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_user_is_refused(
    head: subprocess.Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(os.environ[warm.VARIABLE]).mkdir(mode=0o700)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)

    assert "is not a private folder of this user" in refused(tmp_path)


def test_a_process_that_does_not_start_is_told_in_a_line_and_not_started_again(
    head: subprocess.Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "PRELOAD", ("no_such_library",))
    reason = (
        "The warm process cannot be used, so this job loads its libraries by itself: it ended with exit status 1 "
        "(ModuleNotFoundError: No module named 'no_such_library')"
    )
    assert refused(tmp_path) == reason

    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("it was started again"))
    assert refused(tmp_path) == reason


def test_a_process_that_does_not_answer_is_killed_and_told(
    head: subprocess.Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = tmp_path / "process"
    # The process would load this library for ten minutes. It is killed at once, which the last line checks.
    (tmp_path / "slow_library.py").write_text(
        f"import os, time; open({str(process)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    monkeypatch.setattr(warm, "PRELOAD", ("slow_library",))
    # The time is over as soon as the process has begun to load.
    later = SimpleNamespace(
        monotonic=lambda: 1000.0 * (process.exists() and process.stat().st_size > 0), sleep=time.sleep
    )
    monkeypatch.setattr(warm, "time", later)

    assert refused(tmp_path).endswith(": it did not start within 120 s")
    assert not runs(int(process.read_text()))


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warm.VARIABLE, str(tmp_path / ("x" * 100)))

    assert refused(tmp_path).endswith("is too long for the path of a socket: set TMPDIR to another folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["x" * 120, "none/at/all"])
def test_the_socket_is_in_a_short_folder_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    if "/" not in given:
        (tmp_path / given).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / given))
    monkeypatch.setenv(warm.VARIABLE, "to be set")

    warm.announce(12345)

    place = Path(os.environ[warm.VARIABLE]).parent
    assert place.is_dir()
    assert not place.is_relative_to(tmp_path)
    assert len(os.environ[warm.VARIABLE]) < 100


def test_a_socket_left_by_a_killed_process_is_replaced(head: subprocess.Popen, tmp_path: Path) -> None:
    folder = Path(os.environ[warm.VARIABLE])
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "socket"))

    assert warm.run(Task("probe:tell", {"out": str(tmp_path / "out")}, str(tmp_path / "job.log"))) == 0
