"""Training of a causal language model: what fine-tuning and pretraining share."""

import math
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.language_model.device import choose_device, use_bfloat16
from bias_amplification.language_model.head import head_weight, summed_loss
from bias_amplification.learning import Recipe, Step, learn
from bias_amplification.processes import Group
from bias_amplification.study.seeds import derive_seed

#: Loss positions with this label are left out (PyTorch's cross_entropy default).
IGNORED = -100


class NextToken:
    """Predicting each token of an example from those before it (an `Objective`).

    Batches are padded on the right to their longest example. The padding has no part in the loss, and no real token
    can attend to it, because it comes later and attention is causal. So there is no attention mask, which would say
    nothing and cost a fifth of the time on a CPU.

    Parameters
    ----------
    examples
        Token ids. One of a single token teaches nothing.
    pad
        Token that pads. It is told by position, so the same token inside an example keeps its meaning.
    seed
        For the order.
    """

    def __init__(self, examples: Sequence[list[int]], pad: int, seed: int) -> None:
        self.examples = examples
        self.pad = pad
        self.seed = seed

    def __len__(self) -> int:
        return len(self.examples)

    def order(self, epoch: int) -> list[int]:
        """Shuffle, each epoch anew."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self.examples), generator=generator).tolist()

    def terms(self, positions: Sequence[int]) -> int:
        """Every token but the first of an example is predicted; 1 where none is, so that the mean loss is 0."""
        return max(1, sum(len(self.examples[position]) - 1 for position in positions))

    def collate(self, positions: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens, and for each place the token that follows or `IGNORED`; both [examples, longest - 1]."""
        longest = max(2, *(len(self.examples[position]) for position in positions))
        tokens = torch.full((len(positions), longest), self.pad)
        following = torch.full((len(positions), longest), IGNORED)
        for row, position in enumerate(positions):
            example = torch.tensor(self.examples[position])
            tokens[row, : len(example)] = example
            following[row, : len(example) - 1] = example[1:]
        # The last token predicts nothing.
        return tokens[:, :-1].contiguous(), following[:, :-1].contiguous()

    def loss(self, model: torch.nn.Module, positions: Sequence[int]) -> torch.Tensor:
        """Cross-entropy in float32, summed over the predicted tokens."""
        device = next(model.parameters()).device
        tokens, following = (part.to(device, non_blocking=True) for part in self.collate(positions))
        weight = head_weight(model)
        if weight is not None and not torch.is_autocast_enabled(device.type):
            hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state.flatten(0, 1)
            real = (following.flatten() != IGNORED).nonzero().squeeze(1)
            return summed_loss(hidden[real], weight, following.flatten()[real])
        logits = model(input_ids=tokens, use_cache=False).logits
        return torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), following.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def facts(self) -> Any:
        """Examples, padding and order."""
        return {"examples": self.examples, "pad": self.pad, "seed": self.seed}


def train(
    model: PreTrainedModel,
    examples: Sequence[list[int]],
    recipe: Recipe,
    *,
    pad: int,
    seed: int,
    device: str = "auto",
    precision: str = "auto",
    keep_short: bool = False,
    checkpoint: Checkpoint | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Train a model in place on token sequences.

    Parameters
    ----------
    model
        Changed in place.
    examples
        Token ids; those of one token predict nothing.
    recipe
        Epochs, batch, rates.
    pad
        Token that pads.
    seed
        Fixes the order of the examples and dropout.
    device, precision
        As in the config's `compute`.
    keep_short
        Whether examples that predict nothing keep their places in batches; else they are left out.
    checkpoint
        Where the state of an unfinished training is kept, and found.

    Returns
    -------
    log : pa.Table
        Schema `TRAINING_LOG`, one row a step.
    figures : dict
        For metadata.json: steps, tokens, device, precision, seconds of this process.

    Raises
    ------
    StudyError
        If nothing is left to train on, or training diverges.
    """
    if not keep_short:
        examples = [tokens for tokens in examples if len(tokens) > 1]
    if not any(len(tokens) > 1 for tokens in examples):
        raise StudyError("The training set has no example of two tokens or more: check the articles it names.")
    chosen = choose_device(device)
    bfloat16 = use_bfloat16(precision, chosen)
    tokens = sum(map(len, examples))
    tokens_a_step = tokens / math.ceil(len(examples) / recipe.batch_size)
    start = time.perf_counter()
    steps = learn(
        model.to(chosen),
        NextToken(examples, pad, seed),
        recipe,
        seed=seed,
        bfloat16=bfloat16,
        checkpoint=checkpoint,
        rate=lambda speed: f"{speed * tokens_a_step:,.0f} tokens/s",
    )
    seconds = time.perf_counter() - start
    log = _training_log(steps)
    _check_finite(log, model, recipe)
    figures = {
        "steps": log.num_rows,
        "tokens": tokens * recipe.epochs,
        "device": torch.cuda.get_device_name() if chosen == "cuda" else chosen,
        "processes": Group.here().size,
        "precision": "bfloat16 autocast" if bfloat16 else "float32",
        "seconds": round(seconds, 3),
    }
    print(f"trained {figures['steps']} steps on {figures['device']} in {seconds:.1f} s", flush=True)
    return log, figures


def _training_log(steps: Sequence[Step]) -> pa.Table:
    """Turn steps into schema `TRAINING_LOG`."""
    kinds = {"step": pa.int32(), "epoch": pa.float64(), "loss": pa.float64(), "learning_rate": pa.float64()}
    return pa.table({name: pa.array([getattr(s, name) for s in steps], kind) for name, kind in kinds.items()})


def _check_finite(log: pa.Table, model: PreTrainedModel, recipe: Recipe) -> None:
    """Refuse a model that has diverged, before anything is made from it."""
    losses = all(map(math.isfinite, log.column("loss").to_pylist()))
    if not losses or not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise StudyError(
            f"Training diverged: a loss or a weight is no finite number after {log.num_rows} steps at a learning rate "
            f"of {recipe.learning_rate:g}. Lower finetuning.learning_rate (or base_model.pretraining.learning_rate, "
            "if this is the base model)."
        )
