"""The look at the source of the articles before the first job."""

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
    preview_corpus(study({"press": {"events": 60}}, size=180))

    with pytest.raises(StudyError, match=r"seed_sets s needs 61 articles of left, but the corpus has 60: make size sm"):
        preview_corpus(study({"press": {"events": 60}}, size=183))


def test_a_table_is_compared_with_the_config(table):
    preview_corpus(study(table, size=40, labels=["left", "right"]))

    with pytest.raises(StudyError, match=r"seed_sets s needs 21 articles of left, but the corpus has 20"):
        preview_corpus(study(table, size=42, labels=["left", "right"]))
    with pytest.raises(StudyError, match=r"corpus.labels has center, but .* no article .* \(it has left, right\)"):
        preview_corpus(study(table))
    with pytest.raises(StudyError, match=r"no column 'txt' for body"):
        preview_corpus(study(table | {"columns": {"body": "txt", "label": "side"}}, size=4, labels=["left", "right"]))


def test_a_large_table_is_left_to_the_first_job(table, monkeypatch):
    monkeypatch.setattr(preview, "QUICK", 100)

    preview_corpus(study(table, size=42, labels=["left", "right"]))
