"""Saved state of unfinished jobs, so that a job that was killed continues instead of starting over."""

import hashlib
import json
import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts.atomic import new_file

if TYPE_CHECKING:
    import torch

#: Tensors by name, and facts as JSON values.
Saved = tuple[dict[str, "torch.Tensor"], dict[str, Any]]


def fingerprint(*parts: Any) -> str:
    """Hash models and values into one key.

    Parameters
    ----------
    parts
        Of a model, three things are hashed: its configuration, because it has the number of attention heads, which the
        shapes of the weights do not show; its modules, because they have the dropout; and the bytes of its tensors, on
        any device. Of anything else, its JSON form is hashed.
    """
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        plain = part
        if isinstance(part, torch.nn.Module):
            config = getattr(part, "config", None)
            plain = [repr(part), config.to_dict() if hasattr(config, "to_dict") else None]
            for name, tensor in part.state_dict().items():
                _add(digest, name, tensor)
        digest.update(json.dumps(plain, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _add(digest: Any, name: str, tensor: "torch.Tensor") -> None:
    import torch

    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    # Of a tensor that is divided among processes, the whole is hashed.
    tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def _checksum(tensors: Mapping[str, "torch.Tensor"], facts: str) -> str:
    """Return the SHA-256 of a state. Processors have instructions for it: GPT-2's state takes 1.5 s."""
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        _add(digest, name, tensors[name])
    return digest.hexdigest()


class Checkpoint:
    """The file in which a job saves its state while it works.

    The file is written completely or not at all and replaces the one before, so a job has at most one. The job removes
    it when it is done. It carries a hash of everything that the job's result depends on, and a checksum of its own
    bytes: the state of another job, or a damaged one, is never used. If the state cannot be saved, the job continues.

    Between `open` and `remove`, a request to end waits until the state is saved; then the process ends. Such requests
    are Ctrl-C and SIGTERM, which a cluster sends before it kills a job. `due` is true as soon as there is one. A second
    Ctrl-C ends the process at once.

    Parameters
    ----------
    path
        The safetensors file. With None, nothing is saved.
    seconds
        Least time between two saves. With infinity, the state is saved only when the process is asked to end.

    Attributes
    ----------
    earlier_seconds, earlier_cpu_seconds
        How long other processes had worked on the job when they saved the state that `open` returned.
    request
        Number of the signal by which the process was asked to end; 0: it was not.
    """

    def __init__(self, path: Path | str | None = None, seconds: float = math.inf) -> None:
        self.path = None if path is None else Path(path)
        self.seconds = seconds
        self.earlier_seconds = self.earlier_cpu_seconds = 0.0
        self._key = ""
        self._opened_at = self._saved_at = time.monotonic()
        self.request = 0
        self._requested_at = 0.0
        self._handlers: dict[int, Callable | int | None] = {}

    def open(self, *parts: Any) -> Saved | None:
        """Start listening to requests to end, and return the state that was saved for the same job.

        Parameters
        ----------
        parts
            Everything that the job's result depends on (see `fingerprint`). The version of PyTorch is added, because
            versions round differently.

        Returns
        -------
        tuple or None
            Tensors by name, on the CPU, and facts. None if there is no usable state.
        """
        if self.path is None:
            return None
        import torch
        from safetensors import SafetensorError, safe_open

        self._key = fingerprint(torch.__version__, *parts)
        self._opened_at = self._saved_at = time.monotonic()
        self._listen()
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about = file.metadata() or {}
                if about.get("key") != self._key:
                    print("Saved state belongs to other inputs or parameters: starting over.", flush=True)
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about.get("checksum") != _checksum(tensors, about["facts"]):
                raise ValueError("its checksum is wrong")
            # A state that an older release saved lacks them.
            self.earlier_seconds = float(about.get("seconds", 0))
            self.earlier_cpu_seconds = float(about.get("cpu_seconds", 0))
            return tensors, json.loads(about["facts"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            print(f"Saved state cannot be read ({error}): starting over.", flush=True)
            return None

    def _listen(self) -> None:
        """Handle requests to end, except those that the process ignores: Ctrl-C, if it runs in the background."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if number not in self._handlers and signal.getsignal(number) != signal.SIG_IGN:
                try:
                    self._handlers[number] = signal.signal(number, self._ask_to_end)
                except ValueError:  # Python receives signals only in the main thread
                    return

    def _ask_to_end(self, number: int, frame: Any) -> None:
        # The terminal and the parent process may both pass on the same Ctrl-C. They do so within a second.
        again = self.request and time.monotonic() - self._requested_at > 1
        if number == signal.SIGINT and again:
            raise KeyboardInterrupt
        if not self.request:
            self._requested_at = time.monotonic()
        self.request = number

    def due(self) -> bool:
        """Return whether it is time to save the state."""
        passed = time.monotonic() - self._saved_at
        return self.path is not None and (bool(self.request) or passed >= self.seconds)

    def save(self, tensors: Mapping[str, "torch.Tensor"], facts: Mapping[str, Any]) -> None:
        """Save the state, and end the process if it was asked to end.

        If the file cannot be written, for example because the disk is full, the log gives the reason and the job
        continues. The next attempt is due after `seconds`.

        Parameters
        ----------
        tensors
            Tensors by name, on any device. No two may share memory.
        facts
            JSON values. Floating-point numbers are restored exactly.

        Raises
        ------
        SystemExit
            After saving, if the process was asked to end: 128 and the number of the signal.
        """
        if self.path is None:
            return
        from safetensors.torch import save_file

        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        written = json.dumps(facts)
        about = {"key": self._key, "facts": written, "checksum": _checksum(kept, written)}
        about["seconds"] = str(self.earlier_seconds + time.monotonic() - self._opened_at)
        about["cpu_seconds"] = str(self.earlier_cpu_seconds + time.process_time())
        outcome = "state is saved, the next run continues from here"
        try:
            with new_file(self.path) as temporary:
                save_file(kept, temporary, about)
        except OSError as error:
            failure = f"state cannot be saved ({self.path}: {error.strerror})"
            outcome = f"{failure}, the next run continues from the state saved before"
            if not self.request:
                _report(f"S{failure[1:]}: the job continues and will try again; make room.")
        self._saved_at = time.monotonic()
        if self.request:
            _report(f"Asked to end: {outcome}.")
            raise SystemExit(128 + self.request)

    def remove(self) -> None:
        """Remove the state of a job that is done. Stop listening to requests.

        Its folders stay until the study is done: another job may be about to save its state in one of them.
        """
        if self.path is None:
            return
        self.path.unlink(missing_ok=True)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def _report(sentence: str) -> None:
    # The log may be on the disk that is full.
    with suppress(OSError):
        print(sentence, flush=True)
