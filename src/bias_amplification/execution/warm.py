"""The warm process: it has the heavy libraries loaded, and local jobs fork from it.

Loading PyTorch and transformers takes about five seconds of a core, and hundreds of jobs of a study need them. So the
first job of a run starts one process that loads them once and then forks for each job. Each job still is one process
from declared inputs to declared outputs. The fork ends when Snakemake's job ends, because it watches the connection
over which the job asked for it.

The workflow enables this for local jobs by the environment variable `BIAS_AMPLIFICATION_WARM`. Without the variable,
or if the process cannot be reached, jobs load their libraries themselves. A process that could not be started is not
started again in the same run.

The answer to a job are two bytes: how it ended (`_DONE`, `_SIGNAL` or `_EXIT`), and its status or the signal. The fork
itself answers when it is done. If it ends in another way, the warm process answers for it.
"""

import contextlib
import fcntl
import gc
import importlib
import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import psutil

from bias_amplification.execution.tasks import QUIET, Task, run_here

VARIABLE = "BIAS_AMPLIFICATION_WARM"

#: How a fork has ended: by itself, with the job's status; by a signal; or with an exit status before it was done.
_DONE, _SIGNAL, _EXIT = b"dsx"

#: Most bytes of a socket's path on Linux.
_LONGEST_PATH = 107

#: A job waits this long, in seconds, for the process to load its libraries. Then it loads them itself.
_PATIENCE = 120

#: The warm process checks this often, in seconds, whether a fork or Snakemake has ended.
_SECONDS_BETWEEN_CHECKS = 0.3

#: Seconds between SIGTERM and SIGKILL for a job whose Snakemake is gone.
SECONDS_TO_SAVE = 10

#: Modules loaded before the first fork: those that most jobs need, and none that starts threads or uses a GPU. Pandas
#: is one of them because pyarrow imports it when it reads its first table.
PRELOAD = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "torch",
    "tokenizers",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.modernbert.modeling_modernbert",
    "bias_amplification.interventions.units",
    "bias_amplification.interventions.write",
    "bias_amplification.language_model.finetune",
    "bias_amplification.language_model.generate",
    "bias_amplification.language_model.perplexity",
    "bias_amplification.language_model.pretrain",
    "bias_amplification.measures.leaning",
    "bias_amplification.measures.quality",
    "bias_amplification.neurons.extract",
)

#: Modules loaded while the first job runs: those of the figures and statistics at the end of a study.
LATER = (
    "scipy.stats",
    "seaborn",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
)


class NoWarmProcess(Exception):
    """A job cannot run in a warm process, and nothing of it has run. The message is empty if none is to be expected."""


def announce(scheduler: int) -> None:
    """Enable the warm process for the jobs of one Snakemake.

    Parameters
    ----------
    scheduler
        Snakemake's process id. The warm process ends when Snakemake ends.
    """
    name = f"bias-amplification-{os.getuid()}-{scheduler}"
    os.environ[VARIABLE] = str(_place(name) / name)


def _place(name: str) -> Path:
    """Return a folder for temporary files that can be written to and whose path is short enough for a socket.

    If there is none, jobs find out why when they start the process.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/dev/shm"]
    with contextlib.suppress(FileNotFoundError):
        places.insert(0, tempfile.gettempdir())
    for place in filter(None, places):
        short = len(os.fsencode(f"{place}/{name}/socket")) <= _LONGEST_PATH
        if short and os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    return Path(places[0] or "/tmp")


def run(task: Task) -> int:
    """Run a task in a fork of the warm process.

    Returns
    -------
    int
        The job's exit status.

    Raises
    ------
    NoWarmProcess
        If there is none. The message, if any, is a line that says why.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise NoWarmProcess
    try:
        connection = _connect(Path(folder), start=task.heavy)
    except FileNotFoundError as error:
        if not task.heavy:
            raise NoWarmProcess from None
        raise _by_itself(error) from None
    except OSError as error:
        raise _by_itself(error) from None
    killed = _killed_for_memory()
    with connection:
        message = pickle.dumps((sys.path, task))
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(len(message).to_bytes(8, "big") + message)
            answer = connection.recv(2, socket.MSG_WAITALL)
    if answer[:1] == bytes([_DONE]):
        return answer[1]
    with Path(task.log).open("a", encoding="utf-8") as log:
        print(_end_in_words(answer, killed), file=log)
    return 1


def _by_itself(error: OSError) -> NoWarmProcess:
    reason = " ".join(str(error).split())
    return NoWarmProcess(f"The warm process cannot be used, so this job loads its libraries by itself: {reason}")


def _end_in_words(answer: bytes, killed_before: int | None) -> str:
    """Say how a job's process ended that was not done, with what is known of it."""
    if not answer:
        return "The job's process ended without an answer, and the warm process, which would know how, has ended too."
    if answer[0] == _EXIT:
        return f"The job's process ended with exit status {answer[1]} before the job was done."
    name = signal.Signals(answer[1]).name if answer[1] in set(signal.Signals) else "a signal"
    ended = f"The job's process was ended by {name} (signal {answer[1]})."
    killed = _killed_for_memory()
    if answer[1] == signal.SIGKILL and killed is not None and killed_before is not None and killed > killed_before:
        processes = "a process" if killed == killed_before + 1 else f"{killed - killed_before} processes"
        ended += f" While it ran, the system killed {processes} because memory ran out (oom_kill)."
    return ended


def _killed_for_memory() -> int | None:
    """Return how many processes the system has killed for want of memory: of this control group, else of the machine.

    It is None if the system does not say.
    """
    group = ""
    with contextlib.suppress(OSError, IndexError):
        group = Path("/proc/self/cgroup").read_text().partition("0::")[2].splitlines()[0]
    for counts in (f"/sys/fs/cgroup{group}/memory.events", "/proc/vmstat"):
        with contextlib.suppress(OSError):
            for line in Path(counts).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return None


def _connect(folder: Path, *, start: bool) -> socket.socket:
    """Connect to the warm process, and start it first if `start` is set and there is none.

    Raises
    ------
    OSError
        If the process cannot be reached. It is a FileNotFoundError if there is none and `start` is not set.
    """
    if not start:
        return _dial(folder)
    if len(os.fsencode(folder / "socket")) > _LONGEST_PATH:
        raise OSError(f"{folder} is too long for the path of a socket: set TMPDIR to another folder")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise OSError(f"{folder} is not a private folder of this user")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            return _dial(folder)
        # Another job would wait in vain, too.
        failed = folder / "failed"
        if failed.exists():
            raise OSError(failed.read_text(encoding="utf-8"))
        try:
            return _start(folder)
        except OSError as error:
            failed.write_text(str(error), encoding="utf-8")
            raise


def _start(folder: Path) -> socket.socket:
    """Start the warm process, wait until it has loaded its libraries, and connect to it.

    Raises
    ------
    OSError
        If it ends, or does not answer in time.
    """
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, ",".join(PRELOAD), ",".join(LATER), *sys.path],
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return _dial(folder)
        if server.poll() is not None:
            lines = (folder / "log").read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "it gave no message")
            raise OSError(f"it ended with exit status {server.returncode} ({last[:200]})")
        time.sleep(0.05)
    server.kill()
    server.wait()
    raise OSError(f"it did not start within {_PATIENCE} s")


_COMMAND = (
    "import sys; sys.path[:] = sys.argv[3:]; from bias_amplification.execution import warm; "
    "warm.serve(*(names.split(',') for names in sys.argv[1:3]))"
)


def _dial(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(folder / "socket"))
    except OSError:
        connection.close()
        raise
    return connection


def serve(modules: Sequence[str], later: Sequence[str]) -> None:
    """Load modules and fork for each connection until Snakemake ends.

    Parameters
    ----------
    modules
        Names of modules to load before the first fork.
    later
        Names of modules to load after it. A job that asks meanwhile waits.
    """
    folder = Path(os.environ.pop(VARIABLE))
    scheduler = int(folder.name.rsplit("-", 1)[1])
    _load(modules)
    with contextlib.suppress(FileNotFoundError):
        (folder / "socket").unlink()
    jobs: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        listener.settimeout(_SECONDS_BETWEEN_CHECKS)
        while psutil.pid_exists(scheduler):
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                process = os.fork()
                if process == 0:
                    # A connection is closed, for the job at its other end, only when no process has it open.
                    for other in (listener, *jobs.values()):
                        other.close()
                    _work(connection)
                jobs[process] = connection
                if later:
                    # A job that needs a missing module reports it.
                    with contextlib.suppress(ImportError):
                        _load(later)
                    later = ()
            _answer_for_ended(jobs)
    for name in ("socket", "lock", "log", "failed"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _answer_for_ended(jobs: dict[int, socket.socket]) -> None:
    """Take the forks that have ended from `jobs`, and say over their connections how they ended.

    The client of a fork that was done has its answer already, and reads no second one.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            if process in jobs:
                code = os.waitstatus_to_exitcode(status)
                with jobs.pop(process) as connection, contextlib.suppress(OSError):
                    connection.sendall(bytes([_EXIT, code] if code >= 0 else [_SIGNAL, -code]))


def _load(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    # Loaded modules stay for good. The collector would touch, and so copy, their memory pages in every fork.
    gc.freeze()


def _work(connection: socket.socket) -> None:
    """Read a task in a fork, run it, answer with its status, and end without the parent's clean-up."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = 1
    try:
        connection.setblocking(True)
        size = int.from_bytes(_read(connection, 8), "big")
        sys.path[:], task = pickle.loads(_read(connection, size))
        os.chdir(task.folder)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        status = run_here(task)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([_DONE, status]))
    except SystemExit as end:
        # A job that was asked to end, and has saved its state.
        status = end.code if isinstance(end.code, int) else 1
    except Exception:
        # A fork has no caller to raise to: the error goes to the warm process's log.
        traceback.print_exc()
    finally:
        os._exit(status)


def _end_with(connection: socket.socket) -> None:
    """End this job when the process that asked for it is gone, after time to save its state."""
    with contextlib.suppress(ConnectionError):
        connection.recv(1)
    os.killpg(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_SAVE)
    os.killpg(os.getpid(), signal.SIGKILL)


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
