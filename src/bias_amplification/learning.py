"""The training loop that all models share: language models, the leaning classifier, the quality detector.

AdamW with linear decay and gradients clipped at norm 1, as transformers' Trainer does by default, with two things that
Trainer does not give: a killed training goes on with the same bits, because the order and the noise of every step
follow from the seed and the step's number alone; and several processes share a batch without making it larger.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch

from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.processes import Group
from bias_amplification.study.seeds import derive_seed

#: Gradients above this norm are scaled down to it (Trainer's default).
_LARGEST_NORM = 1.0


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    `batch_size` counts examples. `learning_rate` is the peak of a linear decay to zero; `warmup` the share of the
    steps over which it rises. `weight_decay` is AdamW's, on matrices alone.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float = 0.0


class Objective(Protocol):
    """What a model learns from: examples, in which order, and the loss on some of them."""

    def __len__(self) -> int:
        """Return the number of examples in an epoch."""

    def order(self, epoch: int) -> Sequence[int]:
        """Positions of an epoch's examples, one after the other; the same for the same epoch."""

    def terms(self, positions: Sequence[int]) -> int:
        """How many losses the mean over these examples is taken of."""

    def loss(self, model: torch.nn.Module, positions: Sequence[int]) -> torch.Tensor:
        """Sum of the losses on these examples, a scalar."""

    def facts(self) -> Any:
        """Everything that the losses depend on besides the model, as JSON can tell it."""


class Memory(Protocol):
    """What a caller gathers between epochs, and wants back after an interruption."""

    def facts(self) -> Any:
        """Everything that it depends on besides the training itself, as JSON can tell it."""

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and facts to save."""

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Take back what was saved."""


@dataclass(frozen=True)
class Step:
    """One step's number (from 1), the epochs done with it, its loss and its learning rate."""

    step: int
    epoch: float
    loss: float
    learning_rate: float


class _Training:
    """A model and its optimizer between two steps, as something that can be saved."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe, memory: Memory | None) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.memory = memory
        self.losses: list[torch.Tensor | float] = []
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """Follow a loss's gradient."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), _LARGEST_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def floats(self) -> list[float]:
        """Losses so far; asking for them one by one would make a GPU wait for every step."""
        self.losses = [float(loss) for loss in self.losses]
        return self.losses

    def save(self, checkpoint: Checkpoint) -> None:
        tensors = {f"weight {name}": p for name, p in self.parameters.items()}
        for name, parameter in self.parameters.items():
            # A parameter that no loss depends on has no moments.
            if moments := self.optimizer.state.get(parameter):
                tensors |= {f"{moment} {name}": moments[moment] for moment in ("exp_avg", "exp_avg_sq")}
        facts: dict[str, Any] = {"losses": self.floats()}
        if self.memory:
            kept, facts["memory"] = self.memory.state()
            tensors |= {f"memory {name}": tensor for name, tensor in kept.items()}
        checkpoint.save(tensors, facts)

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        self.losses = list(facts["losses"])
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weight {name}"])
            if f"exp_avg {name}" not in tensors:
                continue
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(len(self.losses)), device=parameter.device),
                **{m: tensors[f"{m} {name}"].to(parameter.device) for m in ("exp_avg", "exp_avg_sq")},
            }
        if self.memory:
            kept = {name.removeprefix("memory "): t for name, t in tensors.items() if name.startswith("memory ")}
            self.memory.restore(kept, facts["memory"])


def learn(
    model: torch.nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int,
    bfloat16: bool = False,
    checkpoint: Checkpoint | None = None,
    after_epoch: Callable[[int], None] | None = None,
    memory: Memory | None = None,
    rate: Callable[[float], str] | None = None,
) -> list[Step]:
    """Train a model in place.

    Parameters
    ----------
    model
        On its device.
    objective
        Examples and their loss.
    recipe
        Epochs, batch, rates.
    seed
        Fixes dropout, step by step; the objective has its own for the order.
    bfloat16
        Whether matrix products run in bfloat16 (autocast).
    checkpoint
        Where the state is kept. The caller removes it when it has written what it makes of the model.
    after_epoch
        Called with the epoch's number, from 1.
    memory
        What the caller gathers in `after_epoch`, saved with the state.
    rate
        Puts "steps per second" into the words of the log.

    Returns
    -------
    list of Step
        One a step, those before an interruption included.
    """
    from bias_amplification.language_model.device import autocast

    group, checkpoint = Group.here(), checkpoint or Checkpoint()
    device = next(model.parameters()).device
    per_epoch = math.ceil(len(objective) / recipe.batch_size)
    steps = recipe.epochs * per_epoch
    warmup = math.ceil(steps * recipe.warmup)
    rates = [
        recipe.learning_rate * (step / warmup if step < warmup else (steps - step) / (steps - warmup))
        for step in range(steps)
    ]
    training = _Training(model, recipe, memory)
    about = {"recipe": asdict(recipe), "seed": seed, "bfloat16": bfloat16, "device": str(device.type)}
    if checkpoint.path is not None:
        about |= {"threads": torch.get_num_threads(), "processes": group.size}
        if found := checkpoint.open(model, about, objective.facts(), memory.facts() if memory else None):
            training.restore(*found)
            print(f"going on after step {len(training.losses)} of {steps}", flush=True)
    shared = group.share(model)
    model.train()
    first, start, order = len(training.losses), time.perf_counter(), []
    for step in range(first, steps):
        epoch, place = divmod(step, per_epoch)
        if not place or not order:
            order = objective.order(epoch)
        positions = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        # From the step's number, so that a training that goes on draws what it would have drawn.
        torch.manual_seed(derive_seed(seed, "step", step, group.rank))
        with autocast(bfloat16, device.type):
            loss = group.part(positions, lambda own: objective.loss(shared, own)) / objective.terms(positions)
        training.step(loss * group.size, rates[step])
        training.losses.append(group.sum(loss.detach()))
        if after_epoch and place == per_epoch - 1:
            after_epoch(epoch + 1)
        if (step + 1) % max(1, steps // 10) == 0:
            speed = (step + 1 - first) / (time.perf_counter() - start)
            words = f", {rate(speed)}" if rate else ""
            print(f"step {step + 1} of {steps}, loss {float(training.losses[-1]):.3f}{words}", flush=True)
        if group.rank == 0 and checkpoint.due():
            training.save(checkpoint)
    return [Step(step + 1, (step + 1) / per_epoch, loss, rates[step]) for step, loss in enumerate(training.floats())]
