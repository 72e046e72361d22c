"""Checks of the files that a config names, made before the first job."""

import os
import re
from dataclasses import replace
from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.models.architectures import find_architecture
from bias_amplification.models.folders import read_json
from bias_amplification.models.given import LanguageModelUse, check_lengths
from bias_amplification.models.launch import read_launch_config
from bias_amplification.models.sources import check_source
from bias_amplification.models.special_tokens import read_tokenizer, wanted_begin
from bias_amplification.study.label_names import REMEDY, named_as_the_study
from bias_amplification.study.sections import Encoder, GivenModel
from bias_amplification.study.settings import Study

#: What transformers takes for the labels of a config.json that names none.
_DEFAULT_LABELS = {"0": "LABEL_0", "1": "LABEL_1"}

#: Folders that show the kernel's state instead of files. Access rights do not say that nothing can be made there.
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


def check_paths(study: Study) -> None:
    """Check that every local file and folder that the config names exists and is of the right kind.

    Hub models are checked as far as the local cache holds them; the rest is checked after the download.

    Raises
    ------
    StudyError
        If one is missing, damaged, in the wrong place, or if a model cannot be used for this study. The message names
        the config key and the path.
    """
    for key, path in _files(study).items():
        try:
            Path(path).stat()
        except OSError as error:
            why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            if os.path.islink(path):
                why += f", because it is a link to {os.readlink(path)}"
            raise StudyError(f"{key} is {path}, which {why}: correct the path.") from error
    _check_results(study.results)
    review = study.corpus.identity.review_file
    if review and Path(review).resolve().is_relative_to(Path(study.results).resolve()):
        raise StudyError(
            f"corpus.identity.review_file is {review}, a file among the results, which the next run would overwrite: "
            "copy it to another folder and name the copy."
        )
    use = language_model_use(study)
    if study.base_model.source == "pretrain":
        _check_pretraining(study, use)
    else:
        check_source(study.base_model, "base_model", use)
    for key, model in _given_models(study).items():
        check_source(model, key, given_model_use(use))
    for key, encoder in _encoders(study).items():
        check_source(encoder, key, None)
    _check_labels(study)
    read_launch_config(study.compute.accelerate_config, study.compute.gpus)


def _check_labels(study: Study) -> None:
    """Check that classifiers in folders that the run does not train have the study's labels, as config.json names them.

    Without names, transformers takes two labels, LABEL_0 and LABEL_1. An encoder without a head has no names either.
    """
    given = [(f"classifier.candidates {c.name}", c, study.corpus.labels) for c in study.classifier.candidates]
    given = [one for one in given if not one[1].train]
    detector = study.quality.detector
    if not detector.trained_by_run:
        given.append(("quality.detector", detector, detector.classes))
    for key, encoder, labels in given:
        if encoder.source != "folder":
            continue
        named = read_json(Path(encoder.path, "config.json"), f"{key}.path").get("id2label", _DEFAULT_LABELS)
        if isinstance(named, dict) and all(re.fullmatch(r"\d+", number) for number in named):
            found = [str(named[number]) for number in sorted(named, key=int)]
            named_as_the_study(found, labels, encoder.labels, f"The model folder {encoder.path}", f" ({key}): {REMEDY}")


def _check_results(results: str) -> None:
    """Check that the folder for results is one, or can be made, without making it."""
    path = Path(results).absolute()
    # The folder itself, or the nearest one above it that exists.
    nearest = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        what = "" if nearest == path else f"below {nearest}, "
        raise StudyError(f"results is {results}, {what}which exists but is no folder: name a folder.")
    place = path.resolve()
    of_the_kernel = any(map(place.is_relative_to, _KERNEL_FOLDERS)) and not place.is_relative_to("/dev/shm")
    if of_the_kernel or not os.access(nearest, os.W_OK | os.X_OK):
        raise StudyError(
            f"results is {results}, but no file can be made in {nearest}: name a folder that you can write to."
        )


def language_model_use(study: Study) -> LanguageModelUse:
    """Return what a study does with its base model."""
    trains = any(not r.models for r in study.rounds)
    return LanguageModelUse(
        architecture=study.neurons.architecture,
        begin_token=study.base_model.begin_token,
        training_tokens=study.finetuning.max_tokens if trains else 0,
        writing_tokens=study.generation.positions,
    )


def given_model_use(use: LanguageModelUse) -> LanguageModelUse:
    """Return what a study does with a given generation, from what it does with its base model."""
    return replace(use, training_tokens=0, own_tokenizer=False)


def _check_pretraining(study: Study, use: LanguageModelUse) -> None:
    """Check the base model that the run will pretrain, a GPT-2, and the tokenizer that it is given."""
    find_architecture("gpt2", study.neurons.architecture)
    pretraining, begin = study.base_model.pretraining, int(use.begin_token == "always")
    if folder := pretraining.tokenizer:
        tokenizer = read_tokenizer(Path(folder, "tokenizer.json"), "base_model.pretraining.tokenizer")
        begin = len(wanted_begin(Path(folder), tokenizer, use.begin_token, folder))
    check_lengths(pretraining.context, use, begin, "the base model (base_model.pretraining.context)")


def _files(study: Study) -> dict[str, str]:
    """Return the files that the config names, by key."""
    files = {
        "corpus.path": study.corpus.path,
        "corpus.identity.review_file": study.corpus.identity.review_file,
        "corpus.identity.outlets_file": study.corpus.identity.outlets_file,
    }
    files |= {f"interventions.sets {one.name}: file": one.file for one in study.interventions.sets}
    tokenizer = study.base_model.pretraining.tokenizer
    if study.base_model.source == "pretrain" and tokenizer:
        files["base_model.pretraining.tokenizer"] = f"{tokenizer}/tokenizer.json"
    files |= {f"rounds {r.name}: held.file": r.held.file for r in study.rounds if r.held}
    return {key: path for key, path in files.items() if path is not None}


def _given_models(study: Study) -> dict[str, GivenModel]:
    """Return the given models of generations, by key."""
    return {
        f"rounds {r.name}: models.{generation}": model
        for r in study.rounds
        for generation, model in enumerate(r.models)
    }


def _encoders(study: Study) -> dict[str, Encoder]:
    """Return the classifiers that the config names, by key."""
    candidates = {f"classifier.candidates {c.name}": c for c in study.classifier.candidates}
    return {"quality.detector": study.quality.detector, **candidates}
