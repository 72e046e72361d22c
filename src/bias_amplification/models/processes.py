"""Several processes that train one model together, each on its own device (accelerate, DistributedDataParallel).

The batches are the same for any number of processes: each process takes its share of a batch's examples, and the
gradients are those of the whole batch.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bias_amplification.artifacts import StudyError


@dataclass(frozen=True)
class Group:
    """The group of processes that train together, and the rank of this process in it."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> "Group":
        """Return the group of this process; a process that `together` did not start is a group of one."""
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

    def own(self, positions: Sequence[int]) -> Sequence[int]:
        """Return this process's share of a batch's examples."""
        return positions[self.rank :: self.size]

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the group."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
        return value


def together(function: Callable[..., None], arguments: Mapping[str, Any], processes: int, device: str) -> None:
    """Call a function in several processes at once and wait for all of them.

    Parameters
    ----------
    function
        A function at the top level of a module. It finds its rank by `Group.here`; only rank 0 should write files.
    arguments
        Keyword arguments of the function; they must pickle.
    processes
        Number of processes; on CUDA, each uses the GPU with the number of its rank.
    device
        "cpu" or "cuda".

    Raises
    ------
    StudyError, OSError
        As the first process raises it that fails in this way.
    torch.multiprocessing.ProcessRaisedException, torch.multiprocessing.ProcessExitedException
        If a process raises another exception or is killed.
    SystemExit
        If this process was asked to end. The other processes have saved their state.
    """
    # The processes find each other through a store on a port that this process has opened and keeps open.
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    faults = torch.multiprocessing.get_context("spawn").SimpleQueue()
    main = vars(sys.modules["__main__"])
    # A spawned process would run the main program's file again, which in a job is the workflow's script.
    file = main.pop("__file__", None)
    try:
        started = torch.multiprocessing.spawn(
            _join,
            (function, dict(arguments), processes, device, store.port, torch.get_num_threads(), faults),
            nprocs=processes,
            join=False,
        )
    finally:
        if file is not None:
            main["__file__"] = file
    _wait_for(started, faults)


def _wait_for(started: Any, faults: Any) -> None:
    """Wait for processes. A request to end is passed on to them, and this process ends after they have saved.

    An exception that a process has put into the queue `faults` is raised here.
    """
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
        # After a request to end, the process that has saved exits, and the others fail because it is gone.
        if asked:
            raise SystemExit(128 + asked) from None
        if not faults.empty():
            raise faults.get() from None
        raise
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
    faults: Any,
) -> None:
    """Join the group in a spawned process, call the function, and leave the group.

    Errors that the user can correct also go into the queue `faults`, because torch passes on only their traceback.
    """
    from accelerate import PartialState

    torch.set_num_threads(threads)
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        # Rank 0 does not open the port: the process that started this one has.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    state = PartialState(cpu=device == "cpu")
    try:
        function(**arguments)
    except (StudyError, OSError) as fault:
        faults.put(fault)
        raise
    finally:
        state.destroy_process_group()
