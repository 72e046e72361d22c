"""The config file that `make real` writes from its variables."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bias_amplification.artifacts import StudyError
from bias_amplification.study import read_study
from bias_amplification.study.first_study import main, name_inputs
from helpers import merge

COMMIT = "0" * 39 + "a"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with two models and a table."""
    monkeypatch.chdir(tmp_path)
    for name in ("models/mine", "models/encoder"):
        Path(name).mkdir(parents=True)
    Path("articles.csv").write_text("title,body,label\n")


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


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    found = name_inputs("~/models/mine", "~/articles.csv")

    assert found["base_model"]["path"] == f"{tmp_path}/models/mine"
    assert found["corpus"]["path"] == f"{tmp_path}/articles.csv"
