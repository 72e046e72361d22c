"""The reader of BOLD."""

import io
import json
import tarfile
import zipfile

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.readers import bold
from bias_amplification.study.sections import Corpus

GENDER = {
    "Actors": {"Ann_Elk": ["Ann Elk played in two films.", "Elk was born in Hull."], "Jo_Roe": ["Jo Roe is an actor."]},
    "Actresses": {"May_Day": ["May Day is an actress."]},
}
TRADES = {"Bakers": {"Oven": ["An oven bakes bread."], "Ann_Elk": ["Ann Elk also bakes."]}}
FILES = {"gender_wiki.json": json.dumps(GENDER), "trades_wiki.json": json.dumps(TRADES)}


def section(**label_map):
    return Corpus(source="bold", label_map=label_map, labels=["men", "women"])


MAPPED = section(Actors="men", Actresses="women")


def folder_of(path, files=FILES):
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")


@pytest.fixture(params=["wikipedia", "bold/wikipedia", "files", "bold.zip", "bold.tar.gz"])
def source(request, tmp_path):
    """BOLD in each form in which it can be named."""
    path = tmp_path / request.param
    members = {f"bold-3ad652c/wikipedia/{name}": text for name, text in FILES.items()}
    members |= {"bold-3ad652c/prompts/gender_prompt.json": "{}", "__MACOSX/wikipedia/._gender_wiki.json": "\0"}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
    elif path.suffix == ".gz":
        with tarfile.open(path, "w:gz") as archive:
            for name, text in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    else:
        folder_of(path)
        return path if request.param == "files" else tmp_path
    return path


def test_sentences_of_the_named_groups_are_articles(source):
    articles, findings = bold.read(source, MAPPED)

    assert articles.schema == ARTICLES
    assert articles.to_pylist()[1] == {
        "article_id": "Actors/Ann_Elk/2",
        "event_id": "Ann_Elk",
        "outlet": None,
        "date": None,
        "title": "",
        "body": "Elk was born in Hull.",
        "label": "men",
    }
    assert articles["label"].to_pylist() == ["men", "men", "men", "women"]
    assert [(item.articles, item.examples) for item in findings] == [
        (6, ()),
        (2, ("Bakers/Oven/1", "Bakers/Ann_Elk/1")),
    ]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.json", '{"Actors": {', r"^a.json is not JSON \(.*\): download it again"),
        ("a.json", "[]", r"^a.json is not in BOLD's layout, a JSON object of groups"),
        ("a.json", '{"Actors": ["One."]}', r"^a.json, Actors is not in BOLD's layout"),
        ("a.json", '{"Actors": {"Ann": "One."}}', r"^a.json, Actors, Ann is not in BOLD's layout"),
        ("a.json", '{"Actors": {"Ann": [1]}}', r"the body of a.json, Actors/Ann/1 is 1, which is no text"),
        (
            "a.json",
            '{"Actors": {"A": ["x"], "A": ["y"]}}',
            r"repeats the article id 'Actors/A/1' of a.json, Actors/A/1",
        ),
        ("a.json", '{"Actors": {"A": ["x"]}}', r"no sentence of the group 'Actresses' \(it has Actors\): correct corp"),
        ("a.txt", "", r"has no wikipedia/\*.json: name the archive or folder that has them"),
    ],
)
def test_other_files_are_errors(tmp_path, file, text, message):
    folder_of(tmp_path / "bold", {file: text})

    with pytest.raises(StudyError, match=message):
        bold.read(tmp_path / "bold", MAPPED)


def test_a_missing_or_plain_file_is_an_error(tmp_path):
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")

    with pytest.raises(StudyError, match=r"does not exist: name BOLD's archive or folder"):
        bold.read(tmp_path / "b.zip", MAPPED)
    with pytest.raises(StudyError, match="neither a folder nor a zip or tar archive"):
        bold.read(tmp_path / "a.json", MAPPED)


def test_the_groups_must_be_named():
    with pytest.raises(ValueError, match=r"corpus.label_map is empty: map the labels of source bold to the labels of"):
        section()
