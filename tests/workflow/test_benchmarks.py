"""Benchmarks compare like with like: all sides make the same of the same input."""

import importlib
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import GPT2Config

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch):
    """A function that imports one of the benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    known = set(sys.modules)
    yield importlib.import_module
    for name in {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - known:
        sys.modules.pop(name, None)


@pytest.fixture
def small(benchmark, monkeypatch):
    """GPT-2 of two small blocks in the place of GPT-2 124M."""
    common = benchmark("common")
    tiny = GPT2Config(n_embd=48, n_layer=2, n_head=3)
    monkeypatch.setattr(common, "GPT2Config", lambda: tiny)


def test_writing_is_compared_on_the_same_prompts(small, benchmark, monkeypatch):
    writing, common = benchmark("writing"), benchmark("common")
    monkeypatch.setattr(writing, "NEW", 6)
    prompts = common.whole_blocks(*common.read_articles(None, None, 40), 40)

    lines = writing.compare(prompts, 3, 1, None, "random tokens")

    rows = [line for line in lines if line.startswith("| ") and " of 3 |" in line]
    assert all(line.endswith("| 3 of 3 |") for line in rows), lines
    assert {"`generate`, one prompt at a time", "`generate`, 32 at a time", "ours, 32 at a time"} <= {
        line.split(" | ")[0].strip("| ") for line in rows
    }
    assert any("`generate` with a static cache, 32 at a time" in line for line in lines)
    assert "CTranslate2: not compared, no tokenizer was given." in lines


def test_fewer_articles_than_wanted_are_told(benchmark, tmp_path):
    table = tmp_path / "articles.parquet"
    pq.write_table(pa.table({"title": ["One", "Two", None], "body": ["a", None, "b"]}), table)

    with pytest.raises(SystemExit, match=r"articles.parquet has 3 articles where 4 are wanted"):
        benchmark("common").read_rows(table, 4)
    assert sorted(row["title"] for row in benchmark("common").read_rows(table, 3)) == ["", "One", "Two"]


def test_all_ways_to_fine_tune_start_from_the_same_loss(small, benchmark, monkeypatch):
    """One batch of all examples, so that the order says nothing."""
    finetuning, common = benchmark("finetuning"), benchmark("common")
    titles, bodies = common.read_articles(None, None, 8)
    examples = [(title + body)[:64] for title, body in zip(titles, bodies, strict=True)]
    monkeypatch.setattr(finetuning, "MOST", 64)

    (trainer,), (bare,), (own,) = (
        way(examples) for way in (finetuning.with_trainer, finetuning.with_bare_loop, finetuning.with_ours)
    )

    # GPT-2's dropout differs between them. Trainer divides by all labels, the first of each example included, which
    # nothing predicts.
    assert trainer * 64 / 63 == pytest.approx(bare, rel=2e-3)
    assert own == pytest.approx(bare, rel=2e-3)


def test_classifying_is_compared_with_one_text_at_a_time(benchmark, tmp_path):
    classification, rehearsal = benchmark("classification"), benchmark("rehearsal")
    texts = classification.read_texts(None, 6)
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    rehearsal.make_models(tmp_path / "models", tmp_path / "words", tiny=True)

    rows = classification.compare(tmp_path / "models" / "roberta-base", texts, 1, 2048)[-3:]

    assert [row.split(" | ")[0].strip("| ") for row in rows][2] == "ours"
    assert all(float(row.split(" | ")[-1].strip("| ")) < 1e-6 for row in rows)


@pytest.fixture
def chain(benchmark, monkeypatch):
    module = benchmark("chain")
    # Long enough to be wrong, short enough to wait for.
    monkeypatch.setattr(module, "NEW", 8)
    monkeypatch.setattr(module, "GENERATIONS", 2)
    return module


def test_a_plain_script_and_ours_write_and_measure_the_same(chain, tmp_path):
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    recipe = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "weight_decay": 0.01}
    made = chain.Chain(tmp_path / "models", chain.write_articles(2), tmp_path / "words", recipe, tiny=True)

    took, agreed = chain.compare(made, 1)

    assert agreed == {"articles": 4, "labels": 4, "quality": 4}
    # They are not the same because nothing was learned or written.
    first, second = (
        read_table(tmp_path / f"models/ours/generation_0{number}/articles.parquet", GENERATED_ARTICLES)["text"]
        for number in range(2)
    )
    assert first != second and all(first.to_pylist())
    text = "\n".join(chain.report(took, agreed, 2, 2))
    assert "| all |" in text and "articles 4, labels 4, quality 4." in text
