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

#: Shape of a model that is not here: GPT-2's and RoBERTa-base's.
_USUAL_SHAPE = Shape(layers=12, width=768, heads=12, vocabulary=50_257)

#: Matrices of all logits that are held: in a training step of an architecture that makes them all at once, and at a
#: step of transformers' beams or samples. Measured on a CPU (docs/speed.md).
_LOGITS_TRAINED = 3
_LOGITS_WRITTEN = 5

#: What reading prompts holds, in numbers of a model's width for each token: the widest activations. Measured.
_READ = 14

#: Bytes that an encoder or a language model holds for each token read and unit of width. Measured (42) on a CPU.
_MEASURED = 48


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
    return max(bytes_of(encoder) for encoder in (*study.classifier.candidates, study.quality.detector))


def bytes_of(encoder: Encoder) -> int:
    """Size of one encoder's weights in float32, bytes; RoBERTa-base's and more if only the hub knows."""
    if encoder.source == "folder":
        return 4 * count_parameters(encoder.path)
    if encoder.source == "hub":
        return UNKNOWN_MODEL
    # Positions are few beside the vocabulary.
    return 4 * (encoder.layers * 12 * encoder.width**2 + encoder.vocabulary * encoder.width)


def _shape(model: ModelSource, own: Encoder | Pretraining, here: Path | None = None) -> Shape:
    """Shape of a model: its folder's, a hub's if it is `here`, and its `own` settings' where the run makes it."""
    if model.source not in ("folder", "hub"):
        return Shape(own.layers, own.width, own.heads, own.vocabulary)
    folder = Path(model.path) if model.source == "folder" else here
    found = read_shape(folder) if folder and (folder / "config.json").exists() else None
    return found or _USUAL_SHAPE


def _base_shape(study: Study) -> Shape:
    return _shape(study.base_model, study.base_model.pretraining, Path(study.results) / "base")


def _trained_encoders(study: Study) -> list[tuple[Encoder, EncoderTraining]]:
    """Encoders that the run trains, each with its recipe; what is ready is taken as it is."""
    trained: list[tuple[Encoder, EncoderTraining]] = [
        (candidate, study.classifier.training) for candidate in study.classifier.candidates if candidate.train
    ]
    if study.quality.detector.source == "scratch":
        trained.append((study.quality.detector, study.quality.training))
    return trained


def working_bytes(study: Study, kind: str) -> int:
    """Tell what a step keeps in float32: for its gradients, of what is written, or of what is measured.

    Linear in the blocks, the rows and the width, and in attention with the square of the tokens; measured on a CPU
    (docs/speed.md).

    Parameters
    ----------
    study
        The study.
    kind
        train (language models), train_encoder (classifiers, quality detector), generate or measure; anything else keeps
        nothing.

    Returns
    -------
    int
        Bytes.
    """
    if kind == "generate":
        return max(_written_bytes(study, round_.decoding) for round_ in study.rounds)
    if kind == "measure":
        encoders = (*study.classifier.candidates, study.quality.detector)
        widths = [_base_shape(study).width, *(_shape(encoder, encoder).width for encoder in encoders)]
        return _MEASURED * max(widths) * study.compute.batch_tokens
    steps: list[tuple[Shape, int, int]] = []
    if kind == "train":
        size, recipe = study.base_model.pretraining, study.finetuning
        shape = _base_shape(study)
        steps.append((shape, recipe.batch_size, recipe.max_tokens))
        if study.base_model.source == "pretrain":
            steps.append((shape, size.batch_size, size.context))
    elif kind == "train_encoder":
        for encoder, recipe in _trained_encoders(study):
            steps.append((_shape(encoder, encoder), recipe.batch_size, recipe.max_tokens))
    kept = 0
    for shape, rows, tokens in steps:
        blocks = shape.layers * (_KEPT[kind] * shape.width + _ROWS_KEPT * shape.heads * tokens)
        # A classifier's logits are few; a language model's are made all at once under autocast, too.
        all_logits = kind == "train" and (study.compute.precision == "bfloat16" or not shape.plain)
        logits = _LOGITS_TRAINED * shape.vocabulary if all_logits else 0
        kept = max(kept, 4 * rows * tokens * (blocks + logits))
    return kept


def _written_bytes(study: Study, decoding: Decoding) -> int:
    """Size of a batch's keys and values; transformers copies them at each step, and beams hold many logits at once."""
    sizes, shape = study.generation, _base_shape(study)
    beams = decoding.beams if decoding.method == "beam" else 1
    rows = beams * (sizes.batch_prompts or usual_prompts(beams))
    # At first the prompts' own keys and values beside their activations, in the end all and no activations.
    token = 2 * 4 * shape.layers * (shape.keys or shape.width)
    reading = (token + 4 * _READ * shape.width) * sizes.block_tokens
    writing = token * (sizes.block_tokens + sizes.new_tokens)
    if decoding.method == "greedy":
        return rows * max(reading, writing)
    return rows * (max(reading, 2 * writing) + 4 * _LOGITS_WRITTEN * shape.vocabulary)
