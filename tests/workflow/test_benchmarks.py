"""The benchmark of the whole chain compares like with like: both sides make the same of the same articles."""

import importlib
import sys
from pathlib import Path

import pytest

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def chain(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("chain")
    # Long enough to be wrong, short enough to wait for.
    monkeypatch.setattr(module, "NEW", 8)
    monkeypatch.setattr(module, "GENERATIONS", 2)
    yield module
    for name in ("chain", "plain_chain", "rehearsal"):
        sys.modules.pop(name, None)


def test_a_plain_script_and_ours_write_and_measure_the_same(chain, tmp_path):
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    recipe = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "weight_decay": 0.01}
    made = chain.Chain(tmp_path / "models", chain.read_articles(None, 2), tmp_path / "words", recipe, tiny=True)

    took, agreed = chain.compare(made, 1)

    assert agreed == {"articles": 4, "labels": 4, "quality": 4}
    # They are not the same because nothing was learned or written.
    first, second = (
        read_table(tmp_path / f"models/ours/generation_0{number}/articles.parquet", GENERATED_ARTICLES)["text"]
        for number in range(2)
    )
    assert first != second and all(first.to_pylist())
    text = chain.report(took, agreed, 2, 2)
    assert "| all |" in text and "articles 4, labels 4, quality 4." in text
