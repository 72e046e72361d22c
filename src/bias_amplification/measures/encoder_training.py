"""Training of sequence classifiers (paper, appendix A), with the best epoch kept."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bias_amplification.measures.encoder_prediction import pad, predict_probabilities, tokenize
from bias_amplification.measures.scores import classification_scores
from bias_amplification.study.sections import EncoderTraining

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback


PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with their labels, position by position."""

    texts: Sequence[str]
    labels: Sequence[str]


@dataclass
class BestEpoch:
    """The epoch with the highest validation macro F1 so far; of two alike, the one with the lower loss."""

    epoch: int | None = None
    macro_f1: float = -1.0
    loss: float = float("inf")
    weights: dict[str, "torch.Tensor"] = field(default_factory=dict)

    def offer(self, epoch: int, macro_f1: float, loss: float, model: "PreTrainedModel") -> None:
        """Keep a copy of the weights if they are better than those before."""
        if (macro_f1, -loss) > (self.macro_f1, -self.loss):
            self.epoch, self.macro_f1, self.loss = epoch, macro_f1, loss
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def train_encoder(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    parts: Mapping[str, LabelledTexts],
    labels: Sequence[str],
    training: EncoderTraining,
    *,
    seed: int,
    batch_tokens: int = 4096,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[dict, dict]:
    """Train a classifier in place and leave it at its best epoch.

    AdamW, linear decay, cross-entropy; texts are drawn with replacement, each label equally often in expectation; a
    batch is padded to its longest text. After every epoch the validation texts are scored.

    Parameters
    ----------
    model, tokenizer
        As `obtain_encoder` gives them: label ids are positions in `labels`.
    parts
        Texts of `train`, `validation` and `test`.
    labels
        Label names.
    training
        Epochs, batch size, learning rate, weight decay, longest text.
    seed
        Fixes the order of the texts and dropout.
    batch_tokens
        Tokens of a batch of validation texts. Changes speed and memory alone.
    device
        `auto`, `cpu` or `cuda`.
    precision
        `auto` (bfloat16 autocast on a GPU that has it), `float32` or `bfloat16`.

    Returns
    -------
    scores : dict
        `validation` and `test` scores (see `classification_scores`), `best_epoch` (from 1), `articles` of each part,
        `parameters`. The same for the same arguments.
    timing : dict
        `train_runtime_seconds` and `samples_per_second`, the scoring after each epoch included.
    """
    ids = {label: index for index, label in enumerate(labels)}
    targets = {part: np.array([ids[label] for label in parts[part].labels]) for part in PARTS}
    from bias_amplification.language_model.device import choose_device

    device = choose_device(device)

    def score(part: str) -> dict:
        probabilities = predict_probabilities(
            model,
            tokenizer,
            parts[part].texts,
            labels,
            max_tokens=training.max_tokens,
            batch_tokens=batch_tokens,
            device=device,
        )
        return classification_scores(probabilities, targets[part], labels)

    best = BestEpoch()

    def after_epoch(epoch: int) -> None:
        scores = score("validation")
        f1, loss = scores["macro_f1"], scores["loss"]
        print(f"epoch {epoch} of {training.epochs}: validation macro F1 {f1:.4f}, loss {loss:.4f}", flush=True)
        best.offer(epoch, scores["macro_f1"], scores["loss"], model)

    max_tokens = min(training.max_tokens, tokenizer.model_max_length)
    token_ids = tokenize(tokenizer, parts["train"].texts, max_tokens)
    examples = [{"ids": i, "label": int(t)} for i, t in zip(token_ids, targets["train"], strict=True)]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _make_trainer(model, tokenizer, examples, training, seed, device, precision, scratch)
        trainer.add_callback(_epoch_callback(after_epoch))
        trainer.train()
    seconds = time.perf_counter() - started
    model.load_state_dict(best.weights)
    scores = {
        "best_epoch": best.epoch,
        "validation": score("validation"),
        "test": score("test"),
        "articles": {part: len(parts[part].texts) for part in PARTS},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    model.to("cpu")
    timing = {
        "train_runtime_seconds": seconds,
        "samples_per_second": training.epochs * len(examples) / seconds,
    }
    return scores, timing


def _make_trainer(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    examples: list[dict],
    training: EncoderTraining,
    seed: int,
    device: str,
    precision: str,
    scratch: str,
) -> "Trainer":
    import torch
    from torch.utils.data import WeightedRandomSampler
    from transformers import PrinterCallback, Trainer, TrainingArguments

    def collate(batch: list[dict]) -> dict[str, "torch.Tensor"]:
        input_ids, mask = pad([example["ids"] for example in batch], tokenizer.pad_token_id)
        return {
            "input_ids": input_ids,
            "attention_mask": mask,
            "labels": torch.tensor([example["label"] for example in batch]),
        }

    counts = np.bincount([example["label"] for example in examples])
    weights = [1.0 / counts[example["label"]] for example in examples]

    class BalancedTrainer(Trainer):
        def _get_train_sampler(self, train_dataset=None):
            generator = torch.Generator().manual_seed(seed)
            return WeightedRandomSampler(weights, len(weights), replacement=True, generator=generator)

    from bias_amplification.language_model.device import use_bfloat16

    on_gpu = device == "cuda"
    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        seed=seed,
        use_cpu=not on_gpu,
        bf16=use_bfloat16(precision, device),
        dataloader_pin_memory=on_gpu,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    # One GPU: Trainer would spread a batch over all that it sees, and make it larger by their number.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    trainer = BalancedTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collate)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _epoch_callback(after_epoch) -> "TrainerCallback":
    from transformers import TrainerCallback

    class AfterEpoch(TrainerCallback):
        def on_epoch_end(self, args, state, control, **others):
            after_epoch(round(state.epoch))

    return AfterEpoch()
