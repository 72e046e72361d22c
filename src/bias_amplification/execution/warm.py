"""The warm process: it has the heavy libraries loaded, and local jobs fork from it.

Loading PyTorch and transformers takes about five seconds of a core, and hundreds of jobs of a study need them. So the
first job of a run starts one process that loads them once and then forks for each job. Each job still is one process
from declared inputs to declared outputs. The fork ends when Snakemake's job ends, because it watches the connection
over which the job asked for it.

The workflow enables this for local jobs by the environment variable `BIAS_AMPLIFICATION_WARM`. Without the variable,
or if the process cannot be reached, jobs load their libraries themselves.
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

#: A job waits this long, in seconds, for the process to load its libraries. Then it loads them itself.
_PATIENCE = 120

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


def announce(scheduler: int) -> None:
    """Enable the warm process for the jobs of one Snakemake.

    Parameters
    ----------
    scheduler
        Snakemake's process id. The warm process ends when Snakemake ends.
    """
    os.environ[VARIABLE] = str(Path(tempfile.gettempdir()) / f"bias-amplification-{os.getuid()}-{scheduler}")


def run(task: Task) -> int | None:
    """Run a task in a fork of the warm process.

    Returns
    -------
    int or None
        The job's exit status; None if there is no warm process, in which case nothing has run.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    try:
        connection = _connect(Path(folder), start=task.heavy)
    except FileNotFoundError:
        return None
    except OSError as error:
        print(f"No warm process ({error}): the job loads its libraries itself.", file=sys.stderr)
        return None
    with connection:
        message = pickle.dumps((sys.path, task))
        connection.sendall(len(message).to_bytes(8, "big") + message)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(1)
    if answer:
        return answer[0]
    # A killed fork closes the connection without an answer.
    with Path(task.log).open("a", encoding="utf-8") as log:
        log.write("The job's process was killed, perhaps because memory ran out.\n")
    return 1


def _connect(folder: Path, *, start: bool) -> socket.socket:
    """Connect to the warm process, and start it first if `start` is set and there is none.

    Raises
    ------
    FileNotFoundError
        If there is no warm process and `start` is not set.
    OSError
        If the process cannot be reached.
    """
    if not start:
        return _dial(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise OSError(f"{folder} is not a private folder of this user")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            return _dial(folder)
        log = (folder / "log").open("w")
        server = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, ",".join(PRELOAD), ",".join(LATER), *sys.path],
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError):
                return _dial(folder)
            time.sleep(0.05)
    raise OSError(f"the process did not start: {(folder / 'log').read_text()[-300:].strip()}")


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
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        listener.settimeout(1)
        while psutil.pid_exists(scheduler):
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                if os.fork() == 0:
                    listener.close()
                    _work(connection)
                connection.close()
                if later:
                    # A job that needs a missing module reports it.
                    with contextlib.suppress(ImportError):
                        _load(later)
                    later = ()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    for name in ("socket", "lock", "log"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


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
        connection.sendall(bytes([status]))
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
