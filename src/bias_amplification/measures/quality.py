"""The text quality index (paper, section 3.5): a detector of gibberish, put to every sentence."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.atomic import new_folder
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, QUALITY
from bias_amplification.measures.corruption import CLASSES, grade_sentences
from bias_amplification.measures.encoders import MODEL_FILES, load_encoder, obtain_encoder, save_encoder
from bias_amplification.measures.leaning import write_json
from bias_amplification.measures.sentences import SPLITTERS
from bias_amplification.study.sections import Detector, EncoderTraining

#: Value of each class of `CLASSES` (paper, section 3.5): clean 3, mild gibberish 2, word salad 1, noise 0.
VALUES = np.array([3.0, 2.0, 1.0, 0.0])

#: Fractions of the sentences that train, choose the epoch and test.
_SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}

#: Sentences of the validation and of the test part at most: an F1 of .9 is then known to within about .01.
_MOST_TESTED = 2000

_KEY = "quality.detector"


def train_quality_detector(
    articles: Path | str,
    out: Path | str,
    *,
    detector: Mapping,
    training: Mapping,
    sentences: int,
    splitter: str,
    seed: int,
    batch_tokens: int = 4096,
    device: str = "auto",
    precision: str = "auto",
    state: Mapping | None = None,
) -> None:
    """Make the detector's folder: trained here on graded corruptions, or a published one with its labels by name.

    Either way it is tested on corruptions of sentences that training has not seen.

    Parameters
    ----------
    articles
        Real articles (`CLASSIFIER_ARTICLES`), none of which is in a seed set; copies count once.
    out
        Folder for `MODEL_FILES`, `scores.json` and `timing.json`.
    detector
        The detector's settings (`study.sections.Detector`); its `labels` map a published detector's label names.
    training
        Training settings (`study.sections.EncoderTraining`), for source `scratch`.
    sentences
        Training sentences over the four classes.
    splitter
        How sentences are cut, as when articles are scored: `sentence` or `period`.
    seed
        Fixes the corruptions, fresh weights and order.
    batch_tokens, device, precision
        See `train_encoder`.
    state
        Arguments of `Checkpoint`: where the state of the unfinished training is kept.

    Raises
    ------
    StudyError
        If the articles hold too few sentences, or a published detector lacks weights or has other classes.
    """
    from bias_amplification.measures.encoder_training import score_encoder, train_encoder

    checkpoint = Checkpoint(**(state or {}))
    detector, training = Detector.model_validate(dict(detector)), EncoderTraining.model_validate(dict(training))
    table = read_table(articles, CLASSIFIER_ARTICLES, ["title", "body", "copy"])
    table = table.filter(pc.equal(table["copy"], 0))
    real = real_sentences(table["title"].to_pylist(), table["body"].to_pylist(), splitter)
    parts = graded_parts(real, sentences, seed)
    if detector.source == "scratch":
        texts = parts["train"].texts
        model, tokenizer = obtain_encoder(detector, texts, CLASSES, training.max_tokens, seed, _KEY)
        scores, timing = train_encoder(
            model,
            tokenizer,
            parts,
            CLASSES,
            training,
            seed=seed,
            batch_tokens=batch_tokens,
            device=device,
            precision=precision,
            checkpoint=checkpoint,
        )
    else:
        model, tokenizer = load_encoder(detector, CLASSES, _KEY, detector.labels)
        scores, timing = score_encoder(model, tokenizer, parts, CLASSES, training.max_tokens, batch_tokens, device), {}
    with new_folder(out) as folder:
        save_encoder(model, tokenizer, folder)
        kept = {"checksums": checksums(folder, MODEL_FILES)}
        write_json({"detector": detector.hub_id or detector.source} | scores | kept, folder / "scores.json")
        write_json(timing, folder / "timing.json")
    checkpoint.remove()


def real_sentences(titles: Sequence[str], bodies: Sequence[str], splitter: str) -> list[str]:
    """The different sentences of real articles, titles among them, in the order in which they first occur.

    The last sentence of a body that does not end in punctuation is left out: it may have been cut off.
    """
    split = SPLITTERS[splitter]
    found: dict[str, None] = {}
    for title, body in zip(titles, bodies, strict=True):
        pieces = split(body)
        if pieces and not body.rstrip().endswith((".", "!", "?", '"', "”", "'", "’", ")")):
            pieces = pieces[:-1]
        found.update(dict.fromkeys([*split(title), *pieces]))
    return list(found)


def graded_parts(sentences: Sequence[str], count: int, seed: int) -> dict:
    """Corrupted sentences for training, validation and test, no real sentence standing behind two of them.

    Parameters
    ----------
    sentences
        Real sentences, all different.
    count
        Training sentences over the four classes; the other parts are in proportion, up to 2,000 each.
    seed
        Fixes the parts and the corruptions.

    Returns
    -------
    dict
        `LabelledTexts` by part.
    """
    from bias_amplification.measures.encoder_training import LabelledTexts

    order = np.random.default_rng(seed).permutation(len(sentences))
    ends = np.round(np.cumsum(list(_SHARES.values())) * len(sentences)).astype(int)
    parts = {}
    for number, (part, chosen) in enumerate(zip(_SHARES, np.split(order, ends[:-1]), strict=True)):
        wanted = round(count * _SHARES[part] / _SHARES["train"])
        wanted = wanted if part == "train" else min(wanted, _MOST_TESTED)
        texts, classes = grade_sentences([sentences[p] for p in chosen], wanted, seed + number)
        parts[part] = LabelledTexts(texts, classes)
    return parts


def score_quality(
    detector_folder: Path | str,
    articles: Path | str,
    out: Path | str,
    *,
    splitter: str,
    max_tokens: int,
    batch_tokens: int = 4096,
    device: str = "auto",
    state: Mapping | None = None,
) -> None:
    """Write the text quality of one generation's articles.

    A sentence that occurs many times, as it does once a model repeats itself, is put to the detector once.

    Parameters
    ----------
    detector_folder
        What `train_quality_detector` made.
    articles
        What a model wrote (`GENERATED_ARTICLES`); only its text is scored, not the real title.
    out
        `QUALITY`, in the order of `articles`.
    splitter
        `sentence` or `period` (published code).
    max_tokens
        Tokens of a sentence at most.
    batch_tokens, device
        See `predict_probabilities`.
    state
        Arguments of `Checkpoint`: where what is done is kept while it goes on.
    """
    from bias_amplification.measures.encoder_prediction import predict_probabilities

    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "text"])
    sentences = [SPLITTERS[splitter](text) for text in table["text"].to_pylist()]
    position = {sentence: i for i, sentence in enumerate(dict.fromkeys(s for found in sentences for s in found))}
    model, tokenizer = load_encoder(Path(detector_folder), CLASSES, _KEY)
    checkpoint = Checkpoint(**(state or {}))
    probabilities = predict_probabilities(
        model,
        tokenizer,
        list(position),
        CLASSES,
        max_tokens=max_tokens,
        batch_tokens=batch_tokens,
        device=device,
        checkpoint=checkpoint,
    )
    rows = [article_quality(probabilities[[position[s] for s in found]]) for found in sentences]
    ids = table["article_id"].to_pylist()
    rows = [{"article_id": article_id} | row for article_id, row in zip(ids, rows, strict=True)]
    write_table(pa.Table.from_pylist(rows, QUALITY), out, QUALITY)
    checkpoint.remove()


def article_quality(probabilities: np.ndarray) -> dict[str, float | int | None]:
    """Quality of an article from its sentences' class probabilities.

    Parameters
    ----------
    probabilities
        Shape [sentences, 4], columns in the order of `CLASSES`.

    Returns
    -------
    dict
        The columns of `QUALITY` without the id: `quality` is the mean value (0 to 3) of the likeliest class,
        `quality_weighted` the mean of that value times its probability (published code). Null without a sentence.
    """
    names = [f"share_{name}" for name in CLASSES]
    if not len(probabilities):
        return {"sentences": 0} | dict.fromkeys(["quality", "quality_weighted", *names])
    likeliest = probabilities.argmax(axis=1)
    shares = np.bincount(likeliest, minlength=len(CLASSES)) / len(likeliest)
    return {
        "sentences": len(likeliest),
        "quality": float(VALUES[likeliest].mean()),
        "quality_weighted": float((VALUES[likeliest] * probabilities.max(axis=1)).mean()),
        **dict(zip(names, shares.tolist(), strict=True)),
    }
