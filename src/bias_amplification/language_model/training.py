"""Training of a causal language model with transformers' Trainer: what fine-tuning and pretraining share."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.device import choose_device, use_bfloat16

#: Loss positions with this label are left out (PyTorch's cross_entropy default).
IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW, linear decay, gradients clipped at norm 1, as Trainer does by default.

    `warmup` is a share of the steps. Learning rate and weight decay are AdamW's; a batch counts sequences.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float = 0.0


class PadToLongest:
    """Collate token sequences: right padding to the batch's longest, which counts for nothing.

    The padding has no part in the loss, and no real token can attend to it, because it comes later and attention is
    causal. So there is no attention mask, which would say nothing and cost a fifth of the time on a CPU.

    Parameters
    ----------
    pad
        Token that pads. It is told by position, so the same token inside an example keeps its meaning.
    """

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, examples: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Return `input_ids` and `labels`, each [batch, longest]."""
        longest = max(len(example["input_ids"]) for example in examples)
        shape = (len(examples), longest)
        tokens = torch.full(shape, self.pad)
        labels = torch.full(shape, IGNORED)
        for row, example in enumerate(examples):
            length = len(example["input_ids"])
            tokens[row, :length] = torch.tensor(example["input_ids"])
            # Nothing predicts the first token; left in, it would count in the mean of some versions of Trainer.
            labels[row, 1:length] = tokens[row, 1:length]
        return {"input_ids": tokens, "labels": labels}


class _Progress(TrainerCallback):
    """Tell the log how far training is, about ten times."""

    def __init__(self, tokens_per_epoch: int) -> None:
        self.tokens_per_epoch = tokens_per_epoch
        self.start = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.start = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs and state.global_step % max(1, state.max_steps // 10) == 0:
            rate = self.tokens_per_epoch * state.epoch / (time.perf_counter() - self.start)
            print(
                f"step {state.global_step} of {state.max_steps}, loss {float(logs['loss']):.3f}, {rate:,.0f} tokens/s",
                flush=True,
            )


def train(
    model: PreTrainedModel,
    examples: Sequence[list[int]],
    recipe: Recipe,
    *,
    pad: int,
    seed: int,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[pa.Table, dict[str, Any]]:
    """Train a model in place on token sequences.

    Parameters
    ----------
    model
        Changed in place.
    examples
        Token ids, each at least two long (one token predicts nothing).
    recipe
        Epochs, batch, rates.
    pad
        Token that pads.
    seed
        Fixes the order of the examples and dropout.
    device, precision
        As in the config's `compute`.

    Returns
    -------
    log : pa.Table
        Schema `TRAINING_LOG`, one row a step.
    figures : dict
        For metadata.json: steps, tokens, device, precision, seconds.

    Raises
    ------
    StudyError
        If nothing is left to train on.
    """
    examples = [tokens for tokens in examples if len(tokens) > 1]
    if not examples:
        raise StudyError("The training set has no example of two tokens or more: check the articles it names.")
    # Said outright, because transformers guesses it from the class's name and warns where it cannot.
    model.loss_type = "ForCausalLM"
    chosen = choose_device(device)
    bfloat16 = use_bfloat16(precision, chosen)
    tokens = sum(map(len, examples))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            warmup_steps=recipe.warmup,
            lr_scheduler_type="linear",
            optim="adamw_torch_fused",
            seed=seed,
            data_seed=seed,
            bf16=bfloat16,
            use_cpu=chosen == "cpu",
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        )
        # One GPU: Trainer would spread a batch over all that it sees, and make it larger by their number.
        arguments._n_gpu = min(arguments.n_gpu, 1)
        start = time.perf_counter()
        trainer = Trainer(
            model,
            arguments,
            train_dataset=[{"input_ids": sequence} for sequence in examples],
            data_collator=PadToLongest(pad),
            callbacks=[_Progress(tokens)],
        )
        # The default callback prints every step's dictionary; ours tells the log what a reader wants.
        from transformers.trainer_callback import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        trainer.train()
        seconds = time.perf_counter() - start
    log = _training_log(trainer.state.log_history)
    _check_finite(log, model, recipe)
    figures = {
        "steps": trainer.state.global_step,
        "tokens": tokens * recipe.epochs,
        "device": chosen,
        "precision": "bfloat16 autocast" if bfloat16 else "float32",
        "seconds": round(seconds, 3),
    }
    print(f"trained {figures['steps']} steps, {figures['tokens'] / seconds:,.0f} tokens/s, {seconds:.1f} s", flush=True)
    return log, figures


def _training_log(history: Sequence[dict[str, Any]]) -> pa.Table:
    """Turn Trainer's history into schema `TRAINING_LOG`, one row a step."""
    rows = [row for row in history if "loss" in row]
    kinds = {"step": pa.int32(), "epoch": pa.float64(), "loss": pa.float64(), "learning_rate": pa.float64()}
    return pa.table({name: pa.array([float(row[name]) for row in rows]).cast(kind) for name, kind in kinds.items()})


def _check_finite(log: pa.Table, model: PreTrainedModel, recipe: Recipe) -> None:
    """Refuse a model that has diverged, before anything is made from it."""
    losses = all(map(math.isfinite, log.column("loss").to_pylist()))
    if not losses or not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise StudyError(
            f"Training diverged: a loss or a weight is no finite number after {log.num_rows} steps at a learning rate "
            f"of {recipe.learning_rate:g}. Lower finetuning.learning_rate (or base_model.pretraining.learning_rate, "
            "if this is the base model)."
        )
