"""The reader of any table: CSV, JSON and Parquet."""

import bz2
import csv
import gzip
import json
import lzma
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.readers import article_bias_prediction, webis
from bias_amplification.corpus.readers import table as tables
from bias_amplification.corpus.readers.dates import read_date
from bias_amplification.study.sections import Corpus

LABELS = ["left", "center", "right"]
COLUMNS = {"article_id": "key", "body": "text", "label": "side", "title": "headline", "date": "day", "outlet": None}
ROWS = [
    {"key": "a", "text": "One body.", "side": "L", "headline": "One", "day": "2016-09-20"},
    {"key": "b", "text": 'Two, "quoted"\nlines.', "side": "R", "headline": "Two", "day": "03/05/2021"},
]


def table(columns, label_map=None, labels=LABELS, **more):
    """The config's section for a table. Readers get the path separately."""
    return Corpus(source="table", path="any", columns=columns, label_map=label_map or {}, labels=labels, **more)


SIMPLE = table({"article_id": "key", "body": "text", "label": "side"}, {"L": "left"})


def write_rows(path, rows=ROWS):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_all_file_formats_give_the_same_articles(tmp_path, ending):
    path = write_rows(tmp_path / f"articles.{ending}")

    articles, findings = tables.read(path, table(COLUMNS, {"L": "left", "R": "right"}))

    assert articles.schema == ARTICLES
    assert articles["article_id"].to_pylist() == ["a", "b"]
    assert articles["title"].to_pylist() == ["One", "Two"]
    assert articles["body"].to_pylist() == ["One body.", 'Two, "quoted"\nlines.']
    assert articles["label"].to_pylist() == ["left", "right"]
    assert articles["date"].to_pylist() == [date(2016, 9, 20), None]
    assert articles["outlet"].to_pylist() == [None, None]
    assert [item.examples for item in findings if "several ways" in item.finding] == [("b",)]


def test_labels_can_be_numbers_and_ids_can_be_absent(tmp_path):
    rows = [{"text": "One.", "y": 1}, {"text": "Two.", "y": 0}, {"text": "Three.", "y": None}]
    path = write_rows(tmp_path / "posts.parquet", rows)

    columns = {"body": "text", "label": "y"}
    articles, _ = tables.read(path, table(columns, {"1": "yes", "0": "no"}, ["yes", "no"]))

    assert articles["label"].to_pylist() == ["yes", "no", ""]
    assert articles["article_id"].to_pylist() == ["row-1", "row-2", "row-3"]


def test_articles_with_a_label_mapped_to_null_are_left_out_and_counted(tmp_path):
    path = write_rows(tmp_path / "articles.csv")

    articles, findings = tables.read(path, table(COLUMNS, {"L": "left", "R": None}))

    assert articles["article_id"].to_pylist() == ["a"]
    assert [(item.articles, item.kept) for item in findings if "left out" in item.finding] == [(1, False)]


def test_columns_have_the_names_of_an_article_by_default(tmp_path):
    path = write_rows(tmp_path / "articles.jsonl", [{"article_id": "a", "body": "Text.", "label": "left"}])

    articles, _ = tables.read(path, table({}))

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
        r"a.csv, line 1, has no column 'text' for body \(it has key, side\)",
    ),
    "too few fields": (
        "a.csv",
        "key,text,side\na,b,L\nc,d\n",
        r"a.csv, line 3: the row has 2 fields, but the header has 3, read with corpus.separator comma",
    ),
    "open quote": ("a.csv", 'key,text,side\na,b,L\nc,"d,L\n', r"a.csv, line 3: the row is not valid CSV"),
    "unknown label": (
        "a.csv",
        "key,text,side\na,b,X\n",
        r"has the label 'X', which corpus.label_map does not contain",
    ),
    "repeated id": ("a.csv", "key,text,side\na,b,L\na,c,L\n", r"line 3 repeats the article id 'a' of line 2"),
    "no row": ("a.csv", "key,text,side\n", r"has no article"),
    "column twice": (
        "a.csv",
        "key,text,text,side\na,b,c,L\n",
        r"a.csv, line 1, has 2 columns with the name 'text', which is wanted for body: rename",
    ),
    "quotes that may be text": (
        "a.tsv",
        'key\ttext\tside\na\t"b"\tL\nc\td\tL\n',
        r"a.tsv, line 2, can be read in two ways \(corpus.separator tab, corpus.quoting double; or .*quoting none\)",
    ),
    "rows that may be one row": (
        "a.tsv",
        'key\ttext\tside\na\t"b\tL\nc\td"\tL\n',
        r"a.tsv, line 2, can be read in two ways",
    ),
    "backslashes that may be text": (
        "a.csv",
        "key,text,side\na,b\\\\c,L\n",
        r"a.csv, line 2, can be read in two ways .*quoting double; or .*quoting backslash",
    ),
    "backslashes that are both": (
        "a.csv",
        'key,text,side\na,"b \\"c\\" in D:\\e",L\n',
        r"a.csv has backslashes before quotes and before other characters",
    ),
    "broken JSON line": (
        "a.jsonl",
        '{"text": "b", "side": "L", "key": "a"}\n{"text"\n',
        r"a.jsonl, line 2 is not JSON",
    ),
    "JSON list": ("a.jsonl", "[1, 2]\n", r"a.jsonl, line 1 is not a JSON object"),
    "JSON file without a list": ("a.json", '{"text": "b"}', r"a.json is not a JSON list"),
    "JSON row without column": (
        "a.jsonl",
        '{"text": "b", "side": "L", "key": "a"}\n{"side": "L", "key": "b"}\n',
        r"a.jsonl, line 2, has no column 'text' for body",
    ),
    "JSON name twice": (
        "a.jsonl",
        '{"text": "b", "side": "L", "key": "a", "text": "c"}\n',
        r"a.jsonl, line 1, has 2 columns with the name 'text'",
    ),
    "map as text": (
        "a.jsonl",
        '{"text": {"p": "b"}, "side": "L", "key": "a"}\n',
        r"a.jsonl, line 1 has as body neither text nor a list of texts, but a map",
    ),
    "list of numbers as text": (
        "a.jsonl",
        '{"text": [1, 2], "side": "L", "key": "a"}\n',
        r"line 1 has as body neither text nor a list of texts, but a list of other values",
    ),
    "unknown ending": ("a.xlsx", "x", r"ends in '.xlsx'"),
    "other columns": (
        "a.csv",
        "key^text^side\na^b^L\n",
        r"has no column 'key' for article_id \(it has key\^text\^side\)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_of_tables_name_file_and_line(tmp_path, fault):
    name, text, message = FAULTS[fault]
    (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(StudyError, match=message):
        tables.read(tmp_path / name, SIMPLE)


#: Text as a file has it, config keys, and the bodies that are right.
READABLE = {
    "semicolons": ("key;text;side\na;b, c;L\n", {}, ["b, c"]),
    "tabs": ("key\ttext\tside\na\tb, c; d\tL\n", {}, ["b, c; d"]),
    "vertical bars": ("key|text|side\na|b|L\n", {}, ["b"]),
    "another separator": ("key^text^side\na^b^L\n", {"separator": "^"}, ["b"]),
    "carriage returns": ("key,text,side\ra,b,L\rc,d,L\r", {}, ["b", "d"]),
    "byte order mark": ("\ufeffkey,text,side\na,b,L\n", {}, ["b"]),
    "escaped quotes": ('key,text,side\na,"b \\"c\\", d",L\n', {}, ['b "c", d']),
    "backslash in text": ('key,text,side\na,"C:\\data, ""d""",L\n', {}, ['C:\\data, "d"']),
    "backslashes as said": ("key,text,side\na,b\\\\c,L\n", {"quoting": "double"}, ["b\\\\c"]),
    "backslash escapes as said": ("key,text,side\na,b\\\\c,L\n", {"quoting": "backslash"}, ["b\\c"]),
    "quotes in text": ('key\ttext\tside\na\t"b" c\tL\nd\te "f\tL\n', {}, ['"b" c', 'e "f']),
    "quotes in text as said": ('key\ttext\tside\na\t"b"\tL\nc\td\tL\n', {"quoting": "none"}, ['"b"', "d"]),
    "quotes as said": ('key\ttext\tside\na\t"b"\tL\nc\td\tL\n', {"quoting": "double"}, ["b", "d"]),
    "quotes around a column": ('key,text,side\na,"b",L\nc,"d",L\n', {}, ["b", "d"]),
    "quotes around everything": ('"key"\t"text"\t"side"\n"a"\t"b"\t"L"\n', {}, ["b"]),
    "quotes where needed": ('key\ttext\tside\na\t"say ""b"" now"\tL\nc\td\tL\n', {}, ['say "b" now', "d"]),
    "another column twice": ("key,x,x,text,side\na,1,2,b,L\n", {}, ["b"]),
    "spaces around text": ("key, text ,side\na,  b ,L\n", {}, ["  b "]),
}


READABLE |= {
    "missing value": ("key\ttext\tside\na\tb\tL\nc\t\\N\tL\n", {}, ["b", ""]),
    "missing value among backslashes in text": (
        "key\ttext\tside\na\tC:\\data\tL\nc\t\\N\tL\n",
        {},
        ["C:\\data", ""],
    ),
    "missing value beside escaped quotes": ('key,text,side\na,"b \\"c\\"",L\nc,\\N,L\n', {}, ['b "c"', ""]),
    "missing value with escapes as said": (
        'key,text,side\na,"b \\\\ \\\n",L\nc,\\N,L\n',
        {"quoting": "backslash"},
        ["b \\ \n", ""],
    ),
    "backslashes of a tab file as said": ("key\ttext\tside\na\tb\\nc\tL\n", {"quoting": "none"}, ["b\\nc"]),
    "backslashes of a comma file": ("key,text,side\na,b\\nc,L\n", {}, ["b\\nc"]),
}


@pytest.mark.parametrize("case", READABLE)
def test_separators_and_quotes_are_found_out(tmp_path, case):
    text, keys, bodies = READABLE[case]
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")

    articles, _ = tables.read(tmp_path / "a.csv", SIMPLE.model_copy(update=keys))

    assert articles["body"].to_pylist() == bodies


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("key\ttext\tside\na\tb\tL\nc\td\\ne\tL\n", 3),
        ("key\ttext\tside\na\tb\\\\c\\td\tL\n", 2),
        ("key\ttext\tside\na\t\\N\tL\nc\td\\te\tL\n", 3),
        ("key,text,side\na,\\N,L\nc,d\\te,L\n", 3),
    ],
)
def test_escapes_of_a_database_are_refused_until_the_config_says_that_they_are_text(tmp_path, text, line):
    (tmp_path / "a.tsv").write_text(text, encoding="utf-8")

    with pytest.raises(StudyError, match=rf"a.tsv, line {line}.*(escapes of a database's export|read in two ways)"):
        tables.read(tmp_path / "a.tsv", SIMPLE)
    assert tables.read(tmp_path / "a.tsv", SIMPLE.model_copy(update={"quoting": "double"}))[0].num_rows > 0


def test_a_backslash_that_would_be_left_out_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text('key,text,side\na,"b \\"c\\" in D:\\e",L\n', encoding="utf-8")

    with pytest.raises(StudyError, match=r"a.csv, line 2: a backslash stands before 'e', and corpus.quoting backslash"):
        tables.read(tmp_path / "a.csv", SIMPLE.model_copy(update={"quoting": "backslash"}))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_decide_the_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("key,text,side\na,日本,L\n".encode(encoding))

    assert tables.read(tmp_path / "a.csv", SIMPLE)[0]["body"].to_pylist() == ["日本"]


#: A sentence in a script and encoding that is not UTF-8, long enough for a guess.
ENCODED = {
    "gb18030": "今天上午市议会就新的公共交通计划进行了长时间的讨论。" * 4,
    "cp1251": "Сегодня городской совет долго обсуждал новый план общественного транспорта. " * 4,
    "utf-16-le": "Le conseil a débattu du plan. " * 4,
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_another_encoding_is_refused_until_the_config_names_it(tmp_path, encoding):
    rows = "".join(f"a{number},{ENCODED[encoding]},L\n" for number in range(20))
    (tmp_path / "a.csv").write_bytes(f"key,text,side\n{rows}".encode(encoding))

    with pytest.raises(StudyError, match=rf"a.csv.*(look like {encoding}|zero bytes).*set corpus.encoding"):
        tables.read(tmp_path / "a.csv", SIMPLE)
    articles, _ = tables.read(tmp_path / "a.csv", SIMPLE.model_copy(update={"encoding": encoding}))
    assert articles["body"].to_pylist() == [ENCODED[encoding]] * 20


def test_a_wrong_encoding_is_an_error_that_names_the_key(tmp_path):
    (tmp_path / "a.csv").write_bytes("key,text,side\na,日本,L\n".encode())

    with pytest.raises(StudyError, match=r"a.csv.*corpus.encoding"):
        tables.read(tmp_path / "a.csv", SIMPLE.model_copy(update={"encoding": "utf-16-le"}))
    with pytest.raises(StudyError, match=r"a.csv, line 2: 1 of 3 lines have bytes that are not ASCII"):
        tables.read(tmp_path / "a.csv", SIMPLE.model_copy(update={"encoding": "ascii"}))


def test_single_rows_that_cannot_be_decoded_are_left_out_and_counted(tmp_path):
    rows = "".join(f"a{number},caf\u00e9,L\n" for number in range(40)).encode()
    (tmp_path / "a.csv").write_bytes(b"key,text,side\n" + rows + "b,caf\u00e9,L\n".encode("cp1252"))

    articles, findings = tables.read(tmp_path / "a.csv", SIMPLE)

    assert articles["body"].to_pylist() == ["caf\u00e9"] * 40
    assert [(item.articles, item.kept) for item in findings if "rows read" in item.finding] == [(41, True)]
    assert [(item.articles, item.examples) for item in findings if not item.kept] == [(1, ("line 42 (b)",))]


def test_half_an_emoji_is_left_out_and_named(tmp_path):
    good = {"key": "a", "text": "\U0001f600", "side": "L"}
    path = write_rows(tmp_path / "a.jsonl", [good, good | {"key": "b", "text": "half \ud83d"}])

    articles, findings = tables.read(path, SIMPLE)

    assert articles["body"].to_pylist() == ["\U0001f600"]
    lost = [item for item in findings if not item.kept]
    assert [(item.finding, item.examples) for item in lost] == [
        ("row with half of a surrogate pair, such as half an emoji", ("line 2 (b)",))
    ]


PARQUET_TYPES = {
    "binary": pa.binary(),
    "large binary": pa.large_binary(),
    "large string": pa.large_string(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "string view": pa.string_view(),
}


@pytest.mark.parametrize("kind", PARQUET_TYPES)
def test_text_of_any_parquet_type_is_read(tmp_path, kind):
    columns = {name: pa.array(values).cast(PARQUET_TYPES[kind]) for name, values in TEXTS.items()}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")

    articles, _ = tables.read(tmp_path / "a.parquet", SIMPLE)

    assert articles.select(["article_id", "body"]).to_pylist() == [{"article_id": "a", "body": "日本 “b”\nc"}]


TEXTS = {"key": ["a"], "text": ["日本 “b”\nc"], "side": ["L"]}


def test_parquet_text_that_is_not_utf8_is_left_out(tmp_path):
    wrong = pa.array([b"caf\xe9"], pa.binary())
    text = pa.StringArray.from_buffers(1, *wrong.buffers()[1:])
    pq.write_table(pa.table({**TEXTS, "text": text}), tmp_path / "a.parquet")

    articles, findings = tables.read(tmp_path / "a.parquet", SIMPLE)

    assert articles.num_rows == 0
    assert [item.examples for item in findings if not item.kept] == [("row 1 (a)",)]


def test_lists_of_texts_are_paragraphs(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{"key": "a", "text": ["One.", "Two."], "side": "L"}])
    pq.write_table(pa.table({**TEXTS, "text": [["One.", "Two."]]}), tmp_path / "a.parquet")

    for file in (path, tmp_path / "a.parquet"):
        assert tables.read(file, SIMPLE)[0]["body"].to_pylist() == ["One.\nTwo."]


def test_a_parquet_column_that_occurs_twice_is_refused(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array(["x"])] * 4, ["key", "text", "text", "side"]), tmp_path / "a.parquet")

    with pytest.raises(StudyError, match=r"a.parquet has 2 columns with the name 'text'"):
        tables.read(tmp_path / "a.parquet", SIMPLE)


def test_a_folder_of_parts_is_one_table(tmp_path):
    for number, rows in enumerate((ROWS[:1], ROWS[1:])):
        write_rows(tmp_path / f"part-{number}.parquet", rows)
    (tmp_path / "_SUCCESS").write_bytes(b"")

    articles, findings = tables.read(tmp_path, table(COLUMNS, {"L": "left", "R": "right"}))

    assert articles["article_id"].to_pylist() == ["a", "b"]
    assert findings[0].articles == 2
    write_rows(tmp_path / "more.csv")
    with pytest.raises(StudyError, match=r"has files that end in .csv and in .parquet"):
        tables.read(tmp_path, table(COLUMNS))


def folder_of_parts(folder):
    """A folder with a part of a table and, below it, a folder for other parts."""
    (folder / "table" / "more").mkdir(parents=True)
    write_rows(folder / "table" / "part-0.csv", ROWS[:1])
    return folder / "table"


#: What stands in a folder of parts in the place of a part, and the message.
NO_PARTS = {
    "dangling link": (lambda part: part.symlink_to("absent.csv"), r"more/b.csv is a link that leads nowhere \(absent"),
    "link to itself": (lambda part: part.symlink_to(part), r"more/b.csv is a link that leads nowhere"),
    "linked folder": (
        lambda part: part.symlink_to(part.parent.parent.parent / "elsewhere"),
        "b.csv is a link to a fol",
    ),
    "pipe": (os.mkfifo, r"more/b.csv is no file, but a pipe"),
    "empty file": (Path.touch, r"more/b.csv is empty \(0 bytes\): copy or write it again, or remove it"),
    "white space": (lambda part: part.write_text("\n \n"), r"more/b.csv has only white space"),
    "Git LFS": (
        lambda part: part.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
        r"more/b.csv is a pointer of Git LFS instead of the file: run git lfs pull",
    ),
    "web page": (lambda part: part.write_text("\n<!DOCTYPE html>\n"), r"b.csv is a web page \(HTML\) instead of the"),
}


@pytest.mark.parametrize("fault", NO_PARTS)
def test_a_part_that_cannot_be_read_is_not_left_out(tmp_path, fault):
    make, message = NO_PARTS[fault]
    (tmp_path / "elsewhere").mkdir()
    folder = folder_of_parts(tmp_path)
    make(folder / "more" / "b.csv")

    with pytest.raises(StudyError, match=message):
        tables.read(folder, SIMPLE)


def test_a_folder_of_parts_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    folder, scandir = folder_of_parts(tmp_path), os.scandir

    def refuse(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)

    with pytest.raises(StudyError, match=r"table/more cannot be read \(Permission denied\): change its access rights"):
        tables.read(folder, SIMPLE)


def test_links_to_parts_are_followed(tmp_path):
    folder = folder_of_parts(tmp_path)
    (folder / "more" / "b.csv").symlink_to(write_rows(tmp_path / "b.csv", [ROWS[0] | {"key": "c"}]))
    (folder / ".hidden.csv").symlink_to("absent.csv")

    assert tables.read(folder, SIMPLE)[0]["article_id"].to_pylist() == ["c", "a"]


@pytest.mark.parametrize("source", [tables, webis, article_bias_prediction], ids=["table", "webis", "bias"])
def test_a_pipe_or_a_link_that_leads_nowhere_is_no_corpus(tmp_path, source):
    os.mkfifo(tmp_path / "a.csv")
    (tmp_path / "b.csv").symlink_to("absent.csv")

    with pytest.raises(StudyError, match=r"a.csv is no file, but a pipe, a device or the like: write"):
        source.read(tmp_path / "a.csv", SIMPLE)
    with pytest.raises(
        StudyError, match=r"b.csv is a link that leads nowhere \(absent.csv\): put the file in its place"
    ):
        source.read(tmp_path / "b.csv", SIMPLE)


def test_columns_of_a_partition_are_read_from_the_names_of_its_folders(tmp_path):
    rows = pa.table({"key": ["a", "b"], "text": ["One.", "Two."], "side": ["L", "far right"]})
    pq.write_to_dataset(rows, tmp_path, partition_cols=["side"])

    labels = {"L": "left", "far right": "right"}
    articles, _ = tables.read(tmp_path, SIMPLE.model_copy(update={"label_map": labels}))

    assert {row["article_id"]: row["label"] for row in articles.to_pylist()} == {"a": "left", "b": "right"}


def test_compressed_files_are_read(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"key,text,side\na,b,L\n"))

    assert tables.read(tmp_path / "a.csv.gz", SIMPLE)[0]["body"].to_pylist() == ["b"]
    whole = (tmp_path / "a.csv.gz").read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(StudyError, match=r"a.csv.gz is not a whole compressed file"):
        tables.read(tmp_path / "a.csv.gz", SIMPLE)


#: The file's columns have the names of the fields.
PLAIN = SIMPLE.model_copy(update={"columns": {}, "label_map": {}})


@pytest.mark.parametrize("library", [bz2, lzma], ids=["bz2", "xz"])
def test_compressed_files_of_several_streams_are_read_whole_or_refused(tmp_path, library):
    parts = [library.compress(text) for text in (b"body,label\nfirst,left\n", b"second,right\n")]
    path = tmp_path / f"a.csv.{'bz2' if library is bz2 else 'xz'}"
    path.write_bytes(b"".join(parts))
    assert tables.read(path, PLAIN)[0]["body"].to_pylist() == ["first", "second"]

    for damaged in (parts[1][:-6], parts[1][:8] + b"?" + parts[1][9:], b"rubbish"):
        path.write_bytes(parts[0] + damaged)
        with pytest.raises(StudyError, match="is not a whole compressed file"):
            tables.read(path, PLAIN)


@pytest.mark.parametrize("encoding", ["nonsense", "hex", "ANSI", "cp 1252", "a\0b"])
def test_an_unknown_encoding_is_refused(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("body,label\nb,left\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"corpus.encoding is .*, which Python does not know as an encoding of texts"):
        tables.read(tmp_path / "a.csv", PLAIN.model_copy(update={"encoding": encoding}))


@pytest.mark.parametrize("encoding", ["gb18030", "koi8-r", "latin-1"])
def test_a_file_in_utf_8_is_not_read_in_another_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("body,label\n新闻报道,left\n", encoding="utf-8")

    with pytest.raises(StudyError, match=rf"a.csv is in UTF-8, but corpus.encoding is {encoding}: remove"):
        tables.read(tmp_path / "a.csv", PLAIN.model_copy(update={"encoding": encoding}))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("\ufeffarticle_id,body,label\nx1,b,left\n".encode(encoding))

    table = tables.read(tmp_path / "a.csv", PLAIN.model_copy(update={"encoding": encoding}))[0]

    assert table["article_id"].to_pylist() == ["x1"]


def test_seven_bit_encodings_with_escape_sequences_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("body,label\n日本語,left\n".encode("iso2022_jp"))

    with pytest.raises(StudyError, match=r"a.csv has the escape sequences of an encoding such as ISO-2022-JP"):
        tables.read(tmp_path / "a.csv", PLAIN)
    read = tables.read(tmp_path / "a.csv", PLAIN.model_copy(update={"encoding": "iso2022_jp"}))[0]
    assert read["body"].to_pylist() == ["日本語"]


@pytest.mark.parametrize("value", ["true", "Infinity"])
def test_values_of_json_that_are_no_texts_are_refused(tmp_path, value):
    (tmp_path / "a.jsonl").write_text(f'{{"body": {value}, "label": "left"}}\n', encoding="utf-8")

    with pytest.raises(StudyError, match=r"a.jsonl, line 1 has as body neither text nor a list of texts"):
        tables.read(tmp_path / "a.jsonl", PLAIN)


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.csv").write_text("body,label\nb,left\n", encoding="utf-8")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)

    with pytest.raises(StudyError, match=r"a.csv cannot be read \(Permission denied\)"):
        tables.read(tmp_path / "a.csv", PLAIN)


DATES = {
    "2021-03-05": date(2021, 3, 5),
    "2021-03-05T10:00:00Z": date(2021, 3, 5),
    "5 March 2021": date(2021, 3, 5),
    "March 5, 2021": date(2021, 3, 5),
    "Fri, 05 Mar 2021 10:00:00 +0000": date(2021, 3, 5),
    "20210305": date(2021, 3, 5),
    "25/12/2021": date(2021, 12, 25),
    "12/25/2021": date(2021, 12, 25),
    "2021/03/05": date(2021, 3, 5),
    "05/05/2021": date(2021, 5, 5),
    "20210305101010": date(2021, 3, 5),
    "2021-03-05T10": date(2021, 3, 5),
    "5-March-2021": date(2021, 3, 5),
    "03/05/2021": None,
    # Several days.
    "5-6 March 2021": None,
    "10-12 May 2021": None,
    "March 5-6, 2021": None,
    "30-31 March 2021": None,
    "5/6 March 2021": None,
    "5 March 2021, 2022": None,
    "2021-03-05 to 2021-03-07": None,
    "2021-03-05xyz": None,
    "03-05-21": None,
    "March 2021": None,
    "2021": None,
    "1614938400000": None,
    "yesterday": None,
}


@pytest.mark.parametrize("text", DATES)
def test_dates_are_read_where_they_mean_one_day(text):
    assert read_date(text) == DATES[text]


def test_dates_that_python_does_not_have_are_left_empty_and_counted(tmp_path):
    days = pa.array([10_000_000, 18_691, None, -10_000_000], pa.int32()).cast(pa.date32())
    moments = pa.array([10**18, 1_614_938_400_000_000, None, -(10**18)], pa.int64()).cast(pa.timestamp("us"))
    rows = {"article_id": ["a", "b", "c", "d"], "body": ["x"] * 4, "label": ["left"] * 4}
    for column in (days, moments):
        pq.write_table(pa.table({**rows, "date": column}), tmp_path / "a.parquet")

        articles, findings = tables.read(tmp_path / "a.parquet", PLAIN)

        assert articles["date"].to_pylist() == [None, date(2021, 3, 5), None, None]
        assert [item.examples for item in findings if "several ways" in item.finding] == [("a", "d")]
        pq.write_table(pa.table({**rows, "title": column}), tmp_path / "a.parquet")
        with pytest.raises(StudyError, match=r"a.parquet has as title a date or time that no calendar of Python has"):
            tables.read(tmp_path / "a.parquet", PLAIN)


def test_times_of_an_unknown_zone_are_told(tmp_path):
    moments = pa.array([0], pa.int64()).cast(pa.timestamp("us", "Nowhere/X"))
    pq.write_table(pa.table({"body": ["x"], "label": ["left"], "date": moments}), tmp_path / "a.parquet")

    with pytest.raises(
        StudyError, match=r"a.parquet has as date values that cannot be read \(timestamp\[us, tz=Nowhere"
    ):
        tables.read(tmp_path / "a.parquet", PLAIN)


#: Headers whose names are not quite those of an article, and the message.
NEARLY = {
    "Title": r"has no column 'title' for title, but a column 'Title': name the columns in corpus.columns",
    "Event ID": r"has no column 'event_id' for event_id, but a column 'Event ID'",
    "\u200barticle_id": r"has no column 'article_id' for article_id, but a column '\\u200barticle_id'",
    "BODY": r"has no column 'body' for body, but a column 'BODY'",
}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("column", NEARLY)
def test_a_column_of_nearly_the_name_is_not_left_out(tmp_path, column, ending):
    row = {column: "x", "label": "left"} | ({} if column == "BODY" else {"body": "y"})
    path = write_rows(tmp_path / f"a.{ending}", [row])

    with pytest.raises(StudyError, match=NEARLY[column]):
        tables.read(path, PLAIN)
    given = {"body": "BODY" if column == "BODY" else "body", "label": "label"}
    assert tables.read(path, PLAIN.model_copy(update={"columns": given}))[0].num_rows == 1
    with pytest.raises(StudyError, match=r"no column 'LABEL' for label, but a column 'label': correct corpus.columns"):
        tables.read(path, PLAIN.model_copy(update={"columns": given | {"label": "LABEL"}}))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_texts_can_be_partitioned_too(tmp_path, ending):
    (tmp_path / "side=far%20right").mkdir()
    write_rows(tmp_path / "side=far%20right" / f"a.{ending}", [{"key": "a", "text": "One."}])

    articles, _ = tables.read(tmp_path, SIMPLE.model_copy(update={"label_map": {"far right": "right"}}))

    assert articles["label"].to_pylist() == ["right"]


def test_a_message_quotes_only_part_of_a_long_line(tmp_path):
    long = "word " * 1000
    for name, text, message in (
        ("a.csv", f"{long}\n{long}\n", r"has no column 'body' for body \(it has word"),
        ("b.csv", f"body,label\nx,{long}\n", r"has the label 'word .*which is not in corpus.labels"),
        ("c.csv", f"article_id,body,label\n{long},x,left\n{long},x,left\n", r"repeats the article id 'word"),
        ("d.jsonl", f'{{"{long}": 1}}\n', r"has no column 'body' for body \(it has word"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")

        with pytest.raises(StudyError, match=message) as caught:
            tables.read(tmp_path / name, PLAIN)
        assert len(str(caught.value)) < 600 + len(str(tmp_path))


def encrypted(path):
    """Write a Parquet file whose footer cannot be read without a key."""

    class Keys(encryption.KmsClient):
        def __init__(self, _):
            super().__init__()

        def wrap_key(self, key_bytes, _):
            return key_bytes.hex()

    wanted = encryption.EncryptionConfiguration(footer_key="a", column_keys={"b": ["text"]})
    factory = encryption.CryptoFactory(Keys)
    with pq.ParquetWriter(
        path,
        pa.schema({"text": pa.string()}),
        encryption_properties=factory.file_encryption_properties(encryption.KmsConnectionConfig(), wanted),
    ) as writer:
        writer.write_table(pa.table({"text": ["a"]}))


def compressed_by_lzo(path):
    """Write a Parquet file that names LZO as the compression of its last column: the codec 3 instead of 6, zstd."""
    pq.write_table(pa.table({"text": ["a"]}), path, compression="zstd")
    before, codec, behind = path.read_bytes().rpartition(b"\x15\x0c")
    assert codec
    path.write_bytes(before + b"\x15\x06" + behind)


#: What makes a file with the ending of Parquet, and the message.
NO_PARQUET = {
    "encrypted": (encrypted, r"a.parquet is encrypted \(.*: write it again without encryption"),
    "unknown compression": (
        compressed_by_lzo,
        r"is written in a way that pyarrow .* cannot read \(.*LZO.*another compr",
    ),
    "text": (lambda path: path.write_text("text\na\n"), r"a.parquet is no Parquet file \(it begins with b'text'\)"),
    "Git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        r"is a pointer of Git LFS",
    ),
    "web page": (
        lambda path: path.write_text("<html><body>" + "a" * 99),
        r"is a web page \(HTML\) instead of the file",
    ),
    "empty": (Path.touch, r"a.parquet is empty \(0 bytes\)"),
    "cut": (lambda path: path.write_bytes(b"PAR1"), r"a.parquet is not a whole Parquet file"),
}


@pytest.mark.parametrize("kind", NO_PARQUET)
def test_the_message_says_why_a_parquet_file_cannot_be_read(tmp_path, kind):
    make, message = NO_PARQUET[kind]
    make(tmp_path / "a.parquet")

    with pytest.raises(StudyError, match=message):
        tables.read(tmp_path / "a.parquet", table({"body": "text", "label": "text"}))


def test_damaged_and_other_files_are_errors(tmp_path):
    whole = write_rows(tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "binary.csv").write_bytes(b"PK\x03\x04\0\0\0\0")

    with pytest.raises(StudyError, match=r"cut.parquet is not a whole Parquet file"):
        tables.read(tmp_path / "cut.parquet", table(COLUMNS))
    with pytest.raises(StudyError, match=r"binary.csv is not a text file"):
        tables.read(tmp_path / "binary.csv", table(COLUMNS))
    with pytest.raises(StudyError, match=r"corpus.columns has the key 'text', which is no column of an article"):
        tables.read(tmp_path / "whole.parquet", table({"text": "body"}))
    with pytest.raises(StudyError, match=r"corpus.columns has no column for label"):
        tables.read(tmp_path / "whole.parquet", table({"body": "text", "label": None}))
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.path\) does not exist"):
        tables.read(tmp_path / "absent.csv", table(COLUMNS))


def test_labels_outside_the_study_are_errors(tmp_path):
    path = write_rows(tmp_path / "articles.csv")

    with pytest.raises(StudyError, match=r"has the label 'L', which is not in corpus.labels \(center, left, right\)"):
        tables.read(path, table(COLUMNS))


def test_the_mark_of_a_missing_value_stays_within_quotes(tmp_path):
    body = 'say "hello", then\t\\N\tand\n\\N\nend'
    escaped = body.replace("\\", "\\\\").replace('"', '\\"')
    plain = body.replace('"', '\\"')
    config = SIMPLE.model_copy(update={"quoting": "backslash"})
    for quoted in (escaped, plain):
        (tmp_path / "a.tsv").write_text(f'key\ttext\tside\nk\t"{quoted}"\tL\nl\t\\N\tL\n', encoding="utf-8")
        try:
            found = tables.read(tmp_path / "a.tsv", config)[0]["body"].to_pylist()
        except StudyError as fault:
            # Outside of quotes it is a missing value; within them, the backslash could be an escape.
            assert quoted == plain and "a backslash stands before 'N'" in str(fault)
        else:
            assert quoted == escaped and found == [body, ""]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "key,text,side\na,A text.,L\n"), ("a.jsonl", '{"key":"a","text":"A text.","side":"L"}')],
)
def test_a_column_of_the_file_comes_before_that_of_its_folder(tmp_path, name, text):
    (tmp_path / "side=R").mkdir()
    (tmp_path / "side=R" / name).write_text(text, encoding="utf-8")

    assert tables.read(tmp_path, SIMPLE)[0]["label"].to_pylist() == ["left"]
    (tmp_path / "side=R" / name).unlink()
    pq.write_table(pa.table({"key": ["a"], "text": ["A text."], "side": ["L"]}), tmp_path / "side=R" / "a.parquet")
    assert tables.read(tmp_path, SIMPLE)[0]["label"].to_pylist() == ["left"]


def test_the_folder_of_a_file_system_is_left_alone(tmp_path):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found" / "x.csv").write_text("no table", encoding="utf-8")
    (tmp_path / "a.csv").write_text("key,text,side\na,A text.,L\n", encoding="utf-8")

    assert tables.read(tmp_path, SIMPLE)[0].num_rows == 1
