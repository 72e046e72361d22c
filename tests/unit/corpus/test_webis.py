"""The Webis reader, tested with files that are written from known articles and broken in known ways."""

import csv
import io
import zipfile

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.cleaning import clean, repair_text
from bias_amplification.corpus.readers import webis
from bias_amplification.study.sections import Cleaning, Corpus

LABEL_MAP = {"From the Left": "left", "From the Center": "center", "From the Right": "right"}
CORPUS = Corpus(source="webis", label_map=LABEL_MAP)
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


def split(text):
    """The records of a CSV."""
    return list(webis.split_records(text, tuple(LABEL_MAP), "data_public.csv"))


def write_corpus(pairs):
    return proper_line(webis.FIELDS) + "".join(write_line(fields, way) for fields, way in pairs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(articles, ways), min_size=1, max_size=8))
def test_each_record_is_read_as_it_was_or_reported(pairs):
    records = split(write_corpus(pairs))

    assert len(records) == len(pairs)
    for record, (fields, way) in zip(records, pairs, strict=True):
        if way in ("proper", "all quoted"):
            assert record.fields == fields
        elif way in ("cut", "no rating"):
            assert record.fields is None
        elif record.fields is not None:
            assert record.fields == fields


#: A record with a line of text that has as many commas as a record.
COMMAS = ("1", "budget", "From the Center", "CNN", 'budget\n1,000 1,000 1,000 "no," she said', "budget", "")


@settings(max_examples=40, deadline=None)
@given(st.lists(articles, min_size=2, max_size=6), st.integers(0, 5))
@example([COMMAS, ("1", "budget", "From the Center", "CNN", "", "budget", "")], 0)
def test_broken_record_affects_no_other_record(drawn, broken):
    broken %= len(drawn)
    pairs = [(fields, "unescaped" if index == broken else "proper") for index, fields in enumerate(drawn)]

    records = split(write_corpus(pairs))

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

    (record,) = split(write_corpus([(fields, "unescaped")]))

    assert record.fields == fields
    assert record.repaired


def test_ambiguous_record_is_reported_as_lost():
    fields = ("7", "Headline", "From the Left", "CNN", "Excerpt", "Title", 'They said "yes","no","maybe" and left.')

    (record,) = split(write_corpus([(fields, "unescaped")]))

    assert record.fields is None
    assert record.line == 2


def test_lost_records_are_reported_with_their_lines(tmp_path):
    good = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "First line.\nSecond line.")
    untitled = ("3", "Two", "From the Center", "Reuters", "Excerpt", "", "Body text.")
    pairs = [(good, "proper"), (good, "cut"), (untitled, "all quoted"), (good, "no rating")]
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus(pairs), encoding="utf-8")

    table, findings = webis.read(path, CORPUS)

    assert table["title"].to_pylist() == ["Own title", "Two"]
    assert table["label"].to_pylist() == ["right", "center"]
    assert table["outlet"].to_pylist() == ["Fox News", "Reuters"]
    assert table["body"].to_pylist() == ["First line.\nSecond line.", "Body text."]
    lost = [item for item in findings if not item.kept]
    assert [(item.articles, item.examples) for item in lost] == [(1, ("line 4",)), (1, ("line 6",))]


#: What can happen to an article of the file, besides a broken record.
fates = st.sampled_from(["once", "once", "once", "twice", "no text", "no title"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(articles, ways, fates), min_size=1, max_size=8), windows=st.booleans())
def test_each_article_of_a_broken_file_is_in_the_corpus_or_reported(tmp_path, drawn, windows):
    """Reading and cleaning together invent no article, merge no articles, and report all losses."""
    pairs, known = [], {}
    for number, (fields, way, fate) in enumerate(drawn):
        # Each body is unique, so that it identifies the article.
        body = "" if fate == "no text" else f"Body {number} of many words. {fields[6]}"
        fields = (*fields[:5], "" if fate == "no title" else fields[5], body)
        known[repair_text(body)[0]] = (fields, way, fate)
        pairs += [(fields, way)] * (2 if fate == "twice" else 1)
    path = tmp_path / "data_public.csv"
    text = write_corpus(pairs)
    path.write_bytes((text.replace("\n", "\r\n") if windows else text).encode())

    read, findings = webis.read(path, CORPUS)
    corpus, losses = clean(read, min_words=2)

    lost = sum(item.articles for item in [*findings, *losses] if not item.kept)
    assert corpus.num_rows + lost == len(pairs)
    for row in corpus.to_pylist():
        fields, way, fate = known.pop(row["body"])
        assert way not in ("cut", "no rating") and fate != "no text"
        assert row["label"] == LABEL_MAP[fields[2]]
        assert (row["event_id"], row["outlet"]) == (fields[0], fields[3])
        assert row["title"] == " ".join(repair_text(fields[5] or fields[1])[0].split())
    # The other articles have no text, or their record is broken.
    assert all(way not in ("proper", "all quoted") or fate == "no text" for _, way, fate in known.values())


def test_counts_are_compared_with_the_published_file(tmp_path):
    right = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "Body.")
    swallowed = ("4", "Two", "From the Left", "CNN", "Excerpt", "Own", 'He said "no, never" to it.')
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus([(right, "proper"), (swallowed, "unescaped"), (right, "cut")]), encoding="utf-8")

    _, findings = webis.read(path, CORPUS)

    said = {item.finding.split(":")[0]: item for item in findings if item.finding.startswith("From the")}
    assert {name: item.articles for name, item in said.items()} == {
        "From the Right": 1, "From the Left": 1, "From the Center": 0,
    }  # fmt: skip
    assert said["From the Right"].finding == (
        "From the Right: 1 records read, 0 of them repaired; 2,542 are known of the published file, -2,541: a plain "
        "reading of this file gives 2, -2,540 for another version of the file and -1 for repairs and losses"
    )
    assert said["From the Left"].finding.startswith("From the Left: 1 records read, 1 of them repaired; 2,388 are")


@pytest.mark.parametrize("text", ["word " * 27_000, 'x "A","B" ' + '"word "' * 27_000])
def test_texts_above_pythons_csv_limit_are_read(text):
    """Python reads at most 131,072 characters a field by default."""
    fields = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", text.strip())
    corpus = write_corpus([(fields, "proper")])

    (record,) = split(corpus)

    assert (record.fields, record.repaired) == (fields, False)
    assert webis.standard_counts(corpus) == {"From the Right": 1}


def test_record_with_many_possible_cuts_is_given_up_quickly():
    """Each quote before a comma can end a field, so there are too many ways of cutting the record to try all."""
    text = '","'.join(["so", "it", "goes"] * 400)
    fields = ("7", "Headline", "From the Left", "CNN", "Excerpt", "Title", text)
    proper = ("8", "Other", "From the Right", "CNN", "Excerpt", "Title", "Body.")

    first, second = split(write_corpus([(fields, "unescaped"), (proper, "proper")]))

    assert first.fields is None
    assert second.fields == proper


def test_records_without_rating_or_text_are_left_to_cleaning(tmp_path):
    unrated = ("3", "One", "", "CNN", "Excerpt", "Title", "Body.")
    textless = ("4", "One", "From the Left", "CNN", "Excerpt", "Title", "")
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus([(unrated, "all quoted"), (textless, "proper")]), encoding="utf-8")

    table, _ = webis.read(path, CORPUS)

    assert table["label"].to_pylist() == ["", "left"]
    assert table["body"].to_pylist() == ["Body.", ""]


def test_unmapped_rating_is_reported(tmp_path):
    known = ("3", "One", "From the Left", "CNN", "Excerpt", "Title", "Body.")
    other = ("3", "One", "Mixed", "BBC", "Excerpt", "Title", 'A "quoted" body.')
    path = tmp_path / "data_public.csv"
    path.write_text(write_corpus([(known, "proper"), (other, "proper"), (known, "proper")]), encoding="utf-8")

    table, findings = webis.read(path, CORPUS)

    assert table.num_rows == 2
    (lost,) = [item for item in findings if not item.kept]
    assert lost.finding == "record with the rating 'Mixed', which corpus.label_map does not map"
    assert (lost.articles, lost.examples) == (1, ("line 3",))


def test_archive_folder_and_file_give_the_same_articles(tmp_path):
    fields = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "Body.")
    text = write_corpus([(fields, "proper")] * 3)
    folder = tmp_path / "corpus-webis-bias-flipper-18" / "allsides-collection"
    folder.mkdir(parents=True)
    (folder / "data_public.csv").write_text(text, encoding="utf-8-sig")
    archive = tmp_path / "corpus.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("corpus-webis-bias-flipper-18/allsides-collection/data_public.csv", text)

    tables = [webis.read(path, CORPUS)[0] for path in (archive, tmp_path, folder / "data_public.csv")]

    assert tables[0].num_rows == 3
    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])


def test_records_that_are_not_utf8_are_left_out_unless_the_config_names_the_encoding(tmp_path):
    fields = ("3", "One", "From the Right", "Fox News", "Excerpt", "Own title", "A caf\u00e9.")
    path = tmp_path / "data_public.csv"
    path.write_bytes(write_corpus([(fields, "proper")]).encode("cp1252"))

    with pytest.raises(StudyError, match=r"line 2: 1 of 3 lines have bytes that are not UTF-8.*set corpus.encoding"):
        webis.read(path, CORPUS)
    table, findings = webis.read(path, CORPUS.model_copy(update={"cleaning": Cleaning(most_lost=1)}))
    assert table.num_rows == 0
    assert [item.articles for item in findings if not item.kept] == [1]
    table, _ = webis.read(path, CORPUS.model_copy(update={"encoding": "cp1252"}))
    assert table["body"].to_pylist() == ["A caf\u00e9."]


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "data_public.csv"
    path.write_text("id,text\n1,a\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"has the columns id, text, but Webis-Bias-Flipper-18 has story_id"):
        webis.read(path, CORPUS)
    with pytest.raises(StudyError, match=r"has no data_public.csv"):
        (tmp_path / "empty").mkdir()
        webis.read(tmp_path / "empty", CORPUS)
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.path\) does not exist"):
        webis.read(tmp_path / "absent.csv", CORPUS)


def test_two_files_of_the_corpus_in_one_folder_or_archive_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        for folder in ("old", "new"):
            (tmp_path / "corpus" / folder).mkdir(parents=True)
            (tmp_path / "corpus" / folder / "data_public.csv").write_text("story_id\n", encoding="utf-8")
            archive.writestr(f"{folder}/data_public.csv", "story_id\n")

    for name in ("corpus", "corpus.zip"):
        with pytest.raises(
            StudyError, match=r"has .*new/data_public.csv and .*old/data_public.csv: .*name one of them"
        ):
            webis.read(tmp_path / name, CORPUS)
