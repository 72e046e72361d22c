"""The Webis reader against files written from known articles and broken in known ways."""

import csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.readers import webis

LABEL_MAP = {"From the Left": "left", "From the Center": "center", "From the Right": "right"}
WORDS = ["budget", "Senate", "vote", "he said", "no", "1,000", 'the "deal"', '"yes"', '"no," she said', "law.", "war"]

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
bodies = st.lists(words, min_size=0, max_size=4).map("\n".join)
articles = st.tuples(
    st.integers(1, 9999).map(str),
    words,
    st.sampled_from(sorted(LABEL_MAP)),
    st.sampled_from(["CNN (Web News)", "Fox News", "Reuters", 'The "Daily" News']),
    bodies,
    words,
    bodies,
)
ways = st.sampled_from(["proper", "all quoted", "unescaped", "unescaped body", "cut", "no rating"])


def proper_line(fields, quoting=csv.QUOTE_MINIMAL):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=quoting).writerow(fields)
    return stream.getvalue()


def write_line(fields, way):
    if way == "unescaped":
        return ",".join([fields[0], *(f'"{field}"' for field in fields[1:])]) + "\n"
    if way == "unescaped body":
        return proper_line(fields[:-1], csv.QUOTE_ALL)[:-1] + f',"{fields[-1]}"\n'
    if way == "cut":
        return proper_line(fields[:4], csv.QUOTE_ALL)
    if way == "no rating":
        return proper_line([*fields[:2], "From Afar", *fields[3:]], csv.QUOTE_ALL)
    return proper_line(fields, csv.QUOTE_ALL if way == "all quoted" else csv.QUOTE_MINIMAL)


def write_corpus(pairs):
    return proper_line(webis.FIELDS) + "".join(write_line(fields, way) for fields, way in pairs)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(articles, ways), min_size=1, max_size=8))
def test_every_record_comes_back_as_it_was_or_is_reported(pairs):
    records = list(webis.split_records(write_corpus(pairs), tuple(LABEL_MAP)))

    assert len(records) == len(pairs)
    for record, (fields, way) in zip(records, pairs, strict=True):
        if way in ("proper", "all quoted"):
            assert record.fields == fields
        elif way in ("cut", "no rating"):
            assert record.fields is None
        elif record.fields is not None:
            assert record.fields == fields


@settings(max_examples=100, deadline=None)
@given(st.lists(articles, min_size=2, max_size=6), st.data())
def test_a_broken_record_costs_no_other_record(drawn, data):
    broken = data.draw(st.integers(0, len(drawn) - 1))
    pairs = [(fields, "unescaped" if index == broken else "proper") for index, fields in enumerate(drawn)]

    records = list(webis.split_records(write_corpus(pairs), tuple(LABEL_MAP)))

    others = [record.fields for index, record in enumerate(records) if index != broken]
    assert others == [fields for index, fields in enumerate(drawn) if index != broken]


@pytest.mark.parametrize(
    "quote",
    [
        'He said "no" twice.',
        '"All of it," she said.',
        'It was "final"',
        'A "b", c, and "d" e.',
        'Line "one"\nand "two".',
    ],
)
def test_unescaped_quotes_are_repaired(quote):
    fields = ("7", "A headline", "From the Left", "CNN", "An excerpt.", f"{quote.splitlines()[0]}", f"{quote} The end.")

    (record,) = webis.split_records(write_corpus([(fields, "unescaped")]), tuple(LABEL_MAP))

    assert record.fields == fields
    assert record.repaired


def test_text_that_can_be_cut_in_two_ways_is_reported_and_not_guessed():
    fields = ("7", "Headline", "From the Left", "CNN", "Excerpt", "Title", 'They said "yes","no","maybe" and left.')

    (record,) = webis.split_records(write_corpus([(fields, "unescaped")]), tuple(LABEL_MAP))

    assert record.fields is None
    assert record.line == 2


def test_kept_and_reported_records_add_up_and_lines_are_named(tmp_path):
    good = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "First line.\nSecond line.")
    untitled = ("3", "Two", "From the Center", "Reuters", "Excerpt", "", "Body text.")
    pairs = [(good, "proper"), (good, "cut"), (untitled, "all quoted"), (good, "no rating")]
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus(pairs), encoding="utf-8")

    table, findings = webis.read(path, label_map=LABEL_MAP, labels=["left", "center", "right"])

    assert table["title"].to_pylist() == ["Own title", "Two"]
    assert table["label"].to_pylist() == ["right", "center"]
    assert table["outlet"].to_pylist() == ["Fox News", "Reuters"]
    assert table["body"].to_pylist() == ["First line.\nSecond line.", "Body text."]
    lost = [item for item in findings if not item.kept]
    assert [(item.articles, item.examples) for item in lost] == [(2, ("line 4", "line 6"))]


def test_a_record_without_rating_or_text_reaches_cleaning(tmp_path):
    unrated = ("3", "One", "", "CNN", "Excerpt", "Title", "Body.")
    textless = ("4", "One", "From the Left", "CNN", "Excerpt", "Title", "")
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus([(unrated, "all quoted"), (textless, "proper")]), encoding="utf-8")

    table, _ = webis.read(path, label_map=LABEL_MAP)

    assert table["label"].to_pylist() == ["", "left"]
    assert table["body"].to_pylist() == ["Body.", ""]


def test_archive_folder_and_file_give_the_same_table(tmp_path):
    fields = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "Body.")
    text = write_corpus([(fields, "proper")] * 3)
    folder = tmp_path / "corpus-webis-bias-flipper-18" / "allsides-collection"
    folder.mkdir(parents=True)
    (folder / "data_public.csv").write_text(text, encoding="utf-8-sig")
    archive = tmp_path / "corpus.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("corpus-webis-bias-flipper-18/allsides-collection/data_public.csv", text)

    tables = [webis.read(path, label_map=LABEL_MAP)[0] for path in (archive, tmp_path, folder / "data_public.csv")]

    assert tables[0].num_rows == 3
    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])


def test_bytes_that_are_not_utf8_are_read_and_reported(tmp_path):
    fields = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "A caf\u00e9.")
    path = tmp_path / "data_public.csv"
    path.write_bytes(write_corpus([(fields, "proper")]).encode("cp1252"))

    table, findings = webis.read(path, label_map=LABEL_MAP)

    assert table["body"].to_pylist() == ["A caf\u00e9."]
    assert ("line 2",) in [item.examples for item in findings if "UTF-8" in item.finding]


def test_faults_name_file_and_remedy(tmp_path):
    path = tmp_path / "data_public.csv"
    path.write_text("id,text\n1,a\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"has the columns id, text where Webis-Bias-Flipper-18 has story_id"):
        webis.read(path, label_map=LABEL_MAP)
    with pytest.raises(StudyError, match=r"corpus.label_map is empty"):
        webis.read(path, label_map={})
    with pytest.raises(StudyError, match=r"holds no data_public.csv"):
        (tmp_path / "empty").mkdir()
        webis.read(tmp_path / "empty", label_map=LABEL_MAP)
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.path\) does not exist"):
        webis.read(tmp_path / "absent.csv", label_map=LABEL_MAP)
