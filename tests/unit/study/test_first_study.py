"""The config file that `make real` writes from its variables."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from bias_amplification.artifacts import StudyError
from bias_amplification.study import read_study
from bias_amplification.study.first_study import main, name_inputs
from helpers import merge

COMMIT = "0" * 39 + "a"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with two models and a table."""
    monkeypatch.chdir(tmp_path)
    write_model("models/mine", "gpt2", "GPT2LMHeadModel", "transformer.wte.weight")
    write_model("models/encoder", "bert", "BertModel", "embeddings.word_embeddings.weight")
    Path("articles.csv").write_text("title,body,label\n")


def write_model(name: str, kind: str, architecture: str, embeddings: str) -> None:
    """Write what is read of a model's folder before the run: config, embeddings of three tokens, tokenizer."""
    folder = Path(name)
    folder.mkdir(parents=True)
    config = {"model_type": kind, "architectures": [architecture], "vocab_size": 3, "eos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({embeddings: np.zeros((3, 2), np.float32)}, folder / "model.safetensors")
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate("_ab")}, unk_token="_"))
    words.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ({"model": "models/mine"}, [{"source": "folder", "path": "models/mine"}]),
        (
            {"model": "an-owner/a.model_1", "revision": COMMIT},
            [{"source": "hub", "hub_id": "an-owner/a.model_1", "revision": COMMIT}],
        ),
        (
            {"model": "models/mine", "encoder": "models/encoder"},
            [{"source": "folder", "path": "models/mine"}, {"source": "folder", "path": "models/encoder"}],
        ),
        (
            {"model": "models/mine", "encoder": "roberta", "encoder_revision": COMMIT},
            [{"source": "folder", "path": "models/mine"}, {"source": "hub", "hub_id": "roberta", "revision": COMMIT}],
        ),
    ],
)
def test_the_variables_become_a_study(shipped: Callable[..., dict], given: dict, sources: list[dict]) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]

    assert main([*options, "--articles=articles.csv", "--out=results-real/given.yaml"]) == 0

    study = read_study(merge(shipped("real"), yaml.safe_load(Path("results-real/given.yaml").read_text())))
    models = [study.base_model, *study.classifier.candidates][: len(sources)]
    assert [model.model_dump(include=set(source)) for model, source in zip(models, sources, strict=True)] == sources
    assert study.corpus.path == "articles.csv"
    assert (study.generations, len(study.rounds), study.seed_sets[0].size) == (3, 2, 24)
    # Pretrained weights do not stand the learning rate of fresh ones.
    assert study.classifier.training.learning_rate == (5.0e-5 if "encoder" in given else 4.0e-3)


MINE = {"model": "models/mine", "articles": "articles.csv"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"articles": ""}, r"make real needs ARTICLES, .*: add ARTICLES=articles.csv"),
        ({"articles": "no.csv"}, r"ARTICLES is no.csv, which does not exist: give the path"),
        ({"model": ""}, r"make real needs MODEL, .*: add MODEL="),
        ({"model": "./models/other"}, r"MODEL is ./models/other, which is no folder: give a model's folder"),
        ({"model": "articles.csv"}, r"MODEL is articles.csv, which is no folder"),
        ({"model": "models/other"}, r"MODEL is models/other, .* but REVISION is missing: give the commit"),
        ({"model": "a/b", "revision": "main"}, r"MODEL is a/b, .* but REVISION is 'main': give the commit"),
        ({"revision": COMMIT}, r"MODEL is models/mine, a folder, which has no revision: leave REVISION out"),
        ({"encoder": "a/b"}, r"ENCODER is a/b, .* but ENCODER_REVISION is missing"),
        ({"encoder_revision": COMMIT}, r"ENCODER_REVISION is set, but ENCODER is missing"),
    ],
)
def test_a_wrong_variable_is_named_in_one_sentence(given: dict, message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(StudyError, match=message):
        name_inputs(**MINE | given)

    options = [f"--{name.replace('_', '-')}={value}" for name, value in (MINE | given).items()]
    assert main([*options, "--out=results-real/given.yaml"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("results-real").exists()


def test_a_folder_that_cannot_be_used_is_refused_before_the_run(capsys: pytest.CaptureFixture) -> None:
    loaded = "torch" in sys.modules

    def refused(**given: str) -> str:
        options = [f"--{name}={value}" for name, value in (MINE | given).items()]
        assert main([*options, "--out=results-real/given.yaml"]) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and "base_model" not in message and not Path("results-real").exists()
        return message

    assert "models/encoder is no causal language model but an encoder" in refused(model="models/encoder")
    Path("models/encoder/tokenizer.json").unlink()
    assert "models/encoder has no tokenizer" in refused(encoder="models/encoder")
    Path("models/mine/model.safetensors").rename("models/mine/pytorch_model.bin")
    assert refused() == (
        "models/mine has no weights in safetensors (model.safetensors), but pytorch_model.bin, whose pickled weights "
        "are never loaded: convert them with transformers' save_pretrained, or correct MODEL.\n"
    )
    Path("models/mine/pytorch_model.bin").unlink()
    assert "has no weights in safetensors (model.safetensors): give MODEL a model" in refused()
    Path("models/mine/config.json").unlink()
    assert refused().startswith("models/mine has no config.json: give MODEL a model in Hugging Face format.")
    assert ("torch" in sys.modules) is loaded


def test_a_file_in_the_place_of_the_results_is_named(capsys: pytest.CaptureFixture) -> None:
    Path("results-real").write_text("")

    assert main(["--model=models/mine", "--articles=articles.csv", "--out=results-real/given.yaml"]) == 1

    assert capsys.readouterr().err == "results-real/given.yaml cannot be written (File exists): correct the folder.\n"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    found = name_inputs("~/models/mine", "~/articles.csv")

    assert found["base_model"]["path"] == f"{tmp_path}/models/mine"
    assert found["corpus"]["path"] == f"{tmp_path}/articles.csv"
