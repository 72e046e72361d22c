"""Estimates of the sizes of a study's models, and of the memory that computing with them takes.

The constants are measured on a CPU; docs/speed.md has the measurements.
"""

from pathlib import Path

from bias_amplification.models.folders import Shape, count_parameters, read_shape
from bias_amplification.study.sections import Decoding, Encoder, ModelSource, Pretraining
from bias_amplification.study.settings import Study

#: Bytes of the weights of a hub model that is not downloaded yet: those of GPT-2 or RoBERTa-base.
UNKNOWN_MODEL = 500_000_000

#: Shape of a hub model that is not downloaded yet: that of GPT-2 or RoBERTa-base.
_USUAL_SHAPE = Shape(layers=12, width=768, heads=12, vocabulary=50_257)

#: Bytes of a number in float32.
FLOAT = 4

#: Activations that a training step keeps for its gradients, for each token and block: this many vectors of the model's
#: width (more for encoders, whose batches are padded), and this many rows of the attention matrix of each head.
_TRAINED_WIDTHS = {"train": 18, "train_encoder": 30}
_TRAINED_ROWS = 3

#: Copies of all logits in a training step of an architecture that computes them at once.
_TRAINED_LOGITS = 3

#: Copies of all logits in a step of transformers' beam search or sampling.
_WRITTEN_LOGITS = 5

#: Activations while prompts are read, for each token: vectors of the model's width.
_PROMPT_WIDTHS = 14

#: Bytes that an encoder or a language model holds for each token that it measures and each unit of width (42 measured).
_MEASURED_BYTES = 48


def model_bytes(study: Study) -> int | None:
    """Return the size of a model version's weights in float32, bytes; None for a hub model not yet downloaded.

    Parameters
    ----------
    study
        The parameters of a base model from a folder are counted, whatever their precision there. Those of a base model
        that the run pretrains follow from its settings.
    """
    base = study.base_model
    if base.source == "pretrain":
        size = base.pretraining
        block = 12 * size.width**2 + 13 * size.width
        return FLOAT * (size.layers * block + (size.vocabulary + size.context + 2) * size.width)
    if base.source == "folder":
        return FLOAT * count_parameters(base.path)
    made = Path(study.results) / "base" / "model.safetensors"
    return made.stat().st_size if made.exists() else None


def encoder_bytes(study: Study) -> int:
    """Return the size of the largest encoder's weights in float32, bytes.

    Parameters
    ----------
    study
        Its encoders are the classifier candidates and the quality detector.
    """
    return max(bytes_of(encoder) for encoder in (*study.classifier.candidates, study.quality.detector))


def bytes_of(encoder: Encoder) -> int:
    """Return the size of an encoder's weights in float32, bytes. For a hub model `UNKNOWN_MODEL` is assumed."""
    if encoder.source == "folder":
        return FLOAT * count_parameters(encoder.path)
    if encoder.source == "hub":
        return UNKNOWN_MODEL
    # Without the embeddings of positions, which are few beside the vocabulary.
    return FLOAT * (encoder.layers * 12 * encoder.width**2 + encoder.vocabulary * encoder.width)


def working_bytes(study: Study, kind: str) -> int:
    """Return the memory that a job takes besides the model while it computes in float32, bytes.

    It is linear in blocks, rows and width. The part of attention is quadratic in tokens.

    Parameters
    ----------
    study
        The config.
    kind
        train: training of language models. train_encoder: training of classifiers and the quality detector. generate:
        writing. measure: measuring. The estimate for other kinds of job is 0.
    """
    if kind == "train":
        return _trained_bytes(study)
    if kind == "train_encoder":
        return _trained_encoder_bytes(study)
    if kind == "generate":
        return max(_written_bytes(study, round_.decoding) for round_ in study.rounds)
    return _measured_bytes(study) if kind == "measure" else 0


def _shape(model: ModelSource, own: Encoder | Pretraining, downloaded: Path | None = None) -> Shape:
    """Return the shape of a model.

    Parameters
    ----------
    model
        Its shape is read from its folder, if it has one.
    own
        Settings that have the shape of a model that the run makes.
    downloaded
        Folder of a hub model, if it is there.
    """
    if model.source not in ("folder", "hub"):
        return Shape(own.layers, own.width, own.heads, own.vocabulary)
    folder = Path(model.path) if model.source == "folder" else downloaded
    found = read_shape(folder) if folder and (folder / "config.json").exists() else None
    return found or _USUAL_SHAPE


def base_shape(study: Study) -> Shape:
    """Return the shape of the base model."""
    return _shape(study.base_model, study.base_model.pretraining, Path(study.results) / "base")


def activations(shape: Shape, rows: int, tokens: int, kind: str = "train") -> int:
    """Return the activations that a training step keeps: numbers in all blocks.

    Parameters
    ----------
    shape
        The model's.
    rows, tokens
        Size of the batch.
    kind
        train or train_encoder.
    """
    return rows * tokens * shape.layers * (_TRAINED_WIDTHS[kind] * shape.width + _TRAINED_ROWS * shape.heads * tokens)


def _trained_bytes(study: Study) -> int:
    """Return the memory of a step of fine-tuning or of pretraining, whichever is larger."""
    shape, finetuning, pretraining = base_shape(study), study.finetuning, study.base_model.pretraining
    batches = [(finetuning.batch_size, finetuning.max_tokens)]
    if study.base_model.source == "pretrain":
        batches.append((pretraining.batch_size, pretraining.context))
    logits = 0 if shape.plain else _TRAINED_LOGITS * shape.vocabulary
    return FLOAT * max(activations(shape, rows, tokens) + rows * tokens * logits for rows, tokens in batches)


def _trained_encoder_bytes(study: Study) -> int:
    """Return the memory of a training step of the largest encoder that the run trains; 0 if it trains none."""
    trained = [(candidate, study.classifier.training) for candidate in study.classifier.candidates if candidate.train]
    if study.quality.detector.trained_by_run:
        trained.append((study.quality.detector, study.quality.training))
    sizes = [
        activations(_shape(encoder, encoder), training.batch_size, training.max_tokens, "train_encoder")
        for encoder, training in trained
    ]
    return FLOAT * max(sizes, default=0)


def _measured_bytes(study: Study) -> int:
    """Return the memory of a batch that is measured, for the widest model."""
    encoders = (*study.classifier.candidates, study.quality.detector)
    widths = [base_shape(study).width, *(_shape(encoder, encoder).width for encoder in encoders)]
    return _MEASURED_BYTES * max(widths) * study.compute.batch_tokens


def _written_bytes(study: Study, decoding: Decoding) -> int:
    """Return the memory of a batch of prompts: keys and values, and activations while the prompts are read.

    transformers, which decodes beams and samples, copies the keys and values in every step and holds all logits.
    """
    sizes, shape = study.generation, base_shape(study)
    rows = decoding.rows_per_prompt * (sizes.batch_prompts or decoding.default_prompts)
    token = 2 * FLOAT * shape.layers * (shape.keys or shape.width)
    reading = (token + FLOAT * _PROMPT_WIDTHS * shape.width) * sizes.block_tokens
    writing = token * (sizes.block_tokens + sizes.new_tokens)
    if decoding.method == "greedy":
        return rows * max(reading, writing)
    return rows * (max(reading, 2 * writing) + FLOAT * _WRITTEN_LOGITS * shape.vocabulary)
