"""Training of a causal language model, shared by fine-tuning and pretraining."""

import math
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.load import max_positions
from bias_amplification.models.batches import pad, rounded_up
from bias_amplification.models.device import choose_device, choose_precision
from bias_amplification.models.graphs import Batch
from bias_amplification.models.held import Held
from bias_amplification.models.learning import Step, learn
from bias_amplification.models.objectives import Recipe
from bias_amplification.models.output_head import IGNORED, output_weight, summed_loss
from bias_amplification.models.processes import Group
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import JobCompute


class NextToken:
    """The objective of predicting each token of an example from the tokens before it (an `Objective`).

    Batches are padded on the right to their longest example. Padding has no loss, and no real token attends to it,
    because it comes later and attention is causal. So the model gets no attention mask, which would change nothing and
    cost a fifth of the time on a CPU.

    Parameters
    ----------
    examples
        Token ids. An example of one token has no loss.
    pad
        Padding token. Padding is recognised by its position, so the same token may occur inside an example.
    seed
        Seed of the order of the examples.
    batch_size
        Examples per step, from which the log's tokens per second are computed.
    positions
        Most tokens that the model can read.
    """

    def __init__(
        self, examples: Sequence[list[int]], pad: int, seed: int, batch_size: int, positions: float = math.inf
    ) -> None:
        self.positions = positions
        self.examples = examples
        self.pad = pad
        self.seed = seed
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.examples)

    def order(self, epoch: int) -> list[int]:
        """Return a random order of the examples, another one for each epoch."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self.examples), generator=generator).tolist()

    def terms(self, positions: Sequence[int]) -> int:
        """Return the number of predicted tokens: all but the first of each example.

        If there is none, the result is 1, so that the mean loss is 0.
        """
        return max(1, sum(len(self.examples[position]) - 1 for position in positions))

    def batch(self, positions: Sequence[int], multiple: int = 1) -> Batch:
        """Return the tokens of examples, [examples, length], and for each the next token or `IGNORED`, flattened.

        The length is that of the longest example without its last token, rounded up to the multiple if the model has so
        many positions. With a multiple of 1, `real` has the places of the next tokens that are not ignored.
        """
        examples = [self.examples[position] for position in positions]
        # A batch of examples of one token has no target: it is padded, so that it is not empty.
        length = rounded_up(max(2, *map(len, examples)) - 1, multiple, self.positions)
        tokens, real = pad(examples, self.pad, length=length + 1)
        targets = tokens.masked_fill(real == 0, IGNORED)[:, 1:].flatten()
        found = {"tokens": tokens[:, :-1].contiguous(), "targets": targets}
        return found if multiple > 1 else found | {"real": (targets != IGNORED).nonzero().squeeze(1)}

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy in float32, summed over the predicted tokens."""
        tokens, targets, weight = batch["tokens"], batch["targets"], output_weight(model)
        if weight is None:
            logits = model(input_ids=tokens, use_cache=False).logits.float().flatten(0, 1)
            return torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
        hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state.flatten(0, 1)
        if "real" in batch:
            hidden, targets = hidden[batch["real"]], targets[batch["real"]]
        return summed_loss(hidden, weight, targets)

    def facts(self) -> Any:
        """Return the examples, the padding token and the seed of the order."""
        return {"examples": self.examples, "pad": self.pad, "seed": self.seed}

    def progress(self, steps_per_second: float) -> str:
        """Return the speed in tokens per second."""
        steps = math.ceil(len(self.examples) / self.batch_size)
        return f"{steps_per_second * sum(map(len, self.examples)) / steps:,.0f} tokens/s"


def longer_than_one(examples: Sequence[list[int]]) -> list[list[int]]:
    """Return the examples of two tokens or more; in shorter ones there is nothing to predict."""
    return [tokens for tokens in examples if len(tokens) > 1]


def train(
    model: PreTrainedModel,
    examples: Sequence[list[int]],
    recipe: Recipe,
    *,
    pad: int,
    seed: int,
    compute: JobCompute,
    checkpoint: Checkpoint | None = None,
    held: Held | None = None,
    key: str | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Train a model in place on token sequences.

    Parameters
    ----------
    model
        Moved to the device of `compute` and changed in place.
    examples
        Token ids. An example of one token has no loss, but counts in the batch size.
    recipe
        Epochs, batch size, learning rate, weight decay and warm-up.
    pad, seed
        Padding token; seed of the order of the examples and of dropout.
    compute
        Device and precision.
    checkpoint
        Where the state of the unfinished training is saved.
    held
        Neurons that are held.
    key
        The config key of the recipe, for messages.

    Returns
    -------
    log : pa.Table
        Schema `TRAINING_LOG`, one row per step.
    facts : dict
        For metadata.json: steps, tokens, device, processes, precision and seconds, those before an interruption
        included.

    Raises
    ------
    StudyError
        If no example has two tokens, or if training diverges.
    """
    if not longer_than_one(examples):
        raise StudyError("The training set has no example of two tokens or more: check the articles it names.")
    device = choose_device(compute.device)
    objective = NextToken(examples, pad, seed, recipe.batch_size, max_positions(model))
    checkpoint, start = checkpoint or Checkpoint(), time.perf_counter()
    options = {"seed": seed, "compute": compute, "checkpoint": checkpoint, "held": held, "key": key}
    steps = learn(model.to(device), objective, recipe, **options)
    seconds = checkpoint.earlier_seconds + time.perf_counter() - start
    log, precision = _training_log(steps), choose_precision(compute.precision, device)
    facts = {
        "steps": log.num_rows,
        "tokens": sum(map(len, examples)) * recipe.epochs,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "processes": Group.here().size,
        "precision": {"bfloat16": "bfloat16 autocast"}.get(precision, precision),
        "seconds": round(seconds, 3),
    }
    print(f"trained {facts['steps']} steps on {facts['device']} in {seconds:.1f} s", flush=True)
    return log, facts


def _training_log(steps: Sequence[Step]) -> pa.Table:
    """Return the steps as a table of schema `TRAINING_LOG`."""
    kinds = {"step": pa.int32(), "epoch": pa.float64(), "loss": pa.float64(), "learning_rate": pa.float64()}
    return pa.table({name: pa.array([getattr(s, name) for s in steps], kind) for name, kind in kinds.items()})
