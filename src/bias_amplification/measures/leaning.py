"""The leaning classifier: trained, compared, chosen, and put to the models' articles (paper, section 3.4)."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, new_file, read_table, write_csv, write_table
from bias_amplification.artifacts.atomic import new_folder
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums
from bias_amplification.artifacts.schemas import CLASSIFIER_ARTICLES, GENERATED_ARTICLES, predictions
from bias_amplification.measures.encoders import (
    MODEL_FILES,
    check_encoder,
    load_encoder,
    obtain_encoder,
    read_scores,
    save_encoder,
)
from bias_amplification.study.sections import Candidate, EncoderTraining

#: Macro F1 on the test articles that the paper's Table 1 gives, by the model's name.
PUBLISHED_MACRO_F1 = {
    "distilbert-base-uncased": 0.8308,
    "bert-base-uncased": 0.8559,
    "albert-base-v2": 0.8649,
    "roberta-base": 0.9196,
}


def article_text(title: str, text: str, remove_quotes: bool = True) -> str:
    """What the classifier reads of an article: the title, a newline, the text, without double quotes if so wished."""
    joined = f"{title}\n{text}" if title else text
    return joined.replace('"', "").replace("“", "").replace("”", "") if remove_quotes else joined


def train_leaning_classifier(
    articles: Path | str,
    out: Path | str,
    *,
    candidate: Mapping,
    split: str,
    labels: Sequence[str],
    training: Mapping,
    seed: int,
    remove_quotes: bool = True,
    test_copies: bool = False,
    batch_tokens: int = 4096,
    device: str = "auto",
    precision: str = "auto",
    state: Mapping | None = None,
) -> None:
    """Train one candidate on one split, or test one that is ready, and write its folder.

    Parameters
    ----------
    articles
        The classifier's articles (`CLASSIFIER_ARTICLES`).
    out
        Folder for `MODEL_FILES`, `scores.json` and `timing.json`.
    candidate
        The candidate's settings (`study.sections.Candidate`).
    split
        `random`, `event` or `outlet`; rows that this split gives no part are left out.
    labels
        The study's labels.
    training
        Training settings (`study.sections.EncoderTraining`).
    seed
        Fixes fresh weights, order and dropout.
    remove_quotes
        Whether double quotes are taken out of the texts, as the published code does.
    test_copies
        Whether copies of an article count in validation and test, as in the paper's order of resampling.
    batch_tokens, device, precision
        See `train_encoder`.
    state
        Arguments of `Checkpoint`: where the state of the unfinished training is kept.

    Raises
    ------
    StudyError
        If a part of the split is empty or lacks a label, or if the candidate cannot be loaded or, ready as it is,
        classifies into other labels.
    """
    from bias_amplification.measures.encoder_training import score_encoder, train_encoder

    checkpoint = Checkpoint(**(state or {}))
    candidate, training = Candidate.model_validate(dict(candidate)), EncoderTraining.model_validate(dict(training))
    parts = _read_parts(Path(articles), split, labels, remove_quotes, test_copies)
    key = f"classifier.candidates {candidate.name}"
    if candidate.train:
        model, tokenizer = obtain_encoder(candidate, parts["train"].texts, labels, training.max_tokens, seed, key)
        scores, timing = train_encoder(
            model,
            tokenizer,
            parts,
            labels,
            training,
            seed=seed,
            batch_tokens=batch_tokens,
            device=device,
            precision=precision,
            checkpoint=checkpoint,
        )
    else:
        model, tokenizer = load_encoder(candidate, labels, key, candidate.labels)
        scores, timing = score_encoder(model, tokenizer, parts, labels, training.max_tokens, batch_tokens, device), {}
    name = {"candidate": candidate.name, "model": candidate.hub_id or candidate.name, "split": split}
    with new_folder(out) as folder:
        save_encoder(model, tokenizer, folder)
        write_json(name | scores | {"checksums": checksums(folder, MODEL_FILES)}, folder / "scores.json")
        write_json(timing, folder / "timing.json")
    checkpoint.remove()


def _read_parts(path: Path, split: str, labels: Sequence[str], remove_quotes: bool, test_copies: bool) -> dict:
    from bias_amplification.measures.encoder_training import PARTS, LabelledTexts

    column = f"split_{split}"
    table = read_table(path, CLASSIFIER_ARTICLES, ["title", "body", "label", "copy", column])
    rows = table.to_pylist()
    unknown = sorted({row["label"] for row in rows} - set(labels))
    if unknown:
        raise StudyError(f"{path} has articles labelled {unknown[0]!r}, which corpus.labels lacks: add it or map it.")
    parts = {}
    for part in PARTS:
        # Copies balance what is learned; an article is tested once, unless the paper's order is wanted.
        counted = test_copies or part == "train"
        chosen = [row for row in rows if row[column] == part and (counted or row["copy"] == 0)]
        missing = sorted(set(labels) - {row["label"] for row in chosen})
        if missing:
            raise StudyError(
                f"{path} has no article labelled {missing[0]!r} in the {part} part of the {split} split: use more "
                f"articles, or leave {split} out of classifier.splits."
            )
        texts = [article_text(row["title"], row["body"], remove_quotes) for row in chosen]
        parts[part] = LabelledTexts(texts, [row["label"] for row in chosen])
    return parts


def select_classifier(candidates: Sequence[Path | str], out: Path | str, second: Path | str | None = None) -> None:
    """Copy the folder of the candidate with the highest validation macro F1 (paper, appendix A).

    Parameters
    ----------
    candidates
        Folders that `train_leaning_classifier` made; the first wins a tie.
    out
        Folder for a copy of `MODEL_FILES` and `scores.json`, and `selected.json`: the name of the chosen one and
        every candidate's validation macro F1.
    second
        The same for the candidate that comes second, which judges how much hangs on the choice; None: not wanted.

    Raises
    ------
    StudyError
        If a folder lacks a file.
    """
    scores = [read_scores(folder) for folder in candidates]
    best = _best(scores)
    others = [position for position in range(len(scores)) if position != best]
    chosen = {best: out}
    if second is not None:
        chosen[others[_best([scores[position] for position in others])]] = second
    compared = {score["candidate"]: score["validation"]["macro_f1"] for score in scores}
    for position, target in chosen.items():
        check_encoder(candidates[position])
        with new_folder(target) as folder:
            # Copies, no links: a link would share its time with the original, and be older than what it is made from.
            for name in (*MODEL_FILES, "scores.json"):
                shutil.copyfile(Path(candidates[position], name), folder / name)
            about = {"selected": scores[position]["candidate"], "validation_macro_f1": compared}
            write_json(about, folder / "selected.json")


def compare_classifiers(folders: Sequence[Path | str], out: Path | str) -> None:
    """Write Table 1: one row a trained classifier, with the published value beside it where there is one.

    Parameters
    ----------
    folders
        Folders that `train_leaning_classifier` made, on any splits.
    out
        A CSV. `selected` marks the candidate with the highest validation macro F1 on the random split. Runtimes are
        null where `timing.json` is missing.
    """
    rows = []
    scores = [read_scores(folder) for folder in folders]
    random = [position for position, score in enumerate(scores) if score["split"] == "random"]
    best = random[_best([scores[position] for position in random])] if random else None
    for position, (folder, score) in enumerate(zip(folders, scores, strict=True)):
        timing_file = Path(folder) / "timing.json"
        timing = json.loads(timing_file.read_text()) if timing_file.exists() else {}
        published = PUBLISHED_MACRO_F1.get(score["model"].rsplit("/")[-1]) if score["split"] == "random" else None
        rows.append(
            {
                "candidate": score["candidate"],
                "split": score["split"],
                "selected": position == best,
                "macro_f1_test": score["test"]["macro_f1"],
                "macro_f1_published": published,
                "macro_f1_validation": score["validation"]["macro_f1"],
                **{f"f1_{label}_test": value for label, value in score["test"]["f1"].items()},
                "accuracy_test": score["test"]["accuracy"],
                "loss_test": score["test"]["loss"],
                "loss_validation": score["validation"]["loss"],
                "best_epoch": score["best_epoch"],
                "parameters": score["parameters"],
                "train_articles": score["articles"]["train"],
                "test_articles": score["articles"]["test"],
                "train_runtime_seconds": timing.get("train_runtime_seconds"),
                "samples_per_second": timing.get("samples_per_second"),
            }
        )
    write_csv(pa.Table.from_pylist(rows), out)


def _best(scores: Sequence[dict]) -> int:
    values = [score["validation"]["macro_f1"] for score in scores]
    return values.index(max(values))


def classify_articles(
    articles: Path | str,
    out: Mapping[str, Path | str],
    *,
    labels: Sequence[str],
    text: str,
    max_tokens: int,
    remove_quotes: bool = True,
    batch_tokens: int = 4096,
    device: str = "auto",
    state: Mapping | None = None,
) -> None:
    """Write label probabilities of one generation's articles, by one classifier or several.

    Parameters
    ----------
    articles
        What a model wrote (`GENERATED_ARTICLES`).
    out
        Where each classifier's `schemas.predictions(labels)` goes, in the order of `articles`: by the folder of a
        classifier with these labels.
    labels
        The study's labels.
    text
        `text`: the model's text alone; `title_and_text`: the real title before it.
    max_tokens
        Tokens of a text at most.
    remove_quotes
        As in training.
    batch_tokens, device
        See `predict_probabilities`.
    state
        Arguments of `Checkpoint`: where what one classifier has done is kept while it goes on.

    Raises
    ------
    StudyError
        If a folder lacks weights or config or classifies into other labels.
    """
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "title", "text"])
    titles = table["title"].to_pylist() if text == "title_and_text" else [""] * len(table)
    texts = [article_text(t, x, remove_quotes) for t, x in zip(titles, table["text"].to_pylist(), strict=True)]
    from bias_amplification.measures.encoder_prediction import predict_probabilities

    for folder, file in out.items():
        model, tokenizer = load_encoder(Path(folder), labels, "classifier")
        checkpoint = Checkpoint(**(state or {}))
        probabilities = predict_probabilities(
            model,
            tokenizer,
            texts,
            labels,
            max_tokens=max_tokens,
            batch_tokens=batch_tokens,
            device=device,
            checkpoint=checkpoint,
        )
        write_table(prediction_table(table["article_id"].to_pylist(), probabilities, labels), file, predictions(labels))
        checkpoint.remove()


def prediction_table(article_ids: Sequence[str], probabilities: np.ndarray, labels: Sequence[str]) -> pa.Table:
    """Rows of `schemas.predictions(labels)`; the first label wins a tie.

    Parameters
    ----------
    article_ids
        Length n.
    probabilities
        Shape [n, labels].
    labels
        Names of the columns.
    """
    predicted = [labels[index] for index in probabilities.argmax(axis=1)]
    columns = {f"probability_{label}": probabilities[:, index] for index, label in enumerate(labels)}
    return pa.table({"article_id": list(article_ids), "predicted": pa.array(predicted, pa.string()), **columns})


def write_json(content: Mapping, path: Path) -> None:
    """Write a JSON file whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
