"""The group of processes that train one model together, each on its own device.

The batches are the same for any number of processes: each process takes its share of a batch's examples, and the
gradients are those of the whole batch. Either each process has the whole model (DistributedDataParallel), or the
weights, gradients and moments are divided among the processes (FSDP), as accelerate's config file says.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from bias_amplification.models.graphs import Batch

#: Computes the loss of a model on a batch.
Loss = Callable[[torch.nn.Module, Batch], torch.Tensor]


class _Losing(torch.nn.Module):
    """A model whose forward pass is its loss, so that what wraps it sees all that the loss computes."""

    def __init__(self, model: torch.nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.loss(self.model, batch)


@dataclass(frozen=True)
class Group:
    """The group of processes that train together, and the rank of this process in it."""

    rank: int = 0
    size: int = 1
    sharded: bool = False
    """Whether the weights are divided among the processes."""

    @classmethod
    def here(cls) -> "Group":
        """Return the group of this process; a process that `launch.together` did not start is a group of one."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size(), sharded)
        return cls()

    def share(self, model: torch.nn.Module, loss: Loss, precision: str) -> Callable[[Batch], torch.Tensor]:
        """Prepare a model so that its gradients are means over the group, and return its loss.

        If the group is `sharded`, the model's weights are replaced by their shards. They are float32. With the
        `precision` bfloat16, a block's weights are gathered in bfloat16: autocast would convert them after they are
        gathered, and keep all converted weights of the model for the gradients.
        """
        if self.size == 1:
            return partial(loss, model)
        losing = _Losing(model, loss)
        device = next(model.parameters()).device
        if self.sharded:
            _shard(losing, device.type, precision)
            return losing
        return torch.nn.parallel.DistributedDataParallel(
            losing,
            device_ids=[device] if device.type == "cuda" else None,
            find_unused_parameters=True,
            gradient_as_bucket_view=True,
        )

    def own(self, positions: Sequence[int]) -> Sequence[int]:
        """Return this process's share of a batch's examples."""
        return positions[self.rank :: self.size]

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the group."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
        return value

    def largest(self, *numbers: int) -> list[int]:
        """Return the largest of each number over the group, without waiting for a GPU."""
        if self.size == 1:
            return list(numbers)
        found = torch.tensor(numbers, dtype=torch.int64)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return found.tolist()

    def gather(self, model: torch.nn.Module) -> None:
        """Replace a model's shards by whole weights, on the CPU of rank 0. All processes must call this."""
        # Modules that share a parameter share it afterwards, too.
        made: dict[torch.nn.Parameter, torch.nn.Parameter] = {}
        for module in model.modules() if self.sharded else ():
            for name, parameter in module._parameters.items():
                if isinstance(parameter, DTensor) and parameter not in made:
                    gathered = whole(parameter.detach())
                    made[parameter] = (
                        parameter if self.rank else torch.nn.Parameter(gathered.cpu(), parameter.requires_grad)
                    )
                module._parameters[name] = made.get(parameter, parameter)
            if isinstance(module, FSDPModule):
                # FSDP has put its class before the module's own.
                module.__class__ = type(module).__bases__[1]


def _shard(losing: torch.nn.Module, device: str, precision: str) -> None:
    """Divide the weights of each block, and of all that is outside the blocks, among the processes (FSDP)."""
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.device_mesh import init_device_mesh

    # It reads the settings of the config file, which the launcher has put into the environment.
    settings = FullyShardedDataParallelPlugin()
    if settings.activation_checkpointing:
        losing.model.gradient_checkpointing_enable({"use_reentrant": False})
    mesh = init_device_mesh(device, (torch.distributed.get_world_size(),))
    gathered = torch.bfloat16 if precision == "bfloat16" else None
    policy = MixedPrecisionPolicy(param_dtype=gathered, reduce_dtype=torch.float32)
    names = losing.model._no_split_modules or ()
    for block in [part for part in losing.modules() if type(part).__name__ in names]:
        fully_shard(block, mesh=mesh, reshard_after_forward=settings.reshard_after_forward, mp_policy=policy)
    fully_shard(losing, mesh=mesh, mp_policy=policy)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that may be divided among the processes as a whole. All processes must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor, which all processes have, on a parameter's device, and divided as the parameter is."""
    tensor = tensor.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return tensor
    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements, src_data_rank=None)
