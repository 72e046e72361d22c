"""How large a study's models are, and what computing with them holds in memory, before any of them is here."""

from pathlib import Path

from bias_amplification.artifacts.models import Shape, count_parameters, read_shape
from bias_amplification.study.sections import (
    Decoding,
    Encoder,
    EncoderTraining,
    ModelSource,
    Pretraining,
    usual_prompts,
)
from bias_amplification.study.settings import Study

#: Weights of a hub's model whose size is not known before it is here: GPT-2's, and RoBERTa-base's.
UNKNOWN_MODEL = 500_000_000

#: What a training step keeps for its gradients: numbers of a model's width for each token and block, and rows of
#: attention's matrices for each head. Measured on a CPU (docs/speed.md); an encoder's batches are padded.
_KEPT = {"train": 18, "train_encoder": 30}
_ROWS_KEPT = 3

#: Shape of a model that is not here: GPT-2's and RoBERTa-base's; and GPT-2's vocabulary.
_USUAL_SHAPE = Shape(layers=12, width=768, heads=12)
_USUAL_VOCABULARY = 50_257

#: Matrices of all logits that transformers holds at a step of beams or samples. Measured on a CPU (docs/speed.md).
_LOGITS_HELD = 5


def model_bytes(study: Study) -> int | None:
    """Size of a model version's weights in float32; None if only the hub knows.

    Parameters
    ----------
    study
        The study: for a model from a folder its parameters are counted, whatever precision they have there; for one
        pretrained by the run they follow from its size.
    """
    base = study.base_model
    made = Path(study.results) / "base" / "model.safetensors"
    if base.source == "pretrain":
        size = base.pretraining
        block = 12 * size.width**2 + 13 * size.width
        return 4 * (size.layers * block + (size.vocabulary + size.context + 2) * size.width)
    if base.source == "folder":
        return 4 * count_parameters(base.path)
    return made.stat().st_size if made.exists() else None


def encoder_bytes(study: Study) -> int:
    """Size of the largest encoder's weights in float32, one that only the hub knows taken as RoBERTa-base.

    Parameters
    ----------
    study
        The study: its classifier candidates and its quality detector.
    """
    return max(_encoder_bytes(encoder) for encoder in (*study.classifier.candidates, study.quality.detector))


def _encoder_bytes(encoder: Encoder) -> int:
    if encoder.source == "folder":
        return 4 * count_parameters(encoder.path)
    if encoder.source == "hub":
        return UNKNOWN_MODEL
    # Positions are few beside the vocabulary.
    return 4 * (encoder.layers * 12 * encoder.width**2 + encoder.vocabulary * encoder.width)


def _shape(model: ModelSource, own: Encoder | Pretraining) -> Shape:
    """Shape of a model: its folder's, the usual one for a hub's, and its `own` settings' where the run makes it."""
    if model.source in ("folder", "hub"):
        return (read_shape(model.path) if model.source == "folder" else None) or _USUAL_SHAPE
    return Shape(own.layers, own.width, own.heads)


def _trained_encoders(study: Study) -> list[tuple[Encoder, EncoderTraining]]:
    """Encoders that the run trains, each with its recipe; what is ready is taken as it is."""
    trained: list[tuple[Encoder, EncoderTraining]] = [
        (candidate, study.classifier.training) for candidate in study.classifier.candidates if candidate.train
    ]
    if study.quality.detector.source == "scratch":
        trained.append((study.quality.detector, study.quality.training))
    return trained


def working_bytes(study: Study, kind: str) -> int:
    """Tell what a step keeps in float32: for its gradients, or the keys and values of what is written.

    Linear in the blocks, the rows and the width, and in attention with the square of the tokens; measured on a CPU
    (docs/speed.md).

    Parameters
    ----------
    study
        The study.
    kind
        train (language models), train_encoder (classifiers, quality detector) or generate; anything else keeps nothing.

    Returns
    -------
    int
        Bytes.
    """
    if kind == "generate":
        return max(_written_bytes(study, round_.decoding) for round_ in study.rounds)
    steps: list[tuple[Shape, int, int]] = []
    if kind == "train":
        size, recipe = study.base_model.pretraining, study.finetuning
        shape = _shape(study.base_model, size)
        steps.append((shape, recipe.batch_size, recipe.max_tokens))
        if study.base_model.source == "pretrain":
            steps.append((shape, size.batch_size, size.context))
    elif kind == "train_encoder":
        for encoder, recipe in _trained_encoders(study):
            steps.append((_shape(encoder, encoder), recipe.batch_size, recipe.max_tokens))
    return max((_step_bytes(shape, rows, tokens, _KEPT[kind]) for shape, rows, tokens in steps), default=0)


def _step_bytes(shape: Shape, rows: int, tokens: int, kept: int) -> int:
    return 4 * shape.layers * rows * tokens * (kept * shape.width + _ROWS_KEPT * shape.heads * tokens)


def _written_bytes(study: Study, decoding: Decoding) -> int:
    """Size of a batch's keys and values; transformers copies them at each step, and beams hold many logits at once."""
    base, sizes = study.base_model, study.generation
    shape = _shape(base, base.pretraining)
    beams = decoding.beams if decoding.method == "beam" else 1
    rows = beams * (sizes.batch_prompts or usual_prompts(beams))
    kept = 2 * 4 * shape.layers * shape.width * rows * (sizes.block_tokens + sizes.new_tokens)
    if decoding.method == "greedy":
        return kept
    vocabulary = base.pretraining.vocabulary if base.source == "pretrain" else _USUAL_VOCABULARY
    return 2 * kept + 4 * _LOGITS_HELD * rows * vocabulary
