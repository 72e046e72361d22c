"""The look at the source of the articles before the first job."""

import gzip

import pandas as pd
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus import preview
from bias_amplification.corpus.preview import preview_corpus
from bias_amplification.study import read_study

ROUND = {"name": "r", "seed_set": "s", "strategy": "synthetic", "tracked_label": "left"}


def study(corpus, size=3, labels=("left", "center", "right"), mix=None):
    """A study of the given corpus with one seed set."""
    return read_study(
        {
            "corpus": {"labels": list(labels), **corpus},
            "seed_sets": [{"name": "s", "labels": list(labels), "size": size}],
            "rounds": [ROUND],
            "base_model": {"pretraining": {"label_mix": {"left": 1, "center": None, "right": None}}},
        }
    )


@pytest.fixture
def table(tmp_path):
    rows = "".join(f"a{number},Body number {number}.,{'LR'[number % 2]}\n" for number in range(40))
    (tmp_path / "a.csv").write_text(f"key,text,side\n{rows}", encoding="utf-8")
    columns = {"article_id": "key", "body": "text", "label": "side"}
    labels = {"L": "left", "R": "right"}
    return {"source": "table", "path": str(tmp_path / "a.csv"), "columns": columns, "label_map": labels}


def test_a_seed_set_larger_than_the_press_is_told_at_once():
    preview_corpus(study({"press": {"events": 60}}, size=150))

    with pytest.raises(StudyError, match=r"seed_sets s needs 61 articles of left, but the corpus has 60: make size sm"):
        preview_corpus(study({"press": {"events": 60}}, size=183))


def test_a_table_is_compared_with_the_config(table):
    preview_corpus(study(table, size=20, labels=["left", "right"]))

    with pytest.raises(StudyError, match=r"seed_sets s needs 21 articles of left, but the corpus has 20"):
        preview_corpus(study(table, size=42, labels=["left", "right"]))
    with pytest.raises(StudyError, match=r"corpus.labels has center, but .* no article .* \(it has left, right\)"):
        preview_corpus(study(table))
    with pytest.raises(StudyError, match=r"no column 'txt' for body"):
        preview_corpus(study(table | {"columns": {"body": "txt", "label": "side"}}, size=4, labels=["left", "right"]))


def test_too_few_articles_for_the_classifier_are_told_at_once(table):
    labels = ["left", "right"]
    message = "seed_sets leave 9 articles of left to the classifier, which needs at least 10: add articles, or make"
    with pytest.raises(StudyError, match=message):
        preview_corpus(study(table, size=22, labels=labels))

    wide = study(table, size=22, labels=labels)
    shared = wide.seed_sets[0].model_copy(update={"shared_with_classifier": True})
    preview_corpus(wide.model_copy(update={"seed_sets": [shared]}))
    # Two seed sets may have the same articles, and one that no round starts from takes none.
    small, unused = (shared.model_copy(update={"name": name, "size": 20}) for name in ("s", "unused"))
    sets = [one.model_copy(update={"shared_with_classifier": False}) for one in (small, unused)]
    preview_corpus(wide.model_copy(update={"seed_sets": [sets[0], sets[1].model_copy(update={"size": 40})]}))


def test_a_sample_that_is_too_small_is_told_at_once(table):
    preview_corpus(study(table | {"sample": 32}, size=12, labels=["left", "right"]))

    with pytest.raises(StudyError, match=r"corpus.sample is 31, but .* need 32 articles \(16 of left, 16 of right\)"):
        preview_corpus(study(table | {"sample": 31}, size=12, labels=["left", "right"]))


def test_a_large_table_is_left_to_the_first_job(table, monkeypatch):
    monkeypatch.setattr(preview, "QUICK", 100)

    preview_corpus(study(table, size=42, labels=["left", "right"]))


@pytest.mark.parametrize("ending", ["csv.gz", "csv.bz2", "csv.xz", "parquet"])
def test_the_unpacked_size_decides_whether_a_table_is_large(tmp_path, monkeypatch, ending):
    rows = pd.DataFrame([{"body": f"{number}" + 99 * "a", "label": "left"} for number in range(500)])
    path = tmp_path / f"a.{ending}"
    rows.to_parquet(path) if ending == "parquet" else rows.to_csv(path, index=False)
    source = study({"source": "table", "path": str(path)}, labels=["left", "right"], size=4)
    assert path.stat().st_size < 20_000

    monkeypatch.setattr(preview, "QUICK", 40_000)
    preview_corpus(source)

    monkeypatch.setattr(preview, "QUICK", 80_000)
    with pytest.raises(StudyError, match=r"corpus.labels has right, but the corpus has no article of that label"):
        preview_corpus(source)


def test_a_damaged_compressed_table_is_told_at_once(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"body,label\nOne.,left\n")[:-9])

    with pytest.raises(StudyError, match=r"a.csv.gz is not a whole compressed file"):
        preview_corpus(study({"source": "table", "path": str(path)}, labels=["left", "right"], size=4))
