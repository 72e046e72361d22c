"""The training loop of all models: language models, leaning classifiers and the quality detector.

The defaults are those of transformers' Trainer: AdamW, linear decay of the learning rate, gradients clipped at norm 1.
Trainer lacks two things that are needed here. A training that was killed resumes to the same bits, because the order
of the examples and the noise of a step follow from the seed and the step's number alone. And several processes share
a batch without making it larger.
"""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.models.attention_masks import without_looking
from bias_amplification.models.device import autocast, choose_precision, tf32_products
from bias_amplification.models.graphs import Batch, CudaGraphs, GraphedSteps, StepFunction
from bias_amplification.models.held import Held
from bias_amplification.models.objectives import Computing, Objective, Observer, Recipe
from bias_amplification.models.processes import Group, like, whole
from bias_amplification.seeds import derive_seed

#: Gradients with a larger norm are scaled down to it (Trainer's default).
_LARGEST_NORM = 1.0

#: On a GPU, sequences are padded to a multiple of so many tokens, so that batches have few shapes.
_MULTIPLE = 64

#: Losses are checked after so many steps: each check makes a GPU wait.
_STEPS_BETWEEN_CHECKS = 25

#: Fields of a recipe; a saved state is used again only if all of them are the same.
_RECIPE = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup")


@dataclass(frozen=True)
class _Defaults:
    """The defaults of `Computing`."""

    precision: str = "auto"
    cuda_graphs: bool = True
    compile: bool = False


@dataclass(frozen=True)
class Step:
    """One training step: its number (from 1), the epochs completed with it, its loss and its learning rate."""

    step: int
    epoch: float
    loss: float
    learning_rate: float


class DivergedError(StudyError):
    """A training whose loss, or whose weights, are not finite numbers."""


class _Training:
    """The weights, the optimizer and the losses of a training, which can be saved and restored between two steps."""

    def __init__(
        self,
        model: torch.nn.Module,
        objective: Objective,
        recipe: Recipe,
        precision: str,
        observer: Observer | None,
        held: Held | None,
    ) -> None:
        self.group = Group.here()
        self.model, self.objective, self.precision = model, objective, precision
        self.loss = self.group.share(model, objective.loss, precision)
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.device = next(model.parameters()).device
        self.observer, self.held = observer, held
        self.losses: list[torch.Tensor | float] = []
        self.numbers = 0
        """How many of the losses, from the first on, are numbers that are known to be finite."""
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        on_gpu = self.device.type == "cuda"
        # A CUDA graph reads the learning rate from a tensor, and counts its steps in one.
        self.rate = torch.zeros((), device=self.device) if on_gpu else None
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=recipe.learning_rate if self.rate is None else self.rate,
            weight_decay=recipe.weight_decay,
            fused=True,
            capturable=on_gpu,
        )
        if held:
            held.bind(model)

    def set_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next step."""
        if self.rate is not None:
            self.rate.fill_(learning_rate)
            return
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate

    def step(self, batch: Batch) -> torch.Tensor:
        """Change the weights along the gradient of this process's part of a batch, and return its loss."""
        # A capture that failed may have left gradients that nothing has computed.
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, self.device.type):
            loss = self.loss(batch) / batch["terms"]
        # DistributedDataParallel and FSDP take the mean of the processes' gradients; the sum is needed.
        (loss * self.group.size).backward()
        if self.held:
            self.held.change_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), _LARGEST_NORM)
        self.optimizer.step()
        if self.held:
            self.held.put_back()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

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
        if self.group.sharded:
            tensors = {name: whole(tensor.detach()).cpu() for name, tensor in tensors.items()}
        if self.group.rank == 0:
            checkpoint.save(tensors, facts)
        elif checkpoint.request:
            raise SystemExit(128 + checkpoint.request)

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        self.losses = list(facts["losses"])
        for name, parameter in self.parameters.items():
            parameter.copy_(like(tensors[f"weight {name}"], parameter))
            if f"exp_avg {name}" not in tensors:
                continue
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(len(self.losses)), device=parameter.device),
                **{m: like(tensors[f"{m} {name}"], parameter) for m in ("exp_avg", "exp_avg_sq")},
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
    compute: Computing = _Defaults(),
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
    compute
        Precision, and whether CUDA graphs and compiled code are used.
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
    DivergedError
        If a loss or a weight is not a finite number, within `_STEPS_BETWEEN_CHECKS` steps.
    """
    checkpoint = checkpoint or Checkpoint()
    device = next(model.parameters()).device
    precision = choose_precision(compute.precision, device.type)
    rates = _learning_rates(recipe, recipe.epochs * _steps_per_epoch(objective, recipe))
    training = _Training(model, objective, recipe, precision, observer, held)
    about = {"recipe": {name: getattr(recipe, name) for name in _RECIPE}, "seed": seed, "precision": precision}
    about |= {"held": held.facts()} if held else {}
    # The model shows the rank and the dropout of an adapter, but not its alpha.
    about |= {"adapter": adapter.model_dump()} if (adapter := getattr(recipe, "adapter", None)) else {}
    _resume(training, model, objective, checkpoint, about, len(rates))
    model.train()
    with tf32_products(precision), without_looking(device.type):
        _take_steps(training, recipe, rates, seed, checkpoint, key, _step_function(training, len(rates), compute))
    training.group.gather(model)
    per_epoch = _steps_per_epoch(objective, recipe)
    return [Step(step + 1, (step + 1) / per_epoch, loss, rates[step]) for step, loss in enumerate(training.losses)]


def _step_function(training: _Training, steps: int, compute: Computing) -> StepFunction:
    """Return the function that takes a step: the training's own, or one that replays CUDA graphs of it."""
    if compute.compile:
        # In place: names of weights stay as they are. Losses call the model without its head.
        training.model.base_model.compile(dynamic=False)
    if training.device.type != "cuda" or training.group.size > 1 or not compute.cuda_graphs:
        return training.step
    left = steps - len(training.losses)
    return GraphedSteps(training.step, left, CudaGraphs(), torch.cuda.synchronize)


def _take_steps(
    training: _Training,
    recipe: Recipe,
    rates: Sequence[float],
    seed: int,
    checkpoint: Checkpoint,
    key: str | None,
    take_step: StepFunction,
) -> None:
    """Take the steps that a training still has, check its losses, and save its state."""
    objective, observer, group = training.objective, training.observer, training.group
    per_epoch = _steps_per_epoch(objective, recipe)

    def check(*, weights: bool = False) -> None:
        if (broken := training.first_broken(weights=weights)) is not None:
            raise _divergence(broken, float(training.losses[broken]), rates, training.precision, key)

    first, start = len(training.losses), time.perf_counter()
    for step, batch in enumerate(_batches(training, recipe, first, len(rates)), start=first):
        # The seed follows from the step's number, so that a resumed training draws the same dropout.
        torch.manual_seed(derive_seed(seed, "step", step, group.rank))
        training.set_rate(rates[step])
        training.losses.append(group.sum(take_step(batch)))
        if (step + 1) % _STEPS_BETWEEN_CHECKS == 0:
            check()
        if observer and (step + 1) % per_epoch == 0:
            check(weights=True)
            observer.after_epoch((step + 1) // per_epoch)
        if (step + 1) % max(1, len(rates) // 10) == 0:
            check()
            words = objective.progress((step + 1 - first) / (time.perf_counter() - start))
            loss_now = training.losses[-1]
            print(f"step {step + 1} of {len(rates)}, loss {loss_now:.3f}{words and f', {words}'}", flush=True)
        # All processes save, and end, after the same step.
        due, asked = group.largest(group.rank == 0 and checkpoint.due(), checkpoint.request)
        if due or asked:
            # A request that has come meanwhile stays.
            checkpoint.request = asked or checkpoint.request
            check(weights=True)
            training.save(checkpoint)
    check(weights=True)


def _steps_per_epoch(objective: Objective, recipe: Recipe) -> int:
    return math.ceil(len(objective) / recipe.batch_size)


def _batches(training: _Training, recipe: Recipe, first: int, steps: int) -> Iterator[Batch]:
    """Yield the batches of the steps from `first` on, on the device; the next one is made meanwhile."""
    objective, group, device = training.objective, training.group, training.device
    per_epoch, multiple = _steps_per_epoch(objective, recipe), _MULTIPLE if device.type == "cuda" else 1
    order: Sequence[int] = []

    def make(step: int) -> Batch:
        nonlocal order
        epoch, place = divmod(step, per_epoch)
        if not place or not order:
            order = objective.order(epoch)
        positions = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        own = group.own(positions)
        # A process without examples takes part with a loss of zero, and with gradients of zero.
        terms = torch.tensor(float(objective.terms(positions)) if own else math.inf)
        batch = objective.batch(own or positions[:1], multiple) | {"terms": terms}
        return {name: tensor.pin_memory() for name, tensor in batch.items()} if device.type == "cuda" else batch

    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(make, first) if first < steps else None
        for step in range(first, steps):
            batch = following.result()
            following = thread.submit(make, step + 1) if step + 1 < steps else None
            yield {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def _divergence(step: int, loss: float, rates: Sequence[float], precision: str, key: str | None) -> DivergedError:
    """Return the error of a training whose loss, or weights, at a step (from 0) are not finite numbers."""
    what = "the weights are not finite numbers" if math.isfinite(loss) else "the loss is not a finite number"
    remedy = f"lower {key}.learning_rate" if key else "lower the learning rate"
    return DivergedError(
        f"Training diverged: at step {step + 1} of {len(rates)} {what} (loss {loss:.4g}, learning rate "
        f"{rates[step]:.4g}, {precision}): {remedy}"
        f"{'' if precision == 'float32' else ', or set compute.precision to float32'}."
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
    device, threads, processes = training.device.type, torch.get_num_threads(), training.group.size
    about = about | {"device": device, "threads": threads, "processes": processes}
    observed = training.observer.facts() if training.observer else None
    if found := checkpoint.open(model, about, objective.facts(), observed):
        training.restore(*found)
        print(f"going on after step {len(training.losses)} of {steps}", flush=True)
