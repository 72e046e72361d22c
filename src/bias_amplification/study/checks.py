"""Checks of the files that a config names, made before the first job."""

from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.models.folders import check_model_folder
from bias_amplification.study.sections import ModelSource
from bias_amplification.study.settings import Study


def check_paths(study: Study) -> None:
    """Check that every local file and folder that the config names exists and is of the right kind.

    Raises
    ------
    StudyError
        If one is missing, damaged or in the wrong place. The message names the config key and the path.
    """
    for key, path in _files(study).items():
        if not Path(path).exists():
            raise StudyError(f"{key} is {path}, which does not exist: correct the path.")
    review = study.corpus.identity.review_file
    if review and Path(review).resolve().is_relative_to(Path(study.results).resolve()):
        raise StudyError(
            f"corpus.identity.review_file is {review}, a file among the results, which the next run would overwrite: "
            "copy it to another folder and name the copy."
        )
    for key, model in _language_models(study).items():
        if model.source == "folder":
            # Without its tokenizer: the base model's may be in files that check_model_folder does not know, and
            # generations use the base model's.
            check_model_folder(model.path, f"{key}.path")
    for key, model in _encoders(study).items():
        if model.source == "folder":
            check_model_folder(model.path, f"{key}.path", tokenizer=True)


def _files(study: Study) -> dict[str, str]:
    """Return the files that the config names, by key."""
    files = {
        "corpus.path": study.corpus.path,
        "corpus.identity.review_file": study.corpus.identity.review_file,
        "corpus.identity.outlets_file": study.corpus.identity.outlets_file,
    }
    tokenizer = study.base_model.pretraining.tokenizer
    if study.base_model.source == "pretrain" and tokenizer:
        files["base_model.pretraining.tokenizer"] = f"{tokenizer}/tokenizer.json"
    return {key: path for key, path in files.items() if path is not None}


def _language_models(study: Study) -> dict[str, ModelSource]:
    """Return the language models that the config names, by key."""
    given = {
        f"rounds {r.name}: models.{generation}": model
        for r in study.rounds
        for generation, model in enumerate(r.models)
    }
    return {"base_model": study.base_model, **given}


def _encoders(study: Study) -> dict[str, ModelSource]:
    """Return the classifiers that the config names, by key."""
    candidates = {f"classifier.candidates {c.name}": c for c in study.classifier.candidates}
    return {"quality.detector": study.quality.detector, **candidates}
