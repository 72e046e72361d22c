"""Several processes that train one model together, each on a device of its own (accelerate, DistributedDataParallel).

A batch is the same batch whatever the number of processes: each takes its share of the examples, and the gradients are
those of the whole.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> "Group":
        """Return the group this process is in: itself alone, unless `together` has started it."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()

    def share(self, model: torch.nn.Module) -> torch.nn.Module:
        """Wrap a model so that its gradients are means over the group."""
        if self.size == 1:
            return model
        device = next(model.parameters()).device
        return torch.nn.parallel.DistributedDataParallel(
            model, device_ids=[device] if device.type == "cuda" else None, find_unused_parameters=True
        )

    def part(self, positions: Sequence[int], loss: Callable[[Sequence[int]], torch.Tensor]) -> torch.Tensor:
        """Return the loss on this process's share of a batch: zero, but with gradients, where the share is empty."""
        own = positions[self.rank :: self.size]
        return loss(own) if own else loss(positions[:1]) * 0.0

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over the group."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
        return value


def together(function: Callable[..., None], arguments: Mapping[str, Any], processes: int, device: str) -> None:
    """Call a function in several processes at once and wait for all.

    Parameters
    ----------
    function
        Of a module's top level. It finds its place by `Group.here`, and writes files at rank 0 alone.
    arguments
        Its keyword arguments.
    processes
        How many; on CUDA, each uses the GPU of its number.
    device
        "cpu" or "cuda".
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    main = vars(sys.modules["__main__"])
    # A new process would run the main program's file again, which for a job is the workflow's script.
    place = main.pop("__file__", None)
    try:
        started = torch.multiprocessing.spawn(
            _join,
            (function, dict(arguments), processes, device, port, torch.get_num_threads()),
            nprocs=processes,
            join=False,
        )
    finally:
        if place is not None:
            main["__file__"] = place
    _wait_for(started)


def _wait_for(started: Any) -> None:
    """Wait for processes; one that is asked to end asks them, and lives on until they have saved their state."""
    asked = 0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        asked = number
        for process in started.processes:
            process.terminate()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while not started.join():
            pass
    except (torch.multiprocessing.ProcessExitedException, torch.multiprocessing.ProcessRaisedException):
        # One that has saved ends, and the others fail for want of it.
        if not asked:
            raise
        raise SystemExit(128 + asked) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _join(
    rank: int,
    function: Callable[..., None],
    arguments: dict[str, Any],
    processes: int,
    device: str,
    port: int,
    threads: int,
) -> None:
    from accelerate import PartialState

    torch.set_num_threads(threads)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    state = PartialState(cpu=device == "cpu")
    try:
        function(**arguments)
    finally:
        state.destroy_process_group()
