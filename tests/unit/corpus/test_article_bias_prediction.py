"""The reader of Article-Bias-Prediction."""

import io
import json
import tarfile
import zipfile
from datetime import date

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.readers import article_bias_prediction
from bias_amplification.study.sections import Corpus

LABELS = ["left", "center", "right"]
BIAS = Corpus(source="article_bias_prediction", label_map={"0": "left", "1": "center", "2": "right"}, labels=LABELS)


def json_article(number, **changes):
    article = {
        "ID": f"id{number}",
        "topic": "taxes",
        "source": "CNN (Web News)",
        "bias": number % 3,
        "title": f"Title {number}",
        "date": "2016-09-20",
        "content": "Masked .",
        "content_original": f"Body number {number}.",
    }
    return json.dumps(article | changes)


def write_archive(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, text in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))


def test_folders_and_archives_give_the_same_articles(tmp_path):
    members = {f"Article-main/data/jsons/{number}.json": json_article(number) for number in range(3)}
    members["Article-main/README.md"] = "ignored"
    for name in ("repo.zip", "repo.tar.gz"):
        write_archive(tmp_path / name, members)
    folder = tmp_path / "unpacked" / "data" / "jsons"
    folder.mkdir(parents=True)
    for name, text in members.items():
        if name.endswith(".json"):
            (folder / name.rsplit("/", 1)[1]).write_text(text, encoding="utf-8")

    tables = [
        article_bias_prediction.read(tmp_path / name, BIAS)[0] for name in ("repo.zip", "repo.tar.gz", "unpacked")
    ]

    assert tables[0].schema == ARTICLES
    assert tables[0].to_pylist()[1] == {
        "article_id": "id1",
        "event_id": "taxes",
        "outlet": "CNN (Web News)",
        "date": date(2016, 9, 20),
        "title": "Title 1",
        "body": "Body number 1.",
        "label": "center",
    }
    assert tables[0].num_rows == 3
    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])


def test_incomplete_json_files_are_counted_and_named(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.json").write_text(json_article(number), encoding="utf-8")
    (tmp_path / "0.json").write_text(json_article(0)[:40], encoding="utf-8")
    (tmp_path / "4.json").write_text(json_article(4).replace('"bias": 1', '"bias": 0, "bias": 1'), encoding="utf-8")
    (tmp_path / "2.json").write_text(json_article(2, content_original=None), encoding="utf-8")

    articles, findings = article_bias_prediction.read(tmp_path, BIAS)

    assert articles["article_id"].to_pylist() == ["id1", "id3"]
    lost = {item.finding: item.examples for item in findings if not item.kept}
    assert lost == {
        "file that is not whole JSON, or has a field twice": ("0.json", "4.json"),
        "file without the field content_original": ("2.json",),
    }


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_one_id_in_two_members_of_an_archive_is_refused(tmp_path, name):
    members = {f"{folder}/data/jsons/0.json": json_article(0) for folder in ("x", "y")}
    write_archive(tmp_path / name, members)

    with pytest.raises(StudyError, match=r"y/data/jsons/0.json repeats the article id 'id0' of x/data/jsons/0.json"):
        article_bias_prediction.read(tmp_path / name, BIAS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_member_that_is_twice_in_an_archive_is_refused(tmp_path, name):
    class Twice(dict):
        def items(self):
            return [*super().items()] * 2

    write_archive(tmp_path / name, Twice({"x/data/jsons/0.json": json_article(0)}))

    with pytest.raises(StudyError, match=r"has the member x/data/jsons/0.json twice: unpack it, and name its folder"):
        article_bias_prediction.read(tmp_path / name, BIAS)


def test_unknown_bias_value_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "0.json").write_text(json_article(0, bias=7), encoding="utf-8")

    with pytest.raises(StudyError, match=r"0.json has the label '7', which corpus.label_map does not contain"):
        article_bias_prediction.read(tmp_path, BIAS)


def test_folders_without_articles_are_errors(tmp_path):
    with pytest.raises(StudyError, match="has no data/jsons"):
        article_bias_prediction.read(tmp_path, BIAS)
    (tmp_path / "0.json").write_text("{", encoding="utf-8")
    with pytest.raises(StudyError, match="has 1 JSON files, but none has a complete article"):
        article_bias_prediction.read(tmp_path, BIAS)
    with pytest.raises(StudyError, match="neither a folder nor a zip or tar archive"):
        article_bias_prediction.read(tmp_path / "0.json", BIAS)


def test_the_second_files_of_a_mac_are_left_aside(tmp_path):
    members = {"x/data/jsons/0.json": json_article(0), "__MACOSX/x/data/jsons/._0.json": "\0\0"}
    write_archive(tmp_path / "a.zip", members)

    assert article_bias_prediction.read(tmp_path / "a.zip", BIAS)[0].num_rows == 1
