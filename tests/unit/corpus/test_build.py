"""The job functions of the corpus, from a source to the classifier's and pretraining articles."""

import csv
import hashlib
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES, CLEANING
from bias_amplification.corpus.build import build_corpus
from bias_amplification.corpus.classifier_articles import split_classifier_articles
from bias_amplification.corpus.findings import Finding, losses_in_words
from bias_amplification.corpus.pretraining_articles import draw_pretraining_articles
from bias_amplification.corpus.seed_sets import draw_seed_sets
from bias_amplification.execution.tasks import typed_arguments
from bias_amplification.study.sections import Classifier, Corpus, Pretraining, SeedSet

LABELS = ["left", "right"]
COLUMNS = {"body": "text", "label": "side", "outlet": "paper", "title": "headline"}
NAMES = ["ruling", "senate", "budget", "harvest", "school", "border", "reform", "tariff", "pension", "energy"]


@pytest.fixture
def source(tmp_path):
    """A table of sixty short articles of two labels and six outlets, and a copy of the first one."""
    rows = [
        {
            "text": f"By Jane Doe\nThe {NAMES[number % 10]} {number} passed on day {number}, the Outlet 0 Herald said.",
            "side": "LR"[number % 2],
            "paper": f"Outlet {number % 6} Herald",
            "headline": f"The {NAMES[number % 10]} {number}",
        }
        for number in range(60)
    ]
    rows.append(rows[0] | {"paper": "Outlet 9 Herald"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "source.parquet")
    return tmp_path / "source.parquet"


def build(folder, path, wanted=None, **changes):
    """Build a corpus in a folder, from plain values as in the workflow, and read its articles and its report."""
    section = {
        "source": "table",
        "path": str(path) if path else None,
        "columns": COLUMNS,
        "label_map": {"L": "left", "R": "right"},
        "labels": LABELS,
        "cleaning": {"min_words": 3, "most_lost": 1},
    }
    out = {
        "articles": str(folder / "articles.parquet"),
        "cleaning": str(folder / "cleaning.parquet"),
        "review": str(folder / "review.csv"),
    }
    arguments = {
        "out": out,
        "corpus": Corpus(**section | changes).model_dump(),
        "wanted": wanted or {},
        "seed": 7,
        "downloads": str(folder / "downloads"),
    }
    build_corpus(**typed_arguments(build_corpus, arguments))
    return read_table(out["articles"], ARTICLES), read_table(out["cleaning"], CLEANING)


def findings(cleaning):
    return {row["finding"]: row["articles"] for row in cleaning.to_pylist()}


def test_articles_are_cleaned_and_losses_are_reported(tmp_path, source):
    articles, cleaning = build(tmp_path / "run", source)

    assert articles.num_rows == 60
    assert articles["body"][3].as_py() == "The harvest 3 passed on day 3, the news outlet said."
    found = findings(cleaning)
    assert found["same body as an earlier article"] == 1
    assert found["byline removed"] == 60
    assert found["articles of left in the corpus"] == found["articles of right in the corpus"] == 30
    assert found["no review file: all 2 proposals applied"] == 0


def test_same_settings_give_the_same_bytes(tmp_path, source):
    for name in ("one", "two"):
        build(tmp_path / name, source)

    for name in ("articles.parquet", "cleaning.parquet", "review.csv"):
        digests = {hashlib.sha256((tmp_path / run / name).read_bytes()).digest() for run in ("one", "two")}
        assert len(digests) == 1


def test_embedded_press_is_written_from_the_seed(tmp_path):
    articles, cleaning = build(
        tmp_path,
        None,
        source="press",
        columns={},
        label_map={},
        labels=["left", "center", "right"],
        press={"events": 10},
    )

    assert articles.num_rows == findings(cleaning)["articles written by the embedded press"] == 30


def test_review_file_is_applied_and_named_in_the_report(tmp_path, source):
    build(tmp_path / "first", source)
    with (tmp_path / "first" / "review.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (tmp_path / "reviewed.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"decision": "reject" if row["kind"] == "byline" else "accept"} for row in rows)

    articles, cleaning = build(tmp_path / "second", source, identity={"review_file": str(tmp_path / "reviewed.csv")})

    assert articles["body"][3].as_py() == "By Jane Doe\nThe harvest 3 passed on day 3, the news outlet said."
    said = "review file reviewed.csv applied: 1 accepted, 1 rejected, 0 added, 0 proposals without a row"
    assert said in findings(cleaning)


def test_without_removal_the_proposals_are_still_written(tmp_path, source):
    articles, cleaning = build(tmp_path / "run", source, identity={"remove": False})

    assert articles["body"][3].as_py().startswith("By Jane Doe\n")
    assert "nothing removed: corpus.identity.remove is off" in findings(cleaning)
    assert "byline" in (tmp_path / "run" / "review.csv").read_text()


def test_duplicates_after_removal_are_left_out_and_reported(tmp_path):
    rows = [
        {"text": f"{byline}\nThe very same story.", "side": side}
        for byline, side in (("By Jane Doe", "L"), ("By John Roe", "L"), ("By Ann Elk", "R"))
    ]
    rows.append({"text": "Quite another story.", "side": "R"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "wire.parquet")

    articles, cleaning = build(tmp_path / "run", tmp_path / "wire.parquet", columns={"body": "text", "label": "side"})

    assert articles["article_id"].to_pylist() == ["row-1", "row-4"]
    lost = {row["finding"]: row["step"] for row in cleaning.to_pylist() if not row["kept"]}
    assert set(lost.values()) == {"after identity removal"} and len(lost) == 2


@pytest.mark.parametrize("checked", [True, False])
def test_archive_is_downloaded_and_its_checksum_reported(tmp_path, checked):
    header = "story_id,title,bias,source,body,original_title,original_body\n"
    rows = '1,Head,From the Left,CNN,Short,"A, title","Full text, one."\n'
    rows += '1,Head,From Afar,CNN,Short,Title,"Full text, two."\n'
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        archive.writestr("corpus/data_public.csv", header + rows)
    digest = hashlib.sha256((tmp_path / "corpus.zip").read_bytes()).hexdigest()

    articles, cleaning = build(
        tmp_path / "run",
        None,
        source="webis",
        url=(tmp_path / "corpus.zip").as_uri(),
        checksum=f"sha256:{digest}" if checked else None,
        label_map={"From the Left": "left", "From Afar": "right"},
    )

    assert articles["title"].to_pylist() == ["A, title", "Title"]
    (said,) = [text for text in findings(cleaning) if text.startswith("downloaded file://")]
    assert f"sha256:{digest}" in said
    assert ("not checked" in said) != checked


def test_errors_name_key_and_label(tmp_path, source):
    with pytest.raises(
        StudyError, match=r"no article of the label center is left after cleaning: correct corpus.label_map"
    ):
        build(tmp_path, source, labels=["left", "right", "center"])
    with pytest.raises(StudyError, match=r"no article is left after cleaning: lower corpus.cleaning.min_words"):
        build(tmp_path, source, cleaning={"min_words": 500, "most_lost": 1})
    with pytest.raises(
        StudyError, match=r"row 2 has the label 'R', which corpus.label_map does not contain \(it has L\)"
    ):
        build(tmp_path, source, label_map={"L": "left"})
    with pytest.raises(
        StudyError,
        match=r"61 of the corpus's 61 rows are left out \(body of fewer than 500 words: 61, such as row-1\)\. This "
        r"is more than corpus.cleaning.most_lost allows \(0.05\)\. Words .* the language en .* to 1\.",
    ):
        build(tmp_path, source, cleaning={"min_words": 500})
    assert not (tmp_path / "articles.parquet").exists()


def test_rows_read_and_rows_left_out_add_up(tmp_path):
    text = "".join(f"a{number},Body number {number} of a table.,{'LR'[number % 2]}\n" for number in range(40))
    text += "b,,L\nc,short,R\nd,Body number 1 of a table.,R\ne,No label at all here.,\nf,A label without use here.,N\n"
    (tmp_path / "a.csv").write_bytes(f"key,text,side\n{text}g,caf\u00e9 in the wrong code,L\n".encode("cp1252"))
    columns = {"article_id": "key", "body": "text", "label": "side"}
    labels = {"L": "left", "R": "right", "N": None}

    articles, cleaning = build(tmp_path, tmp_path / "a.csv", columns=columns, label_map=labels)

    rows = cleaning.to_pylist()
    lost = {row["finding"]: row["articles"] for row in rows if not row["kept"]}
    assert lost == {
        "row with bytes that the file's encoding does not have": 1,
        "label value left out by corpus.label_map": 1,
        "empty body": 1,
        "body of fewer than 3 words": 1,
        "same body as an earlier article": 1,
        "no label": 1,
    }
    assert findings(cleaning)[f"rows read from {tmp_path / 'a.csv'}"] == articles.num_rows + sum(lost.values()) == 46
    # The row that label_map leaves out is wanted: 5 of 46 are not.
    with pytest.raises(StudyError, match=r"^5 of the corpus's 46 rows .* set corpus.cleaning.most_lost to 0.11\.$"):
        build(tmp_path, tmp_path / "a.csv", columns=columns, label_map=labels, cleaning={"min_words": 3})


def test_losses_are_said_with_the_largest_reason_first(tmp_path, source, capsys):
    rows = pq.read_table(source).to_pylist()
    rows += [{"text": f"Short {n}.", "side": "L", "paper": "A", "headline": "B"} for n in range(5)]
    pq.write_table(pa.Table.from_pylist(rows), source)

    build(tmp_path / "run", source, where={"paper": ["A", *{row["paper"] for row in rows[:60]}]}, sample=30)

    lines = capsys.readouterr().out.splitlines()
    # The row that corpus.where leaves out has no room.
    assert lines[-1] == "30 articles, drawn from 60; 5 of 65 rows left out: 5 with fewer than 3 words"
    assert lines[:-1] == [
        "left out (sample): article not drawn by corpus.sample: 30",
        "left out (cleaning): body of fewer than 3 words: 5, such as row-62; row-63; row-64; row-65; row-66",
        "left out (reading): row left out by corpus.where: 1, such as row 61",
    ]


@pytest.mark.parametrize(
    ("losses", "line"),
    [
        ({}, "11,477 articles, no row lost"),
        (
            {"label value left out by corpus.label_map": 9},
            "11,477 articles, no row lost; 9 rows not chosen by the config",
        ),
        ({"article not drawn by corpus.sample": 523}, "11,477 articles, drawn from 12,000, no row lost"),
        (
            {"same body as an earlier article": 422, "body of fewer than 20 words": 8101},
            "11,477 articles; 8,523 of 20,000 rows left out: 8,101 with fewer than 20 words, 422 copies",
        ),
        (
            {"no label": 4, "empty body": 3, "body of fewer than 20 words": 8101, "row with bytes": 2, "broken": 3},
            "11,477 articles; 8,113 of 19,590 rows left out: 8,101 with fewer than 20 words, 12 others",
        ),
        (
            {"row left out by corpus.where": 7, "same body as an earlier article": 1},
            "11,477 articles; 1 of 11,478 rows left out: 1 copy; 7 rows not chosen by the config",
        ),
    ],
)
def test_the_line_about_losses_fits_the_terminal(losses, line):
    said = losses_in_words([Finding("cleaning", text, False, count) for text, count in losses.items()], 11_477)

    assert said == line and len(said) < 100


def test_rows_that_where_leaves_out_hide_no_losses(tmp_path):
    text = "".join(f"Body number {number} of a table.,{'LR'[number % 2]},x\n" for number in range(10))
    text += "Other words with a number,L,y\n" * 90
    (tmp_path / "a.csv").write_text(f"text,side,part\n{text}short,L,x\n", encoding="utf-8")
    source = {"path": tmp_path / "a.csv", "columns": {"body": "text", "label": "side"}, "where": {"part": "x"}}

    articles, cleaning = build(tmp_path, **source)

    assert articles.num_rows == 10
    assert findings(cleaning)["row left out by corpus.where"] == 90
    with pytest.raises(StudyError, match=r"^1 of the corpus's 11 rows are left out"):
        build(tmp_path, **source, cleaning={"min_words": 3})


def test_a_sample_is_drawn_after_cleaning_by_label_and_seed(tmp_path, source):
    whole, _ = build(tmp_path / "whole", source)
    small, cleaning = build(tmp_path / "small", source, sample=30)
    large, _ = build(tmp_path / "large", source, sample=40)

    ids = [table["article_id"].to_pylist() for table in (small, large, whole)]
    assert [len(own) for own in ids] == [30, 40, 60]
    assert set(ids[0]) < set(ids[1]) < set(ids[2])
    assert ids[0] == [article_id for article_id in ids[2] if article_id in set(ids[0])]
    found = findings(cleaning)
    assert (found["article not drawn by corpus.sample"], found["same body as an earlier article"]) == (30, 1)
    assert found["articles of left in the corpus"] == found["articles of right in the corpus"] == 15


def test_a_sample_does_not_depend_on_the_order_of_the_file(tmp_path):
    rows = [{"key": f"a{n}", "text": f"Body number {n} of a table.", "side": "LR"[n % 2]} for n in range(60)]
    for name, own in (("one", rows), ("two", rows[::-1])):
        pq.write_table(pa.Table.from_pylist(own), tmp_path / f"{name}.parquet")
    columns = {"article_id": "key", "body": "text", "label": "side"}

    one, two = (
        build(tmp_path / name, tmp_path / f"{name}.parquet", columns=columns, sample=22)[0] for name in ("one", "two")
    )

    assert one["article_id"].to_pylist() == two["article_id"].to_pylist()[::-1]


def test_a_sample_that_is_too_small_for_the_rounds_is_refused(tmp_path, source):
    with pytest.raises(
        StudyError,
        match=r"^corpus.sample is 50, but the seed sets and the classifier need 54 articles \(30 of left, 24",
    ):
        build(tmp_path, source, wanted={"left": 17, "right": 12}, sample=50)


def test_many_mended_texts_stop_the_run(tmp_path):
    bodies = [f"The caf\u00e9 number {number} has opened." for number in range(10)]
    rows = [
        {"text": body.encode().decode("cp1252") if row else body, "side": "LR"[row % 2]}
        for row, body in enumerate(bodies)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    columns = {"body": "text", "label": "side"}

    with pytest.raises(StudyError, match=r"^9 of the corpus's 10 rows have broken characters, which were mended"):
        build(tmp_path, tmp_path / "a.parquet", columns=columns, cleaning={"min_words": 3})
    articles, _ = build(tmp_path, tmp_path / "a.parquet", columns=columns)
    assert articles["body"].to_pylist() == bodies


def test_many_lost_characters_stop_the_run(tmp_path):
    rows = [
        {"text": f"The caf\ufffd number {row} has opened.", "headline": "Open", "side": "LR"[row % 2]}
        for row in range(9)
    ]
    rows.append({"text": "This one has a sound body.", "headline": "Caf\ufffd", "side": "L"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    columns = {"body": "text", "label": "side", "title": "headline"}

    with pytest.raises(
        StudyError, match=r"^9 of the corpus's 10 rows have characters that were lost before \(U\+FFFD\)"
    ):
        build(tmp_path, tmp_path / "a.parquet", columns=columns, cleaning={"min_words": 3})
    articles, cleaning = build(tmp_path, tmp_path / "a.parquet", columns=columns)
    assert articles.num_rows == 10
    assert findings(cleaning)["body: characters lost in the source (U+FFFD) left in"] == 9


def test_seed_sets_share_no_article_with_classifier_and_pretraining(tmp_path, source, capsys):
    build(tmp_path, source)
    articles = tmp_path / "articles.parquet"
    out = {name: tmp_path / "seed_sets" / f"{name}.parquet" for name in ("even", "right")}
    seed_sets = {
        "even": SeedSet(name="even", labels=LABELS, size=8),
        "right": SeedSet(name="right", labels=["right"], size=100),
    }

    draw_seed_sets(articles, out, seed_sets, 7, 7)
    classifier, pretraining = tmp_path / "classifier.parquet", tmp_path / "pretraining.parquet"
    split_classifier_articles(articles, list(out.values()), classifier, LABELS, Classifier(), 7)
    mix = Pretraining(label_mix={"left": 0.5, "right": 0.5})
    draw_pretraining_articles(articles, list(out.values()), pretraining, mix, 7)

    seeds = {name: set(read_table(path, ARTICLES)["article_id"].to_pylist()) for name, path in out.items()}
    used = seeds["even"] | seeds["right"]
    assert (len(seeds["even"]), len(seeds["right"]), len(used)) == (8, 20, 24)
    learned = set(read_table(classifier, CLASSIFIER_ARTICLES)["article_id"].to_pylist())
    assert used.isdisjoint(learned) and len(learned) == 60 - 24
    read = read_table(pretraining, ARTICLES)["article_id"].to_pylist()
    assert used.isdisjoint(read) and len(read) == 20
    assert learned.issuperset(read)
    assert capsys.readouterr().out.endswith(
        "each of the 20 articles is one of the classifier's too (10 left, 10 right)\n"
    )


def test_published_draw_may_share_articles_with_the_classifier(tmp_path, source):
    build(tmp_path, source)
    articles, classifier = tmp_path / "articles.parquet", tmp_path / "classifier.parquet"
    out = {name: tmp_path / "seed_sets" / f"{name}.parquet" for name in ("even", "right")}
    seed_sets = {
        "even": SeedSet(name="even", labels=LABELS, size=20, draw="pandas"),
        "right": SeedSet(name="right", labels=["right"], size=100, draw="pandas", shared_with_classifier=True),
    }

    draw_seed_sets(articles, out, seed_sets, 7, 42)
    split_classifier_articles(articles, [out["even"]], classifier, LABELS, Classifier(), 7)

    corpus = read_table(articles, ARTICLES).to_pandas()
    even, right = (read_table(path, ARTICLES)["article_id"].to_pylist() for path in out.values())
    learned = set(read_table(classifier, CLASSIFIER_ARTICLES)["article_id"].to_pylist())
    rights = corpus.loc[corpus["label"] == "right", "article_id"]
    assert sorted(right) == sorted(rights)  # the classifier keeps none for itself
    assert set(even) & set(rights) == set(rights.sample(10, random_state=42))
    assert learned.isdisjoint(even)
    assert learned & set(right) == set(right) - set(even)
