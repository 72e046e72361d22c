"""The corpus's file functions, from a source to the classifier's articles."""

import csv
import hashlib
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES, CLASSIFIER_ARTICLES, CLEANING
from bias_amplification.corpus.build import (
    build_corpus,
    draw_pretraining,
    draw_seed_sets,
    split_classifier_articles,
)

COLUMNS = {"body": "text", "label": "side", "outlet": "paper", "title": "headline"}
NAMES = ["ruling", "senate", "budget", "harvest", "school", "border", "reform", "tariff", "pension", "energy"]


@pytest.fixture
def source(tmp_path):
    """Sixty short articles of two labels, of three outlets each."""
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


def build(folder, path, **changes):
    arguments = {
        "source": "table",
        "path": path,
        "url": None,
        "checksum": None,
        "columns": COLUMNS,
        "label_map": {"L": "left", "R": "right"},
        "labels": ["left", "right"],
        "cleaning": {"min_words": 3},
        "identity": {"remove": True, "review_file": None, "outlets_file": None},
        "press": {},
        "downloads": folder / "downloads",
    } | changes
    outputs = folder / "articles.parquet", folder / "cleaning.parquet", folder / "review.csv"
    build_corpus(*outputs, **arguments)
    return read_table(outputs[0], ARTICLES), read_table(outputs[1], CLEANING)


def findings(cleaning):
    return {row["finding"]: row["articles"] for row in cleaning.to_pylist()}


def test_articles_are_clean_and_every_loss_is_in_the_report(tmp_path, source):
    articles, cleaning = build(tmp_path / "run", source)

    assert articles.num_rows == 60
    assert articles["body"][3].as_py() == "The harvest 3 passed on day 3, the news outlet said."
    found = findings(cleaning)
    assert found["same body as an earlier article"] == 1
    assert found["byline removed"] == 60
    assert found["articles of left in the corpus"] == found["articles of right in the corpus"] == 30
    assert found["no review file: all 2 proposals applied"] == 0


def test_the_same_arguments_give_the_same_bytes(tmp_path, source):
    for name in ("one", "two"):
        build(tmp_path / name, source)

    for name in ("articles.parquet", "cleaning.parquet", "review.csv"):
        digests = {hashlib.sha256((tmp_path / run / name).read_bytes()).digest() for run in ("one", "two")}
        assert len(digests) == 1


def test_a_reviewed_file_is_applied_and_named(tmp_path, source):
    build(tmp_path / "first", source)
    with (tmp_path / "first" / "review.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (tmp_path / "reviewed.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"decision": "reject" if row["kind"] == "byline" else "accept"} for row in rows)

    identity = {"remove": True, "review_file": str(tmp_path / "reviewed.csv"), "outlets_file": None}
    articles, cleaning = build(tmp_path / "second", source, identity=identity)

    assert articles["body"][3].as_py() == "By Jane Doe\nThe harvest 3 passed on day 3, the news outlet said."
    said = "review file reviewed.csv applied: 1 accepted, 1 rejected, 0 added, 0 proposals without a row"
    assert said in findings(cleaning)


def test_removal_can_be_turned_off_and_the_review_file_is_written_all_the_same(tmp_path, source):
    identity = {"remove": False, "review_file": None, "outlets_file": None}

    articles, cleaning = build(tmp_path / "run", source, identity=identity)

    assert articles["body"][3].as_py().startswith("By Jane Doe\n")
    assert "nothing removed: corpus.identity.remove is off" in findings(cleaning)
    assert "byline" in (tmp_path / "run" / "review.csv").read_text()


def test_articles_that_removal_makes_alike_are_counted(tmp_path):
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


def test_an_archive_is_downloaded_checked_and_read(tmp_path):
    header = "story_id,title,bias,source,body,original_title,original_body\n"
    rows = '1,Head,From the Left,CNN,Short,"A, title","Full text, one."\n'
    rows += '1,Head,From Afar,CNN,Short,Title,"Full text, two."\n'
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        archive.writestr("corpus/data_public.csv", header + rows)
    checksum = "md5:" + hashlib.md5((tmp_path / "corpus.zip").read_bytes()).hexdigest()

    articles, cleaning = build(
        tmp_path / "run",
        None,
        source="webis",
        url=(tmp_path / "corpus.zip").as_uri(),
        checksum=checksum,
        label_map={"From the Left": "left", "From Afar": "right"},
    )

    assert articles["title"].to_pylist() == ["A, title", "Title"]
    assert any(text.startswith("downloaded file://") and checksum in text for text in findings(cleaning))


def test_faults_of_the_corpus_name_key_and_label(tmp_path, source):
    with pytest.raises(
        StudyError, match=r"no article of the label center is left after cleaning: mend corpus.label_map"
    ):
        build(tmp_path, source, labels=["left", "right", "center"])
    with pytest.raises(StudyError, match=r"no article is left after cleaning: lower corpus.cleaning.min_words"):
        build(tmp_path, source, cleaning={"min_words": 500})
    with pytest.raises(
        StudyError, match=r"row 2 has the label 'R', which corpus.label_map does not name \(it names L\)"
    ):
        build(tmp_path, source, label_map={"L": "left"})
    with pytest.raises(StudyError, match=r"corpus.source 'rss' is not known"):
        build(tmp_path, source, source="rss")
    assert not (tmp_path / "articles.parquet").exists()


def test_from_the_corpus_to_disjoint_sets(tmp_path, source):
    build(tmp_path, source)
    articles = tmp_path / "articles.parquet"
    seed_sets = {"even": tmp_path / "seed_sets" / "even.parquet", "right": tmp_path / "seed_sets" / "right.parquet"}
    wanted = {"even": {"labels": ["left", "right"], "size": 20}, "right": {"labels": ["right"], "size": 100}}

    draw_seed_sets(articles, seed_sets, wanted, 7, reserve_share=0.5, out_findings=tmp_path / "findings.parquet")
    split_classifier_articles(
        articles, list(seed_sets.values()), tmp_path / "classifier.parquet", labels=["left", "right"], seed=7
    )
    draw_pretraining(
        articles,
        list(seed_sets.values()),
        tmp_path / "pretraining.parquet",
        label_mix={"left": 0.5, "right": 0.5},
        count=None,
        seed=7,
    )

    even, right = (read_table(path, ARTICLES) for path in seed_sets.values())
    seeds = {*even["article_id"].to_pylist(), *right["article_id"].to_pylist()}
    classifier = read_table(tmp_path / "classifier.parquet", CLASSIFIER_ARTICLES)
    pretraining = read_table(tmp_path / "pretraining.parquet", ARTICLES)
    assert (even.num_rows, right.num_rows, len(seeds)) == (20, 15, 25)
    assert seeds.isdisjoint(classifier["article_id"].to_pylist())
    assert seeds.isdisjoint(pretraining["article_id"].to_pylist())
    assert len(set(classifier["article_id"].to_pylist())) == 60 - 25
    assert pretraining.num_rows == 30
    said = read_table(tmp_path / "findings.parquet", CLEANING)["finding"].to_pylist()
    assert said == ["right has 15 articles of right and not 100: no more exist, 15 left to the classifier"]


def test_a_seed_set_may_be_drawn_as_published_and_share_articles_with_the_classifier(tmp_path, source):
    build(tmp_path, source)
    articles = tmp_path / "articles.parquet"
    seed_sets = {name: tmp_path / "seed_sets" / f"{name}.parquet" for name in ("even", "right")}
    wanted = {
        "even": {"labels": ["left", "right"], "size": 20, "draw": "pandas", "shared_with_classifier": False},
        "right": {"labels": ["right"], "size": 100, "draw": "pandas", "shared_with_classifier": True},
    }

    draw_seed_sets(articles, seed_sets, wanted, 7, random_state=42)
    split_classifier_articles(
        articles, [seed_sets["even"]], tmp_path / "classifier.parquet", labels=["left", "right"], seed=7
    )

    corpus = read_table(articles, ARTICLES).to_pandas()
    even, right = (read_table(path, ARTICLES)["article_id"].to_pylist() for path in seed_sets.values())
    classifier = set(read_table(tmp_path / "classifier.parquet", CLASSIFIER_ARTICLES)["article_id"].to_pylist())
    rights = corpus.loc[corpus["label"] == "right", "article_id"]
    assert sorted(right) == sorted(rights)  # none is kept back for the classifier
    assert set(even) & set(rights) == set(rights.sample(10, random_state=42))
    assert classifier.isdisjoint(even)
    assert classifier & set(right) == set(right) - set(even)
