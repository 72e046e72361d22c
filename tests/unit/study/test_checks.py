"""Checks of the files that a config names."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Study, check_paths, given_model_use, language_model_use, read_study

ROUND = {"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"}
FOLDER = {"source": "folder", "path": "none"}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_model(folder: Path) -> str:
    """Save a model without a tokenizer."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    save_file({"weight": torch.zeros(2)}, folder / "model.safetensors")
    return str(folder)


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"corpus": {"source": "table", "path": "none.csv"}}, "corpus.path is none.csv"),
        ({"corpus": {"identity": {"review_file": "none.csv"}}}, "corpus.identity.review_file is none.csv"),
        ({"corpus": {"identity": {"outlets_file": "none.csv"}}}, "corpus.identity.outlets_file is none.csv"),
        ({"base_model": {"pretraining": {"tokenizer": "none"}}}, "pretraining.tokenizer is none/tokenizer.json"),
        ({"interventions": {"sets": [{"name": "a", "file": "none.csv"}]}}, "interventions.sets a: file is none.csv"),
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


@pytest.mark.parametrize(
    ("names", "given", "fits"),
    [
        (["Clean", "mild gibberish", "word-salad", "noise"], {}, True),
        (["noise", "clean", "salad", "mild_gibberish"], {"labels": {"salad": "word_salad"}}, True),
        (["clean", "mild_gibberish", "word_salad", "noise"], {"repetition": True}, False),
        (["clean", "noise"], {}, False),
        ([], {}, False),
        (["clean", "noise"], {"train": True}, True),
    ],
)
def test_labels_of_a_given_detector_are_checked_before_the_first_job(
    make_study: Callable[..., Study], working_folder: Path, names: list[str], given: dict, fits: bool
) -> None:
    folder = save_model(working_folder / "detector")
    config: dict = {"model_type": "gpt2"}
    if names:
        config["id2label"] = {str(number): name for number, name in enumerate(names)}
    Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(f"{folder}/tokenizer.json")
    study = make_study(quality={"detector": {"source": "folder", "path": folder} | given})

    if fits:
        check_paths(study)
    else:
        own = ", ".join(names or ["LABEL_0", "LABEL_1"])
        message = rf"{re.escape(folder)} classifies into {own}, but the study needs .*noise \(quality.*train: true\)\.$"
        with pytest.raises(StudyError, match=message):
            check_paths(study)


def test_a_path_that_leads_nowhere_is_told(make_study: Callable[..., Study], working_folder: Path) -> None:
    for name, target in (("moved.csv", "gone.csv"), ("loop.csv", "loop.csv")):
        (working_folder / name).symlink_to(target)
        with pytest.raises(StudyError, match=rf"corpus.path is {name}, which .*, because it is a link to {target}: "):
            check_paths(make_study(corpus={"source": "table", "path": name}))


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ("file", "results is file, which exists but is no folder: name a folder."),
        ("file/below/it", "results is file/below/it, below {here}/file, which exists but is no folder: name a folder."),
        ("broken", "results is broken, which exists but is no folder"),
        ("/dev/null", "results is /dev/null, which exists but is no folder"),
        ("/proc/none", "results is /proc/none, but no file can be made in /proc: name a folder that you can write to."),
        ("link/none", "results is link/none, but no file can be made in {here}/link: name a folder"),
        ("/dev/none", "results is /dev/none, but no file can be made in /dev"),
        ("locked/x", "results is locked/x, but no file can be made in {here}/locked"),
        ("folder", None),
        ("folder/new/one", None),
    ],
)
def test_results_are_a_folder_that_can_be_written_to(
    shipped: Callable[..., dict],
    working_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: str,
    fault: str | None,
) -> None:
    (working_folder / "file").touch()
    (working_folder / "folder").mkdir()
    (working_folder / "locked").mkdir()
    (working_folder / "link").symlink_to("/proc")
    (working_folder / "broken").symlink_to("none")
    # The tests may run as root, who can write into every folder.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode))
    study = read_study(shipped(results=results))

    if fault is None:
        check_paths(study)
    else:
        with pytest.raises(StudyError, match=re.escape(fault.format(here=working_folder))):
            check_paths(study)
    assert sorted(path.name for path in working_folder.iterdir()) == ["broken", "file", "folder", "link", "locked"]


def test_review_file_among_the_results_is_refused(make_study: Callable[..., Study], working_folder: Path) -> None:
    review = working_folder / "results" / "corpus" / "review.csv"
    review.parent.mkdir(parents=True)
    review.write_text("decision,kind,text,replacement,articles,context\n", encoding="utf-8")

    with pytest.raises(StudyError, match="a file among the results, which the next run would overwrite"):
        check_paths(make_study(corpus={"identity": {"review_file": str(review)}}))


def test_classifiers_from_folders_need_a_tokenizer(make_study: Callable[..., Study], working_folder: Path) -> None:
    source = {"source": "folder", "path": save_model(working_folder / "model")}
    encoders = [
        {"quality": {"detector": source | {"train": True}}},
        {"classifier": {"candidates": [{"name": "a", **source}]}},
    ]

    for sections in encoders:
        with pytest.raises(StudyError, match="has no tokenizer"):
            check_paths(make_study(**sections))
    # The models of generations are used with the base model's tokenizer.
    check_paths(make_study(rounds=[ROUND | {"models": [source] * 11}]))
    (working_folder / "model" / "vocab.txt").write_text("[UNK]\n", encoding="utf-8")
    for sections in encoders:
        check_paths(make_study(**sections))


def test_all_four_kinds_of_models_are_checked_by_their_files(
    make_study: Callable[..., Study], working_folder: Path
) -> None:
    source = {"source": "folder", "path": save_model(working_folder / "model")}
    (working_folder / "model" / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")

    for key, sections in {
        "base_model.path": {"base_model": source},
        "rounds a: models.0.path": {"rounds": [ROUND | {"models": [source] * 11}]},
        "classifier.candidates a.path": {"classifier": {"candidates": [{"name": "a", **source}]}},
        "quality.detector.path": {"quality": {"detector": source}},
    }.items():
        with pytest.raises(StudyError, match=f"holds an adapter .* name that folder in {key}"):
            check_paths(make_study(**sections))


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({}, "finetuning.max_tokens is 192, but model has 64 positions"),
        ({"finetuning": {"max_tokens": 64}}, "block_tokens . generation.new_tokens is 128, but model has 64 positions"),
        ({"finetuning": {"max_tokens": 64}, "generation": {"block_tokens": 32, "new_tokens": 32}}, None),
        # What follows a head is cut to the positions.
        ({"finetuning": {"max_tokens": 64}, "generation": {"prompt": "head"}}, None),
        (
            {"finetuning": {"max_tokens": 64}, "neurons": {"architecture": "gpt3"}},
            "whose layout the analysis of neurons does not know",
        ),
    ],
)
def test_the_base_model_is_checked_against_the_study(
    make_study: Callable[..., Study], working_folder: Path, sections: dict, fault: str | None
) -> None:
    save_model(working_folder / "model")
    (working_folder / "model" / "config.json").write_text('{"model_type": "gpt2", "n_positions": 64}', encoding="utf-8")
    (working_folder / "model" / "vocab.txt").write_text("[UNK]\n", encoding="utf-8")
    study = make_study(base_model={"source": "folder", "path": "model"}, **sections)

    if fault is None:
        check_paths(study)
    else:
        with pytest.raises(StudyError, match=fault):
            check_paths(study)


def test_a_model_that_is_only_given_is_not_checked_for_training(make_study: Callable[..., Study]) -> None:
    trained = make_study()
    given = make_study(rounds=[ROUND | {"models": [FOLDER] * 11}])

    assert language_model_use(trained).training_tokens == 192
    assert language_model_use(given).training_tokens == 0
    assert given_model_use(language_model_use(trained)).own_tokenizer is False


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"neurons": {"architecture": "gpt3"}}, "config key neurons.architecture: the layout of models of type 'gpt3'"),
        (
            {
                "base_model": {"begin_token": "always", "pretraining": {"context": 128}},
                "finetuning": {"max_tokens": 128},
            },
            r"is 129 with the begin-of-text token, but the base model \(base_model.pretraining.context\) has 128",
        ),
        ({"base_model": {"pretraining": {"tokenizer": "."}}}, "tokenizer.json is not a tokenizer that tokenizers"),
    ],
)
def test_a_base_model_that_the_run_pretrains_is_checked_too(
    make_study: Callable[..., Study], working_folder: Path, sections: dict, fault: str
) -> None:
    (working_folder / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(StudyError, match=fault):
        check_paths(make_study(**sections))
