"""The table of degenerate texts of one version, and the stop of a study whose generation 0 wrote nothing."""

from pathlib import Path

import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, DEGENERATION, GENERATED_ARTICLES, TRAINING_SET
from bias_amplification.measures.degeneration import TrainingTexts, examine_texts
from bias_amplification.study.sections import Degeneration

FAR = [f"w{place}" for place in range(100)]
REAL = " ".join(FAR[:40])
TEXTS = {
    "nothing": "",
    "a full stop": " . ",
    "two words": "So what?",
    "a loop": "We said no. " * 20,
    "the prompt": REAL.upper().replace(" ", ", ") + " and so on",
    "the training text": " ".join(FAR[50:90]),
    "sound": " ".join(f"new{place}" for place in range(40)),
}


def written(path: Path, texts: dict[str, str], head: str = "") -> Path:
    rows = [
        {"article_id": i, "title": "t", "head": head, "text": text, "prompts": 1, "new_tokens": 9}
        for i, text in texts.items()
    ]
    write_table(pa.Table.from_pylist(rows, GENERATED_ARTICLES), path, GENERATED_ARTICLES)
    return path


@pytest.fixture
def seed_set(tmp_path: Path) -> Path:
    rows = [{"article_id": i, "title": "t", "body": REAL, "label": "up"} for i in TEXTS]
    write_table(pa.Table.from_pylist(rows, ARTICLES), tmp_path / "seed.parquet", ARTICLES)
    return tmp_path / "seed.parquet"


@pytest.fixture
def training(tmp_path: Path, seed_set: Path) -> TrainingTexts:
    """A training set of what generation 0 wrote for one article."""
    before = written(tmp_path / "before.parquet", TEXTS | {"a loop": " ".join(FAR[45:95])})
    row = {"position": 0, "origin": "generation_00", "article_id": "a loop"}
    write_table(pa.Table.from_pylist([row], TRAINING_SET), tmp_path / "training_set.parquet", TRAINING_SET)
    return TrainingTexts(tmp_path / "training_set.parquet", {"generation_00": before})


def test_each_text_has_its_shares(tmp_path, seed_set, training, capsys):
    articles, out = written(tmp_path / "articles.parquet", TEXTS), tmp_path / "out.parquet"

    examine_texts(articles, seed_set, out, Degeneration(), "en", training, generation=3)

    rows = {row["article_id"]: row for row in read_table(out, DEGENERATION).to_pylist()}
    assert list(rows) == list(TEXTS)
    assert [row["words"] for row in rows.values()] == [0, 0, 2, 60, 43, 40, 40]
    assert [row["repeated"] for row in rows.values()] == [0, 0, 0, 1, 0, 0, 0]
    assert rows["the prompt"]["copied_prompt"] == pytest.approx(40 / 43)
    assert (rows["the training text"]["copied_prompt"], rows["the training text"]["copied"]) == (0, 1)
    assert rows["sound"]["copied"] == 0
    assert capsys.readouterr().out == "7 texts: 2 empty, 1 short, 1 repetitive, 2 copied\n"


def test_without_training_texts_only_the_prompts_count(tmp_path, seed_set):
    articles, out = written(tmp_path / "articles.parquet", TEXTS), tmp_path / "out.parquet"

    examine_texts(articles, seed_set, out, Degeneration(), "en")

    copied = dict(zip(TEXTS, read_table(out, DEGENERATION)["copied"].to_pylist(), strict=True))
    assert [name for name, share in copied.items() if share] == ["the prompt"]


@pytest.mark.parametrize(
    ("generation", "most", "stops"), [(0, 0.4, True), (0, 3 / 7, False), (0, 1.0, False), (1, 0.1, False)]
)
def test_a_generation_0_without_texts_stops_the_study(tmp_path, seed_set, generation, most, stops):
    articles, out = written(tmp_path / "articles.parquet", TEXTS), tmp_path / "out.parquet"
    settings = Degeneration(most_empty=most)

    if stops:
        message = (
            r"articles.parquet: 3 of 7 texts are empty or have fewer than 3 words, more than .* set generation.prompt"
        )
        with pytest.raises(StudyError, match=message):
            examine_texts(articles, seed_set, out, settings, "en", generation=generation)
    else:
        examine_texts(articles, seed_set, out, settings, "en", generation=generation)
        assert read_table(out, DEGENERATION).num_rows == 7


def test_the_stop_of_texts_with_heads_names_another_remedy(tmp_path, seed_set):
    articles = written(tmp_path / "articles.parquet", TEXTS, head="w0 w1")
    with pytest.raises(
        StudyError, match=r"too early, train it longer, .* lower generation.head_share .* set degeneration.most"
    ):
        examine_texts(articles, seed_set, tmp_path / "out.parquet", Degeneration(), "en", generation=0)


def test_texts_of_other_articles_are_refused(tmp_path, seed_set):
    articles = written(tmp_path / "articles.parquet", {"another": "text"})
    with pytest.raises(StudyError, match=r"articles.parquet has other articles than .*seed.parquet: delete it"):
        examine_texts(articles, seed_set, tmp_path / "out.parquet", Degeneration(), "en")
