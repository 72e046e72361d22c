"""What an unfinished job has done so far, so that a killed one goes on instead of starting over."""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts.atomic import new_file

if TYPE_CHECKING:
    import torch

Saved = tuple[dict[str, "torch.Tensor"], dict[str, Any]]


def fingerprint(*parts: Any) -> str:
    """Hash models, and whatever JSON can tell, into one key.

    Parameters
    ----------
    parts
        A model is hashed by its configuration (weights of the same shapes may be split into other heads), its modules
        (which tell the dropout) and the bytes of its tensors, on whatever device they are; anything else by its JSON
        form.
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
    digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def _checksum(tensors: Mapping[str, "torch.Tensor"], facts: str) -> str:
    """SHA-256, which processors have instructions for: 1.5 s for the state of GPT-2."""
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        _add(digest, name, tensors[name])
    return digest.hexdigest()


class Checkpoint:
    """The one file that keeps a job's state while it works.

    Between `open` and `remove` a request to end (SIGTERM, as a cluster sends before it kills, or Ctrl-C) waits for the
    next saving and then ends the process: `due` says at once that it is time. A second Ctrl-C does not wait.

    Its key is a hash of everything that the result depends on: state of other inputs or parameters is never used, nor
    is one whose bytes are not those that were saved. The file appears whole, takes the place of the one before, and
    goes when the job is done, so that a job keeps one at most. Where it cannot be saved the work goes on without.

    Parameters
    ----------
    path
        The safetensors file; None keeps nothing.
    seconds
        Least time between two savings.
    """

    def __init__(self, path: Path | str | None = None, seconds: float = 300.0) -> None:
        self.path = None if path is None else Path(path)
        self.seconds = seconds
        self.key = ""
        self.saved = time.monotonic()
        self.ending: int | None = None
        self.asked = 0.0
        self.before: dict[int, Callable | int | None] = {}

    def open(self, *parts: Any) -> Saved | None:
        """Set the key from what the result depends on, and return what was saved under it.

        Parameters
        ----------
        parts
            For `fingerprint`; the versions that round differently are added.

        Returns
        -------
        tuple or None
            Tensors by name, on the CPU, and facts; None if nothing usable was saved.
        """
        if self.path is None:
            return None
        import torch
        from safetensors import SafetensorError, safe_open

        self.key = fingerprint(torch.__version__, *parts)
        self.saved = time.monotonic()
        self._listen()
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about = file.metadata() or {}
                if about.get("key") != self.key:
                    print("Saved state belongs to other inputs or parameters: starting over.", flush=True)
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about.get("checksum") != _checksum(tensors, about["facts"]):
                raise ValueError("its bytes are not those that were saved")
            return tensors, json.loads(about["facts"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            print(f"Saved state cannot be read ({error}): starting over.", flush=True)
            return None

    def _listen(self) -> None:
        def end(number: int, frame: Any) -> None:
            # Within a second it is the same request, which terminal and parent process both pass on.
            if number == signal.SIGINT and self.asked and time.monotonic() - self.asked > 1:
                raise KeyboardInterrupt
            self.ending = number
            self.asked = self.asked or time.monotonic()

        for number in (signal.SIGTERM, signal.SIGINT):
            # What is ignored, as Ctrl-C is by a process in the background, stays so.
            if number not in self.before and signal.getsignal(number) != signal.SIG_IGN:
                try:
                    self.before[number] = signal.signal(number, end)
                except ValueError:  # not the main thread, where signals arrive
                    return

    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.path is not None and (self.ending is not None or time.monotonic() - self.saved >= self.seconds)

    def save(self, tensors: Mapping[str, "torch.Tensor"], facts: Mapping[str, Any]) -> None:
        """Save the state, whole or not at all, and end the process if it was asked to.

        A disk that refuses is told in the log and tried again after `seconds`.

        Parameters
        ----------
        tensors
            By name, on any device; none may share memory with another.
        facts
            JSON values; floating-point numbers come back exactly.
        """
        if self.path is None:
            return
        from safetensors.torch import save_file

        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        told = json.dumps(facts)
        about = {"key": self.key, "facts": told, "checksum": _checksum(kept, told)}
        outcome = "state is saved, the next run goes on from here"
        try:
            with new_file(self.path) as temporary:
                save_file(kept, temporary, about)
        except OSError as error:
            fault = f"tate cannot be saved ({self.path}: {error.strerror})"
            outcome = f"s{fault}, the next run goes on from what was saved before"
            if self.ending is None:
                self._say(f"S{fault}: the work goes on and will try again; make room.")
        self.saved = time.monotonic()
        if self.ending is not None:
            self._say(f"Asked to end: {outcome}.")
            raise SystemExit(128 + self.ending)

    @staticmethod
    def _say(sentence: str) -> None:
        # The log may be on a disk that is full.
        with suppress(OSError):
            print(sentence, flush=True)

    def remove(self) -> None:
        """Remove the state of a job that is done, and folders that have become empty with it."""
        if self.path is None:
            return
        self.path.unlink(missing_ok=True)
        for number, before in self.before.items():
            signal.signal(number, before)
        self.before = {}
        for folder in list(self.path.parents)[:4]:
            # Up to the folder of all states; another job may just be making its own.
            if folder.name == "state" or not folder.is_dir() or any(folder.iterdir()):
                break
            try:
                folder.rmdir()
            except OSError:
                break
