"""The training loop of all models: language models, leaning classifiers and the quality detector.

The defaults are those of transformers' Trainer: AdamW, linear decay of the learning rate, gradients clipped at norm 1.
Trainer lacks two things that are needed here. A training that was killed resumes to the same bits, because the order
of the examples and the noise of a step follow from the seed and the step's number alone. And several processes share
a batch without making it larger.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.models.device import autocast
from bias_amplification.models.held import Held
from bias_amplification.models.processes import Group
from bias_amplification.seeds import derive_seed

#: Gradients with a larger norm are scaled down to it (Trainer's default).
_LARGEST_NORM = 1.0

#: Losses are checked after so many steps: each check makes a GPU wait.
_STEPS_BETWEEN_CHECKS = 25

#: Fields of a recipe; a saved state is used again only if all of them are the same.
_RECIPE = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup")


class Recipe(Protocol):
    """How a model is trained; the config's sections about training have these fields."""

    @property
    def epochs(self) -> int:
        """Passes over the examples."""

    @property
    def batch_size(self) -> int:
        """Examples per step."""

    @property
    def learning_rate(self) -> float:
        """Peak of the learning rate, from which it decays linearly to zero."""

    @property
    def weight_decay(self) -> float:
        """AdamW's weight decay; it applies to matrices, not to vectors."""

    @property
    def warmup(self) -> float:
        """Share of the steps over which the learning rate rises to its peak."""


class Objective(Protocol):
    """The examples that a model learns from, their order, and their loss."""

    def __len__(self) -> int:
        """Return the number of examples in an epoch."""

    def order(self, epoch: int) -> Sequence[int]:
        """Return the positions of an epoch's examples in training order; the same epoch has the same order."""

    def terms(self, positions: Sequence[int]) -> int:
        """Return the number of losses that these examples have; the sum is divided by it."""

    def loss(self, model: torch.nn.Module, positions: Sequence[int]) -> torch.Tensor:
        """Return the sum of the losses of these examples, a scalar."""

    def facts(self) -> Any:
        """Return everything that the losses depend on except the model, as JSON values."""

    def progress(self, steps_per_second: float) -> str:
        """Return the training speed in words for the log, for example in tokens per second; may be empty."""


class Observer(Protocol):
    """An object that is called after each epoch, and whose state is saved with the training's."""

    def after_epoch(self, epoch: int) -> None:
        """Look at the model after an epoch; the first epoch is 1."""

    def facts(self) -> Any:
        """Return everything that the observer's state depends on except the training, as JSON values."""

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return the tensors and the JSON values to save."""

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Take over a saved state."""


@dataclass(frozen=True)
class Step:
    """One training step: its number (from 1), the epochs completed with it, its loss and its learning rate."""

    step: int
    epoch: float
    loss: float
    learning_rate: float


class _Training:
    """The weights, the optimizer and the losses of a training, which can be saved and restored between two steps."""

    def __init__(
        self, model: torch.nn.Module, recipe: Recipe, observer: Observer | None, held: Held | None = None
    ) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.observer, self.held = observer, held
        self.losses: list[torch.Tensor | float] = []
        self.numbers = 0
        """How many of the losses, from the first on, are numbers that are known to be finite."""
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        if held:
            held.bind(model)

    def step(self, loss: torch.Tensor, learning_rate: float, group: Group) -> None:
        """Change the weights along the gradient of this process's part of the loss, and record the whole loss."""
        # DistributedDataParallel takes the mean of the processes' gradients; the sum is needed.
        (loss * group.size).backward()
        if self.held:
            self.held.change_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), _LARGEST_NORM)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        self.optimizer.step()
        if self.held:
            self.held.put_back()
        self.optimizer.zero_grad(set_to_none=True)
        self.losses.append(group.sum(loss.detach()))

    def first_broken(self, *, weights: bool = False) -> int | None:
        """Return the first step, from 0, whose loss is not finite or, with `weights`, whose weights are not.

        The losses become numbers here. Converting each loss after its step would make a GPU wait at every step.
        """
        for step in range(self.numbers, len(self.losses)):
            self.losses[step] = float(self.losses[step])
            if not math.isfinite(self.losses[step]):
                return step
        self.numbers = len(self.losses)
        sound = not weights or all(bool(parameter.isfinite().all()) for parameter in self.parameters.values())
        return None if sound else len(self.losses) - 1

    def save(self, checkpoint: Checkpoint) -> None:
        tensors = {f"weight {name}": p for name, p in self.parameters.items()}
        for name, parameter in self.parameters.items():
            # The optimizer has no moments for a parameter that no loss depends on.
            if moments := self.optimizer.state.get(parameter):
                tensors |= {f"{moment} {name}": moments[moment] for moment in ("exp_avg", "exp_avg_sq")}
        facts: dict[str, Any] = {"losses": self.losses}
        if self.observer:
            observed, facts["observer"] = self.observer.state()
            tensors |= {f"observer {name}": tensor for name, tensor in observed.items()}
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
        if self.observer:
            observed = {
                name.removeprefix("observer "): tensor
                for name, tensor in tensors.items()
                if name.startswith("observer ")
            }
            self.observer.restore(observed, facts["observer"])


def learn(
    model: torch.nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int,
    bfloat16: bool = False,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
    held: Held | None = None,
    key: str | None = None,
) -> list[Step]:
    """Train a model in place.

    Parameters
    ----------
    model
        On its device.
    objective, recipe
        The examples and their loss; epochs, batch size, learning rate, weight decay and warm-up.
    seed
        Seed of the dropout of each step. The order of the examples is the objective's.
    bfloat16
        Whether matrix products run in bfloat16 (autocast).
    checkpoint
        Where the state of the training is saved. The caller removes it after writing the trained model.
    observer
        Called after each epoch; its state is saved with the training's.
    held
        Neurons that are held.
    key
        The config key of the recipe, for messages.

    Returns
    -------
    list of Step
        All steps, including those before an interruption.

    Raises
    ------
    StudyError
        If a loss or a weight is not a finite number, within `_STEPS_BETWEEN_CHECKS` steps.
    """
    group, checkpoint, device = Group.here(), checkpoint or Checkpoint(), next(model.parameters()).device
    per_epoch = math.ceil(len(objective) / recipe.batch_size)
    rates = _learning_rates(recipe, recipe.epochs * per_epoch)
    training = _Training(model, recipe, observer, held)
    about = {"recipe": {name: getattr(recipe, name) for name in _RECIPE}, "seed": seed, "bfloat16": bfloat16}
    about |= {"held": held.facts()} if held else {}
    _resume(training, model, objective, checkpoint, about, len(rates))

    def check(*, weights: bool = False) -> None:
        if (broken := training.first_broken(weights=weights)) is not None:
            raise _divergence(broken, float(training.losses[broken]), rates, bfloat16, key)

    shared = group.share(model)
    model.train()
    first, start, order = len(training.losses), time.perf_counter(), []
    for step in range(first, len(rates)):
        epoch, place = divmod(step, per_epoch)
        if not place or not order:
            order = objective.order(epoch)
        positions = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        # The seed follows from the step's number, so that a resumed training draws the same dropout.
        torch.manual_seed(derive_seed(seed, "step", step, group.rank))
        with autocast(bfloat16, device.type):
            loss = group.part(positions, lambda own: objective.loss(shared, own)) / objective.terms(positions)
        training.step(loss, rates[step], group)
        if (step + 1) % _STEPS_BETWEEN_CHECKS == 0:
            check()
        if observer and place == per_epoch - 1:
            check(weights=True)
            observer.after_epoch(epoch + 1)
        if (step + 1) % max(1, len(rates) // 10) == 0:
            check()
            words = objective.progress((step + 1 - first) / (time.perf_counter() - start))
            loss_now = training.losses[-1]
            print(f"step {step + 1} of {len(rates)}, loss {loss_now:.3f}{words and f', {words}'}", flush=True)
        if group.rank == 0 and checkpoint.due():
            check(weights=True)
            training.save(checkpoint)
    check(weights=True)
    return [Step(step + 1, (step + 1) / per_epoch, loss, rates[step]) for step, loss in enumerate(training.losses)]


def _divergence(step: int, loss: float, rates: Sequence[float], bfloat16: bool, key: str | None) -> StudyError:
    """Return the error of a training whose loss, or weights, at a step (from 0) are not finite numbers."""
    what = "the weights are not finite numbers" if math.isfinite(loss) else "the loss is not a finite number"
    remedy = f"lower {key}.learning_rate" if key else "lower the learning rate"
    return StudyError(
        f"Training diverged: at step {step + 1} of {len(rates)} {what} (loss {loss:.4g}, learning rate "
        f"{rates[step]:.4g}, {'bfloat16' if bfloat16 else 'float32'}): "
        f"{remedy}{', or set compute.precision to float32' if bfloat16 else ''}."
    )


def _learning_rates(recipe: Recipe, steps: int) -> list[float]:
    """Return the learning rate of each step: a linear rise over the warm-up, then a linear decay."""
    warmup = math.ceil(steps * recipe.warmup)
    return [
        recipe.learning_rate * (step / warmup if step < warmup else (steps - step) / (steps - warmup))
        for step in range(steps)
    ]


def _resume(
    training: _Training,
    model: torch.nn.Module,
    objective: Objective,
    checkpoint: Checkpoint,
    about: dict[str, Any],
    steps: int,
) -> None:
    """Restore the state that a killed process saved, if it belongs to the same training of so many steps."""
    device, threads, processes = next(model.parameters()).device, torch.get_num_threads(), Group.here().size
    about = about | {"device": str(device.type), "threads": threads, "processes": processes}
    observed = training.observer.facts() if training.observer else None
    if found := checkpoint.open(model, about, objective.facts(), observed):
        training.restore(*found)
        print(f"going on after step {len(training.losses)} of {steps}", flush=True)
