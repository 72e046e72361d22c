"""Training and testing of sequence classifiers (paper, appendix A)."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.notices import warn
from bias_amplification.corpus.splits import PARTS
from bias_amplification.measures.encoder_prediction import predict_probabilities, tokenize
from bias_amplification.measures.encoders import TextClassifier
from bias_amplification.measures.scores import classification_scores, final_scores
from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Encoder, EncoderTraining, JobCompute

if TYPE_CHECKING:
    import torch


#: Largest learning rate that leaves something of pretrained weights. Fine-tuning of encoders takes 1e-5 to 1e-4.
_FASTEST = 5.0e-4


def warn_of_fast_training(source: Encoder, training: EncoderTraining, key: str) -> None:
    """Warn if an encoder is pretrained, and the learning rate is one for fresh weights.

    Parameters
    ----------
    source
        Where the encoder comes from.
    training
        How it will be trained.
    key
        The config key of `training`.
    """
    if source.source != "scratch" and training.learning_rate > _FASTEST:
        warn(
            f"{key}.learning_rate is {training.learning_rate:g}, which destroys the pretrained weights of "
            f"{source.hub_id if source.source == 'hub' else source.path}: set it to a small one, such as 5.0e-5."
        )


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, and the label of each."""

    texts: Sequence[str]
    labels: Sequence[str]


class BestEpoch:
    """Copies the weights of the best epoch (an `Observer` of the training loop).

    The best epoch has the highest validation macro F1. Of two epochs with the same macro F1, the one with the lower
    loss is better; of two with the same loss as well, the earlier one.

    Parameters
    ----------
    model
        The model that is trained.
    validate
        Returns the model's validation scores, with `macro_f1` and `loss`.
    validation
        The validation texts, which the choice of the epoch depends on.
    """

    def __init__(
        self, model: "torch.nn.Module", validate: Callable[[], Mapping[str, Any]], validation: LabelledTexts
    ) -> None:
        self.model = model
        self.validate = validate
        self.validation = validation
        self.epoch: int | None = None
        self.macro_f1 = -1.0
        self.loss = float("inf")
        self.weights: dict[str, torch.Tensor] = {}

    def after_epoch(self, epoch: int) -> None:
        """Score the model, and copy its weights if no earlier epoch was as good."""
        scores = self.validate()
        macro_f1, loss = scores["macro_f1"], scores["loss"]
        print(f"epoch {epoch}: validation macro F1 {macro_f1:.4f}, loss {loss:.4f}", flush=True)
        if (macro_f1, -loss) > (self.macro_f1, -self.loss):
            self.epoch, self.macro_f1, self.loss = epoch, macro_f1, loss
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def facts(self) -> Any:
        """Return the validation texts and their labels."""
        return [list(self.validation.texts), list(self.validation.labels)]

    def state(self) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
        """Return the best weights so far, and the epoch and scores that they belong to."""
        return self.weights, {"epoch": self.epoch, "macro_f1": self.macro_f1, "loss": self.loss}

    def restore(self, tensors: dict[str, "torch.Tensor"], facts: dict[str, Any]) -> None:
        """Take over the weights and scores that `state` returned."""
        self.weights = tensors
        self.epoch, self.macro_f1, self.loss = (facts[name] for name in ("epoch", "macro_f1", "loss"))


class LabelPrediction:
    """Predicting the labels of texts (an `Objective` of the training loop).

    Texts are drawn with replacement, so that each label is expected equally often.

    Parameters
    ----------
    examples
        Token ids of each text.
    targets
        Shape [texts], label ids.
    padding
        Id of the padding token.
    seed
        Seed of the draws.
    longest
        Most tokens that the model reads.
    """

    def __init__(
        self, examples: Sequence[list[int]], targets: np.ndarray, padding: int, seed: int, longest: float = math.inf
    ) -> None:
        self.longest = longest
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
        """Return the number of texts, because each has one loss."""
        return len(positions)

    def batch(self, positions: Sequence[int], multiple: int = 1) -> dict[str, "torch.Tensor"]:
        """Return token ids and mask, both [texts, length], and label ids, [texts].

        The length is that of the longest text, rounded up to the multiple if the model reads so many tokens.
        """
        import torch

        from bias_amplification.models.batches import pad, rounded_up

        examples = [self.examples[position] for position in positions]
        length = rounded_up(max(map(len, examples)), multiple, self.longest)
        input_ids, mask = pad(examples, self.padding, length=length)
        return {"input_ids": input_ids, "mask": mask, "targets": torch.from_numpy(self.targets[list(positions)])}

    def loss(self, model: "torch.nn.Module", batch: Mapping[str, "torch.Tensor"]) -> "torch.Tensor":
        """Return the cross-entropy in float32, summed over the texts."""
        import torch

        logits = model(input_ids=batch["input_ids"], attention_mask=batch["mask"]).logits
        return torch.nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="sum")

    def facts(self) -> Any:
        """Return examples, label ids, padding and seed."""
        return [self.examples, self.targets.tolist(), self.padding, self.seed]

    def progress(self, steps_per_second: float) -> str:
        """Return the speed for the log."""
        return f"{steps_per_second:.1f} steps/s"


def train_encoder(
    classifier: TextClassifier,
    parts: Mapping[str, LabelledTexts],
    training: EncoderTraining,
    seed: int,
    compute: JobCompute,
    checkpoint: Checkpoint | None = None,
    key: str | None = None,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Train a classifier in place, and leave it with the weights of its best epoch.

    The optimizer is AdamW with linear decay, the loss cross-entropy. Texts are drawn with replacement, so that each
    label is expected equally often. After each epoch the validation texts are scored.

    Parameters
    ----------
    classifier
        From `obtain_encoder`: label ids are positions in its `labels`.
    parts
        Texts of each of `PARTS`.
    training
        Epochs, batch size, learning rate, weight decay, longest text.
    seed
        Seed of the order of the texts and of dropout.
    compute
        Device, precision (`auto`: bfloat16 autocast on a GPU that supports it, and float32 if that diverges) and tokens
        of a batch in scoring.
    checkpoint
        Where the state of an unfinished training is saved. The caller removes it.
    key
        The config key of `training`, for messages.

    Returns
    -------
    scores : dict
        See `score_encoder`; `best_epoch` counts from 1. The same arguments give the same scores.
    timing : dict
        `train_runtime_seconds` and `samples_per_second`, including the scoring after each epoch and the time before an
        interruption.

    Raises
    ------
    StudyError
        If the training diverges.
    """
    from bias_amplification.models.attention_masks import seeing_itself
    from bias_amplification.models.device import choose_device
    from bias_amplification.models.learning import learn

    model, tokenizer, labels = classifier
    validation, device = parts["validation"], choose_device(compute.device)
    # The choice of the best epoch does not depend on how the finished model is read later; neither do scores.
    compute = _in_float32(compute)

    def validate() -> dict[str, Any]:
        probabilities = predict_probabilities(classifier, validation.texts, training.max_tokens, compute)
        return classification_scores(probabilities, _label_ids(validation, labels), labels)

    examples = tokenize(classifier, parts["train"].texts, training.max_tokens)
    longest = classifier.longest(training.max_tokens)
    objective = LabelPrediction(examples, _label_ids(parts["train"], labels), tokenizer.pad_token_id, seed, longest)
    checkpoint, start = checkpoint or Checkpoint(), time.perf_counter()

    def learn_in(compute: JobCompute) -> BestEpoch:
        best = BestEpoch(model, validate, validation)
        options = {"seed": seed, "compute": compute, "checkpoint": checkpoint, "observer": best, "key": key}
        with seeing_itself(model):
            learn(model.to(device), objective, training, **options)
        return best

    best = _or_in_float32(learn_in, compute, model)
    seconds = checkpoint.earlier_seconds + time.perf_counter() - start
    model.load_state_dict(best.weights)
    scores = score_encoder(classifier, parts, training.max_tokens, compute) | {"best_epoch": best.epoch}
    scores["articles"]["train"] = len(examples)
    model.to("cpu")
    return scores, {
        "train_runtime_seconds": seconds,
        "samples_per_second": training.epochs * len(examples) / seconds,
    }


def _or_in_float32(
    learn_in: Callable[[JobCompute], BestEpoch], compute: JobCompute, model: "torch.nn.Module"
) -> BestEpoch:
    """Train, and if that diverges in a precision that was not asked for, train anew in float32."""
    from bias_amplification.models.device import choose_device, choose_precision
    from bias_amplification.models.learning import DivergedError

    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        return learn_in(compute)
    except DivergedError as fault:
        if compute.precision != "auto" or choose_precision("auto", choose_device(compute.device)) == "float32":
            raise
        warn(f"{fault} As compute.precision is auto, the training starts again in float32.")
    # Outside of the block above, whose error holds the memory of the first training.
    model.load_state_dict(initial)
    return learn_in(compute.model_copy(update={"precision": "float32"}))


def score_encoder(
    classifier: TextClassifier, parts: Mapping[str, LabelledTexts], max_tokens: int, compute: JobCompute
) -> dict[str, Any]:
    """Score a classifier on the validation and test texts.

    Parameters
    ----------
    classifier, max_tokens, compute
        See `predict_probabilities`.
    parts
        Texts of `validation` and `test`.

    Returns
    -------
    dict
        The result of `final_scores`; `best_epoch`, None, and `articles`, the number of texts of each part, 0 for
        `train` (`train_encoder` replaces both); `parameters`, the number of the model's parameters.
    """
    tested, compute = {part: parts[part] for part in PARTS[1:]}, _in_float32(compute)
    probabilities = {
        part: predict_probabilities(classifier, texts.texts, max_tokens, compute) for part, texts in tested.items()
    }
    label_ids = {part: _label_ids(texts, classifier.labels) for part, texts in tested.items()}
    return {
        "best_epoch": None,
        **final_scores(probabilities, label_ids, classifier.labels),
        "articles": {"train": 0} | {part: len(texts.texts) for part, texts in tested.items()},
        "parameters": sum(parameter.numel() for parameter in classifier.model.parameters()),
    }


def _in_float32(compute: JobCompute) -> JobCompute:
    return compute.model_copy(update={"measuring": "float32"})


def _label_ids(texts: LabelledTexts, labels: Sequence[str]) -> np.ndarray:
    """Return the position of each text's label in `labels`."""
    ids = {label: index for index, label in enumerate(labels)}
    return np.array([ids[label] for label in texts.labels])
