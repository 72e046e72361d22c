"""The part of a source that `corpus.where` chooses."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.findings import UNCHOSEN
from bias_amplification.corpus.readers import table
from bias_amplification.corpus.sources import read_source
from bias_amplification.study import read_study
from bias_amplification.study.sections import Corpus

ROWS = [
    {"text": f"Body {number}", "side": "LR"[number % 2], "part": part, "year": 2016 + number % 3, "used": number > 1}
    for number, part in enumerate(["train", "train", "test", "test", "dev", None])
]


def section(path, **where):
    columns = {"body": "text", "label": "side"}
    return Corpus(source="table", path=str(path), columns=columns, labels=["L", "R"], where=where)


@pytest.fixture(params=["csv", "jsonl", "json", "parquet"])
def path(request, tmp_path):
    """The same table in each format."""
    path = tmp_path / f"a.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif request.param == "csv":
        pd.DataFrame(ROWS).assign(used=["false"] * 2 + ["true"] * 4).to_csv(path, index=False)
    else:
        lines = [json.dumps(row) for row in ROWS]
        path.write_text("\n".join(lines) if request.param == "jsonl" else f"[{','.join(lines)}]", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"part": "train"}, [0, 1]),
        ({"part": ["dev", "test"], "side": "L"}, [2, 4]),
        ({"part": ""}, [5]),
        ({"year": 2017}, [1, 4]),
        ({"year": ["2016", 2018]}, [0, 2, 3, 5]),
        ({"used": False}, [0, 1]),
        ({"part": "train", "year": None}, [0, 1]),
    ],
)
def test_rows_are_chosen_by_any_column_of_the_file(path, where, chosen):
    articles, findings = table.read(path, section(path, **where))

    # Without ids of their own, articles keep the numbers of their rows in the whole file.
    assert articles["article_id"].to_pylist() == [f"row-{number + 1}" for number in chosen]
    assert articles["body"].to_pylist() == [f"Body {number}" for number in chosen]
    assert findings[0].articles == 6
    assert sum(item.articles for item in findings if item.finding == UNCHOSEN) == 6 - len(chosen)


def test_rows_that_are_left_out_may_have_other_labels_and_ids(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,side,part\na,One,L,x\na,Two,unknown,y\nb,Three,R,x\n", encoding="utf-8")
    columns = {"article_id": "id", "body": "text", "label": "side"}
    corpus = Corpus(source="table", path="a", columns=columns, labels=["L", "R"], where={"part": "x"})

    assert table.read(tmp_path / "a.csv", corpus)[0]["article_id"].to_pylist() == ["a", "b"]


def test_columns_of_folders_can_be_chosen(tmp_path):
    for part in ("x", "y"):
        (tmp_path / "t" / f"part={part}").mkdir(parents=True)
        pq.write_table(pa.table({"text": [part], "side": ["L"]}), tmp_path / "t" / f"part={part}" / "a.parquet")

    assert table.read(tmp_path / "t", section(tmp_path / "t", part="y"))[0]["body"].to_pylist() == ["y"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"part": "trian"}, r"^corpus.where: part is 'trian', but no row of .* there \(it has 'train', 'test', 'dev'"),
        ({"part": ["test", "tset"]}, r"part is 'tset', but .* \(it has 'test', 'train', 'dev', ''\): correct corpus.w"),
        ({"part": "train", "year": 2018}, r"chooses no row of .*, but no row has all .* Remove one of part, year from"),
        (
            {"parts": "train"},
            r"has no column 'parts' for corpus.where \(it has text, side, part, .*: correct corpus.wh",
        ),
        ({"Part": "train"}, r"has no column 'Part' for corpus.where, but a column 'part': correct corpus.where"),
    ],
)
def test_a_column_or_value_that_does_not_exist_is_told(path, where, message):
    with pytest.raises(StudyError, match=message):
        table.read(path, section(path, **where))


def test_only_wanted_columns_of_a_parquet_file_are_read(tmp_path, monkeypatch):
    # A column that pyarrow cannot turn into Python values, and one whose name begins as a wanted one.
    zone = pa.array([0], pa.timestamp("s", "Nowhere/Land"))
    pq.write_table(
        pa.table({"when": zone, "text.raw": ["no"], "text": ["Body"], "part": ["x"], "side": ["L"]}),
        tmp_path / "a.parquet",
    )
    read = []
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile,
        "iter_batches",
        lambda self, size, columns: read.extend(columns) or whole(self, size, columns=columns),
    )

    articles, _ = table.read(tmp_path / "a.parquet", section(tmp_path, part="x"))

    assert articles["body"].to_pylist() == ["Body"]
    assert sorted(read) == ["part", "side", "text"]


def test_other_sources_are_chosen_by_the_fields_of_an_article(tmp_path):
    press = Corpus(press={"events": 10}, where={"label": ["left", "right"]})

    articles, findings = read_source(press, 7, tmp_path)

    assert set(articles["label"].to_pylist()) == {"left", "right"} and articles.num_rows == 20
    assert (findings[-1].finding, findings[-1].articles, findings[-1].kept) == (UNCHOSEN, 10, False)
    with pytest.raises(StudyError, match=r"^corpus.where: label is 'lfet', but no row of press has this value"):
        read_source(press.model_copy(update={"where": {"label": "lfet"}}), 7, tmp_path)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"split": "train"}, "corpus.where has the key 'split', which is no field of an article of source press: use"),
        ({"title": []}, r"corpus.where.title is \[\], but must be a value or a list of values"),
        ({"title": {"a": 1}}, r"corpus.where.title is \{a: 1\}, but must be a value or a list of values"),
    ],
)
def test_faults_of_the_section_are_told(config, where, message):
    config["corpus"]["where"] = where

    with pytest.raises(StudyError, match=message):
        read_study(config)
