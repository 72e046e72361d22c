"""Checks of the files that a config names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Study, check_paths

ROUND = {"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"}
FOLDER = {"source": "folder", "path": "none"}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_model(folder: Path) -> str:
    """Save a model without a tokenizer."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    save_file({"weight": torch.zeros(2)}, folder / "model.safetensors")
    return str(folder)


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"corpus": {"path": "none.zip"}}, "corpus.path is none.zip"),
        ({"corpus": {"identity": {"review_file": "none.csv"}}}, "corpus.identity.review_file is none.csv"),
        ({"corpus": {"identity": {"outlets_file": "none.csv"}}}, "corpus.identity.outlets_file is none.csv"),
        ({"base_model": {"pretraining": {"tokenizer": "none"}}}, "pretraining.tokenizer is none/tokenizer.json"),
        ({"base_model": FOLDER}, "base_model.path"),
        ({"quality": {"detector": FOLDER}}, "quality.detector.path"),
        ({"classifier": {"candidates": [{"name": "a", **FOLDER}]}}, "classifier.candidates a.path"),
        ({"rounds": [ROUND | {"models": [FOLDER] * 11}]}, "rounds a: models.0.path"),
    ],
)
def test_paths_are_checked_before_the_first_job(make_study: Callable[..., Study], sections: dict, named: str) -> None:
    check_paths(make_study())

    with pytest.raises(StudyError, match=named):
        check_paths(make_study(**sections))


def test_review_file_among_the_results_is_refused(make_study: Callable[..., Study], working_folder: Path) -> None:
    review = working_folder / "results" / "corpus" / "review.csv"
    review.parent.mkdir(parents=True)
    review.write_text("decision,kind,text,replacement,articles,context\n", encoding="utf-8")

    with pytest.raises(StudyError, match="a file among the results, which the next run would overwrite"):
        check_paths(make_study(corpus={"identity": {"review_file": str(review)}}))


def test_classifiers_from_folders_need_a_tokenizer(make_study: Callable[..., Study], working_folder: Path) -> None:
    source = {"source": "folder", "path": save_model(working_folder / "model")}
    encoders = [
        {"quality": {"detector": source}},
        {"classifier": {"candidates": [{"name": "a", **source}]}},
    ]

    for sections in encoders:
        with pytest.raises(StudyError, match="has no tokenizer"):
            check_paths(make_study(**sections))
    # The models of generations are used with the base model's tokenizer.
    check_paths(make_study(rounds=[ROUND | {"models": [source] * 11}]))
    (working_folder / "model" / "vocab.txt").touch()
    for sections in encoders:
        check_paths(make_study(**sections))
