"""A process with the heavy libraries loaded, from which local jobs fork.

Loading PyTorch and transformers takes some five seconds of a core; a study has hundreds of jobs that need them. So
the first job of a run starts one process that loads them once and then forks for each job. A job stays what it was:
one process of its own from declared inputs to declared outputs. It ends when its scheduler's job ends, because it
watches the connection over which it was asked for.

The workflow turns this on for local jobs by naming a socket in `BIAS_AMPLIFICATION_WARM`; without it, or when the
process cannot be reached, jobs load what they need themselves.
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

from bias_amplification.tasks import QUIET, Task, run_here

VARIABLE = "BIAS_AMPLIFICATION_WARM"

#: Seconds to wait for the process to load its libraries before a job goes its own way.
_PATIENCE = 120

#: Between the request to end and the end of a job whose Snakemake is gone.
SECONDS_TO_SAVE = 10

#: What is loaded before forking: what most jobs need, and nothing that starts threads or touches a GPU. Pandas is among
#: it because pyarrow loads it when it reads the first table.
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

#: What is loaded while the first job runs, for the figures and statistics at a study's end.
LATER = (
    "scipy.stats",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
)


def announce(head: int) -> None:
    """Turn the warm process on for the jobs of a scheduler.

    Parameters
    ----------
    head
        The scheduler's process id; the warm process ends with it.
    """
    os.environ[VARIABLE] = str(Path(tempfile.gettempdir()) / f"bias-amplification-{os.getuid()}-{head}")


def run(task: Task) -> int | None:
    """Run a task in a fork of the warm process.

    Returns
    -------
    int or None
        The job's exit status; None if there is no warm process, and nothing has run.
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
    # A fork that was killed closes without an answer, and cannot say so itself.
    with Path(task.log).open("a", encoding="utf-8") as log:
        log.write("The job was killed from outside, perhaps because memory ran out.\n")
    return 1


def _connect(folder: Path, *, start: bool) -> socket.socket:
    """Connect to the warm process, starting it if there is none.

    Raises
    ------
    FileNotFoundError
        If there is none and it is not to be started.
    OSError
        If it cannot be reached.
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
    raise OSError(f"it did not start: {(folder / 'log').read_text()[-300:].strip()}")


_COMMAND = (
    "import sys; sys.path[:] = sys.argv[3:]; from bias_amplification import warm; "
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
    """Load modules and fork for each connection until the scheduler has gone.

    Parameters
    ----------
    modules
        Loaded before the first fork.
    later
        Loaded after it; a job that comes meanwhile waits.
    """
    folder = Path(os.environ.pop(VARIABLE))
    head = int(folder.name.rsplit("-", 1)[1])
    _load(modules)
    with contextlib.suppress(FileNotFoundError):
        (folder / "socket").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        listener.settimeout(1)
        while psutil.pid_exists(head):
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                if os.fork() == 0:
                    listener.close()
                    _work(connection)
                connection.close()
                if later:
                    # A job that needs what is missing says so itself.
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
    # What is loaded stays for good: keep the collector from copying its pages into every fork.
    gc.freeze()


def _work(connection: socket.socket) -> None:
    """In a fork: read the task, run it, answer with its status, and end without cleaning up the parent's state."""
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
        traceback.print_exc()
    finally:
        os._exit(status)


def _end_with(connection: socket.socket) -> None:
    """End this job when the one that asked for it is gone; a job that keeps its state has time to save it."""
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
