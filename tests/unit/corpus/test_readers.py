"""The readers of Article-Bias-Prediction and of any table."""

import io
import json
import tarfile
import zipfile
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.readers import article_bias_prediction, delimited
from bias_amplification.study.sections import Corpus

LABELS = ["left", "center", "right"]
BIAS = Corpus(source="article_bias_prediction", label_map={"0": "left", "1": "center", "2": "right"}, labels=LABELS)
COLUMNS = {"article_id": "key", "body": "text", "label": "side", "title": "headline", "date": "day", "outlet": None}
ROWS = [
    {"key": "a", "text": "One body.", "side": "L", "headline": "One", "day": "2016-09-20"},
    {"key": "b", "text": 'Two, "quoted"\nlines.', "side": "R", "headline": "Two", "day": "September"},
]


def table(columns, label_map=None, labels=LABELS):
    """The config's section for a table. Readers get the path separately."""
    return Corpus(source="table", path="any", columns=columns, label_map=label_map or {}, labels=labels)


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
    (tmp_path / "2.json").write_text(json_article(2, content_original=None), encoding="utf-8")

    articles, findings = article_bias_prediction.read(tmp_path, BIAS)

    assert articles["article_id"].to_pylist() == ["id1", "id3"]
    lost = {item.finding: item.examples for item in findings if not item.kept}
    assert lost == {
        "file that is not whole JSON": ("0.json",),
        "file without the field content_original": ("2.json",),
    }


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


def write_rows(path, rows=ROWS):
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    else:
        import csv

        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_all_file_formats_give_the_same_articles(tmp_path, ending):
    path = write_rows(tmp_path / f"articles.{ending}")

    articles, findings = delimited.read(path, table(COLUMNS, {"L": "left", "R": "right"}))

    assert articles.schema == ARTICLES
    assert articles["article_id"].to_pylist() == ["a", "b"]
    assert articles["title"].to_pylist() == ["One", "Two"]
    assert articles["body"].to_pylist() == ["One body.", 'Two, "quoted"\nlines.']
    assert articles["label"].to_pylist() == ["left", "right"]
    assert articles["date"].to_pylist() == [date(2016, 9, 20), None]
    assert articles["outlet"].to_pylist() == [None, None]
    assert [item.examples for item in findings if "YYYY-MM-DD" in item.finding] == [("b",)]


def test_labels_can_be_numbers_and_ids_can_be_absent(tmp_path):
    rows = [{"text": "One.", "y": 1}, {"text": "Two.", "y": 0}, {"text": "Three.", "y": None}]
    path = write_rows(tmp_path / "posts.parquet", rows)

    columns = {"body": "text", "label": "y"}
    articles, _ = delimited.read(path, table(columns, {"1": "yes", "0": "no"}, ["yes", "no"]))

    assert articles["label"].to_pylist() == ["yes", "no", ""]
    assert articles["article_id"].to_pylist() == ["row-1", "row-2", "row-3"]


def test_articles_with_a_label_mapped_to_null_are_left_out_and_counted(tmp_path):
    path = write_rows(tmp_path / "articles.csv")

    articles, findings = delimited.read(path, table(COLUMNS, {"L": "left", "R": None}))

    assert articles["article_id"].to_pylist() == ["a"]
    assert [(item.articles, item.kept) for item in findings if "left out" in item.finding] == [(1, False)]


def test_columns_have_the_names_of_an_article_by_default(tmp_path):
    path = write_rows(tmp_path / "articles.jsonl", [{"article_id": "a", "body": "Text.", "label": "left"}])

    articles, _ = delimited.read(path, table({}))

    assert articles.to_pylist()[0] | {"date": None} == {
        "article_id": "a",
        "event_id": None,
        "outlet": None,
        "date": None,
        "title": "",
        "body": "Text.",
        "label": "left",
    }


FAULTS = {
    "missing column": (
        "a.csv",
        "key,side\na,L\n",
        r"a.csv, line 2, has no column 'text' for body \(it has key, side\)",
    ),
    "too few fields": (
        "a.csv",
        "key,text,side\na,b,L\nc,d\n",
        r"line 3: the row has 2 fields, but the header has 3",
    ),
    "open quote": ("a.csv", 'key,text,side\na,b,L\nc,"d,L\n', r"a.csv, line 3: the row is not valid CSV"),
    "unknown label": (
        "a.csv",
        "key,text,side\na,b,X\n",
        r"has the label 'X', which corpus.label_map does not contain",
    ),
    "repeated id": ("a.csv", "key,text,side\na,b,L\na,c,L\n", r"line 3 repeats the article id 'a' of line 2"),
    "no row": ("a.csv", "key,text,side\n", r"has no article"),
    "broken JSON line": (
        "a.jsonl",
        '{"text": "b", "side": "L", "key": "a"}\n{"text"\n',
        r"a.jsonl, line 2 is not JSON",
    ),
    "JSON list": ("a.jsonl", "[1, 2]\n", r"a.jsonl, line 1 is not a JSON object"),
    "JSON row without column": (
        "a.jsonl",
        '{"text": "b", "side": "L", "key": "a"}\n{"side": "L", "key": "b"}\n',
        r"a.jsonl, line 2, has no column 'text' for body",
    ),
    "unknown ending": ("a.xlsx", "x", r"ends in '.xlsx'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_of_tables_name_file_and_line(tmp_path, fault):
    name, text, message = FAULTS[fault]
    (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(StudyError, match=message):
        delimited.read(tmp_path / name, table({"article_id": "key", "body": "text", "label": "side"}, {"L": "left"}))


def test_damaged_and_other_files_are_errors(tmp_path):
    whole = write_rows(tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "wide.csv").write_bytes("key,text\n".encode("utf-16"))
    (tmp_path / "binary.csv").write_bytes(b"PK\x03\x04\0\0\0\0")

    with pytest.raises(StudyError, match=r"cut.parquet is not a whole Parquet file"):
        delimited.read(tmp_path / "cut.parquet", table(COLUMNS))
    with pytest.raises(StudyError, match=r"wide.csv is UTF-16, but only UTF-8 can be read: save it as UTF-8"):
        delimited.read(tmp_path / "wide.csv", table(COLUMNS))
    with pytest.raises(StudyError, match=r"binary.csv is not a text file"):
        delimited.read(tmp_path / "binary.csv", table(COLUMNS))
    with pytest.raises(StudyError, match=r"corpus.columns has the key 'text', which is no column of an article"):
        delimited.read(tmp_path / "whole.parquet", table({"text": "body"}))
    with pytest.raises(StudyError, match=r"corpus.columns has no column for label"):
        delimited.read(tmp_path / "whole.parquet", table({"body": "text", "label": None}))
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.path\) does not exist"):
        delimited.read(tmp_path / "absent.csv", table(COLUMNS))


def test_labels_outside_the_study_are_errors(tmp_path):
    path = write_rows(tmp_path / "articles.csv")

    with pytest.raises(StudyError, match=r"has the label 'L', which is not in corpus.labels \(center, left, right\)"):
        delimited.read(path, table(COLUMNS))


def test_lines_that_are_not_utf8_are_read_and_reported(tmp_path):
    (tmp_path / "a.csv").write_bytes("body,label\nplain,left\ncaf\u00e9,left\n".encode("cp1252"))

    articles, findings = delimited.read(tmp_path / "a.csv", table({}))

    assert articles["body"].to_pylist() == ["plain", "caf\u00e9"]
    assert ("line 3",) in [item.examples for item in findings if "UTF-8" in item.finding]
