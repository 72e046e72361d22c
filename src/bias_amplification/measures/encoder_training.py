"""Training of sequence classifiers (paper, appendix A), with the best epoch kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_amplification.measures.encoder_prediction import predict_probabilities, tokenize
from bias_amplification.measures.scores import classification_scores, final_scores
from bias_amplification.study.sections import EncoderTraining
from bias_amplification.study.seeds import derive_seed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from bias_amplification.artifacts.checkpoint import Checkpoint


PARTS = ("train", "validation", "test")
#: Parts that are scored when training is done.
_SCORED = PARTS[1:]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with their labels, position by position."""

    texts: Sequence[str]
    labels: Sequence[str]


@dataclass
class BestEpoch:
    """The epoch with the highest validation macro F1 so far; of two alike, the one with the lower loss.

    `judged_on` is what the scores come from, as JSON can tell it.
    """

    judged_on: Any = None
    epoch: int | None = None
    macro_f1: float = -1.0
    loss: float = float("inf")
    weights: dict[str, "torch.Tensor"] = field(default_factory=dict)

    def offer(self, epoch: int, macro_f1: float, loss: float, model: "PreTrainedModel") -> None:
        """Keep a copy of the weights if they are better than those before."""
        if (macro_f1, -loss) > (self.macro_f1, -self.loss):
            self.epoch, self.macro_f1, self.loss = epoch, macro_f1, loss
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    def facts(self) -> Any:
        """Return what the choice depends on besides the training."""
        return self.judged_on

    def state(self) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
        """Return what to save of it while training goes on."""
        return self.weights, {"epoch": self.epoch, "macro_f1": self.macro_f1, "loss": self.loss}

    def restore(self, tensors: dict[str, "torch.Tensor"], facts: dict[str, Any]) -> None:
        """Take back what was saved."""
        self.weights = tensors
        self.epoch, self.macro_f1, self.loss = (facts[name] for name in ("epoch", "macro_f1", "loss"))


class Labels:
    """Telling the label of a text (an `Objective`): texts drawn with replacement, each label equally often.

    Parameters
    ----------
    examples
        Token ids.
    targets
        Label ids, one an example.
    padding
        Token that pads.
    seed
        For the draws.
    """

    def __init__(self, examples: Sequence[list[int]], targets: np.ndarray, padding: int, seed: int) -> None:
        self.examples = examples
        self.targets = targets
        self.padding = padding
        self.seed = seed

    def __len__(self) -> int:
        return len(self.examples)

    def order(self, epoch: int) -> list[int]:
        """Draw as many texts as there are."""
        import torch

        weights = torch.from_numpy((1.0 / np.bincount(self.targets).clip(1))[self.targets])
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.multinomial(weights, len(self), replacement=True, generator=generator).tolist()

    def terms(self, positions: Sequence[int]) -> int:
        """One a text."""
        return len(positions)

    def loss(self, model: "torch.nn.Module", positions: Sequence[int]) -> "torch.Tensor":
        """Cross-entropy in float32, summed over the texts."""
        import torch

        from bias_amplification.batches import pad

        device = next(model.parameters()).device
        input_ids, mask = pad([self.examples[position] for position in positions], self.padding)
        logits = model(input_ids=input_ids.to(device), attention_mask=mask.to(device)).logits
        targets = torch.from_numpy(self.targets[list(positions)]).to(device)
        return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")

    def facts(self) -> Any:
        """Examples, labels, padding and order."""
        return [self.examples, self.targets.tolist(), self.padding, self.seed]


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
    checkpoint: "Checkpoint | None" = None,
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
    checkpoint
        Where the state of an unfinished training is kept, and found.

    Returns
    -------
    scores : dict
        What `final_scores` gives, `best_epoch` (from 1), `articles` of each part, `parameters`. The same for the same
        arguments.
    timing : dict
        `train_runtime_seconds` and `samples_per_second`, the scoring after each epoch included.
    """
    targets = _targets(parts, labels)
    from bias_amplification.language_model.device import choose_device, use_bfloat16
    from bias_amplification.learning import Recipe, learn

    device = choose_device(device)

    def predict(part: str) -> np.ndarray:
        texts, limits = parts[part].texts, {"max_tokens": training.max_tokens, "batch_tokens": batch_tokens}
        return predict_probabilities(model, tokenizer, texts, labels, device=device, **limits)

    best = BestEpoch([list(parts["validation"].texts), list(parts["validation"].labels)])

    def after_epoch(epoch: int) -> None:
        scores = classification_scores(predict("validation"), targets["validation"], labels)
        f1, loss = scores["macro_f1"], scores["loss"]
        print(f"epoch {epoch} of {training.epochs}: validation macro F1 {f1:.4f}, loss {loss:.4f}", flush=True)
        best.offer(epoch, scores["macro_f1"], scores["loss"], model)

    max_tokens = min(training.max_tokens, tokenizer.model_max_length)
    examples = tokenize(tokenizer, parts["train"].texts, max_tokens)
    started = time.perf_counter()
    learn(
        model.to(device),
        Labels(examples, targets["train"], tokenizer.pad_token_id, seed),
        Recipe(training.epochs, training.batch_size, training.learning_rate, training.weight_decay),
        seed=seed,
        bfloat16=use_bfloat16(precision, device),
        checkpoint=checkpoint,
        after_epoch=after_epoch,
        memory=best,
    )
    seconds = time.perf_counter() - started
    model.load_state_dict(best.weights)
    scores = {
        "best_epoch": best.epoch,
        **final_scores({part: predict(part) for part in _SCORED}, targets, labels),
        "articles": {part: len(parts[part].texts) for part in PARTS},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    model.to("cpu")
    timing = {
        "train_runtime_seconds": seconds,
        "samples_per_second": training.epochs * len(examples) / seconds,
    }
    return scores, timing


def score_encoder(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    parts: Mapping[str, LabelledTexts],
    labels: Sequence[str],
    max_tokens: int,
    batch_tokens: int,
    device: str,
) -> dict:
    """Score a classifier that is ready, in the shape of `train_encoder`'s scores; `best_epoch` is None.

    Parameters
    ----------
    model, tokenizer
        As `load_encoder` gives them.
    parts
        Texts of `validation` and `test`.
    labels, max_tokens, batch_tokens, device
        See `predict_probabilities`.
    """
    probabilities = {
        part: predict_probabilities(
            model, tokenizer, parts[part].texts, labels, max_tokens=max_tokens, batch_tokens=batch_tokens, device=device
        )
        for part in _SCORED
    }
    return {
        "best_epoch": None,
        **final_scores(probabilities, _targets(parts, labels), labels),
        "articles": {"train": 0} | {part: len(parts[part].texts) for part in _SCORED},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _targets(parts: Mapping[str, LabelledTexts], labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Positions in `labels` of the texts' labels, by part."""
    ids = {label: index for index, label in enumerate(labels)}
    return {part: np.array([ids[label] for label in texts.labels]) for part, texts in parts.items()}
