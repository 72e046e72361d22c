"""Articles of any text come back from a table as they were written, or the table is refused."""

import csv

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.readers import table as tables
from bias_amplification.study.sections import Corpus

#: Examples of each dialect: a few in every run of the tests, and a thousand in `make test-nightly`.
EXAMPLES = [20, pytest.param(1000, marks=pytest.mark.nightly)]
CORPUS = Corpus(
    source="table",
    path="any",
    columns={"article_id": "id", "title": "head", "body": "text", "label": "side"},
    labels=["L", "R"],
)

#: Any text but halves of surrogate pairs, and often the characters that mean something in a table.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(st.sampled_from(list("\"',;\t|\\\n\r #=ab\u2028\ufeff\x85日é")), max_size=12),
)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.sampled_from("LR")), min_size=1, max_size=5)


def frame(rows):
    return pd.DataFrame(
        [(f"a{number}", *row) for number, row in enumerate(rows)], columns=["id", "head", "text", "side"], dtype=str
    )


def by_csv(**options):
    def write(data, path):
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, **options).writerows([list(data), *data.itertuples(index=False)])

    return write


#: Name of the file, and a function that writes a frame into it.
DIALECTS = {
    "pandas csv": ("a.csv", lambda data, path: data.to_csv(path, index=False)),
    "pandas semicolon": ("a.csv", lambda data, path: data.to_csv(path, index=False, sep=";", encoding="utf-8-sig")),
    "pandas tsv": ("a.tsv", lambda data, path: data.to_csv(path, index=False, sep="\t")),
    "pandas quote all": ("a.csv", lambda data, path: data.to_csv(path, index=False, quoting=csv.QUOTE_ALL)),
    "pandas backslash": (
        "a.csv",
        lambda data, path: data.to_csv(path, index=False, escapechar="\\", doublequote=False),
    ),
    "pandas utf-16": ("a.csv", lambda data, path: data.to_csv(path, index=False, encoding="utf-16")),
    "pandas gzip": ("a.csv.gz", lambda data, path: data.to_csv(path, index=False)),
    "pandas jsonl": ("a.jsonl", lambda data, path: data.to_json(path, orient="records", lines=True)),
    "pandas raw jsonl": (
        "a.jsonl",
        lambda data, path: data.to_json(path, orient="records", lines=True, force_ascii=False),
    ),
    "pandas json": ("a.json", lambda data, path: data.to_json(path, orient="records")),
    "pandas parquet": ("a.parquet", lambda data, path: data.to_parquet(path, index=False)),
    "polars csv": ("a.csv", lambda data, path: pl.from_pandas(data).write_csv(path)),
    "polars tsv": ("a.tsv", lambda data, path: pl.from_pandas(data).write_csv(path, separator="\t")),
    "polars quote all": ("a.csv", lambda data, path: pl.from_pandas(data).write_csv(path, quote_style="always")),
    "polars jsonl": ("a.jsonl", lambda data, path: pl.from_pandas(data).write_ndjson(path)),
    "polars parquet": ("a.parquet", lambda data, path: pl.from_pandas(data).write_parquet(path)),
    "csv excel": ("a.csv", by_csv(dialect="excel")),
    "csv excel-tab": ("a.tsv", by_csv(dialect="excel-tab")),
    "csv unix": ("a.csv", by_csv(dialect="unix")),
    "csv bar": ("a.txt", by_csv(delimiter="|", lineterminator="\n")),
}


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_text_comes_back_as_it_was_written_or_is_refused(tmp_path, dialect, examples):
    name, write = DIALECTS[dialect]
    equal = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(ROWS)
    def check(rows):
        nonlocal equal
        data = frame(rows)
        try:
            write(data, tmp_path / name)
        except (csv.Error, UnicodeError):
            return
        try:
            articles, findings = tables.read(tmp_path / name, CORPUS)
        except StudyError:
            return
        assert not [item for item in findings if not item.kept]
        assert articles["title"].to_pylist() == data["head"].tolist()
        assert articles["body"].to_pylist() == data["text"].tolist()
        assert articles["label"].to_pylist() == data["side"].tolist()
        equal += 1

    check()
    # A reader that refuses everything would pass the above.
    assert equal > examples / 4
