"""Perplexity against a loop that computes each token from the beginning of the text."""

import math
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES, PERPLEXITY
from bias_amplification.language_model.load import load_model, load_tokenizer, save_model
from bias_amplification.language_model.perplexity import perplexities, score_perplexity
from bias_amplification.language_model.pretrain import new_model
from bias_amplification.models.device import products_in
from bias_amplification.study.sections import JobCompute, Perplexity

TEXTS = ["The mayor says the budget falls.", "", "a", "The bridge opens in spring. " * 30, "Zebra? 12 %"]


@torch.no_grad()
def slow(model: torch.nn.Module, tokens: list[int]) -> float | None:
    """Compute the perplexity one token at a time, each from the beginning."""
    if len(tokens) < 2:
        return None
    losses = []
    for k in range(1, len(tokens)):
        logits = model(torch.tensor([tokens[:k]])).logits[0, -1].double()
        losses.append(-torch.log_softmax(logits, -1)[tokens[k]].item())
    return math.exp(math.fsum(losses) / len(losses))


def encoded(base: SimpleNamespace, limit: int) -> list[list[int]]:
    tokenizer = load_tokenizer(base.folder)
    return [tokenizer.encode(text).ids[:limit] for text in TEXTS]


@pytest.mark.parametrize("batch_tokens", [1, 64, 10_000])
def test_perplexities_equal_the_slow_loop(base: SimpleNamespace, batch_tokens: int) -> None:
    model = load_model(base.folder)
    sequences = encoded(base, 40)

    found = perplexities(model, sequences, batch_tokens=batch_tokens, padding=0)

    assert [value is None for value in found] == [False, True, True, False, False]
    for value, tokens in zip(found, sequences, strict=True):
        assert value is None or value == pytest.approx(slow(model, tokens), rel=1e-4)


def test_in_bfloat16_perplexities_are_nearly_the_same(base: SimpleNamespace) -> None:
    model, sequences = load_model(base.folder), encoded(base, 40)
    exact = perplexities(model, sequences, batch_tokens=64, padding=0)

    with products_in("bfloat16", "cpu"):
        rounded = perplexities(model, sequences, batch_tokens=64, padding=0)

    assert rounded != exact
    for one, other in zip(rounded, exact, strict=True):
        assert one == other is None or one == pytest.approx(other, rel=0.02)


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    count = len(TEXTS)
    columns = {"article_id": [f"a{k}" for k in range(count)], "title": ["A title"] * count, "text": TEXTS}
    columns |= {"head": [""] * count, "prompts": [1] * count, "new_tokens": [1] * count}
    write_table(pa.table(columns), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    return tmp_path / "articles.parquet"


def score(base: SimpleNamespace, articles: Path, generating: Path, max_tokens: int) -> dict[str, list]:
    out = articles.with_name("perplexity.parquet")
    compute = JobCompute(device="cpu", batch_tokens=512)
    score_perplexity(articles, base.folder, generating, out, Perplexity(max_tokens=max_tokens), compute)
    return read_table(out, PERPLEXITY).to_pydict()


def test_both_models_score_the_first_tokens(base: SimpleNamespace, articles: Path, tmp_path: Path) -> None:
    other = new_model(layers=1, width=16, heads=2, context=128, vocabulary=300, end=0, seed=9)
    save_model(other, tmp_path / "other")

    found = score(base, articles, tmp_path / "other", max_tokens=20)

    sequences = encoded(base, 20)
    models = {"perplexity_base": load_model(base.folder), "perplexity_generating": other.eval()}
    assert found["article_id"] == ["a0", "a1", "a2", "a3", "a4"]
    assert found["tokens"] == [len(tokens) for tokens in sequences]
    assert found["tokens"][3] == 20
    for name, model in models.items():
        for value, tokens in zip(found[name], sequences, strict=True):
            expected = slow(model, tokens)
            assert value == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_the_begin_token_is_read_but_not_scored(begun: SimpleNamespace, articles: Path) -> None:
    found = score(begun, articles, begun.folder, max_tokens=20)
    longest = score(begun, articles, begun.folder, max_tokens=1024)

    sequences = encoded(begun, 21)
    assert [tokens[0] for tokens in sequences] == [begun.begin] * 5
    model = load_model(begun.folder)
    # The text of one token has a perplexity: its token is predicted from the begin token.
    assert [value is None for value in found["perplexity_base"]] == [False, True, False, False, False]
    for value, tokens in zip(found["perplexity_base"], sequences, strict=True):
        assert value is None or value == pytest.approx(slow(model, tokens), rel=1e-4)
    assert found["tokens"] == [len(tokens) - 1 for tokens in sequences]
    assert max(longest["tokens"]) == 127


def test_no_more_tokens_than_the_model_has_positions(base: SimpleNamespace, articles: Path) -> None:
    found = score(base, articles, base.folder, max_tokens=1024)

    assert max(found["tokens"]) == 128
    assert found["perplexity_base"][3] == pytest.approx(slow(load_model(base.folder), encoded(base, 128)[3]), rel=1e-4)


def test_a_generating_model_with_fewer_positions_is_named(
    base: SimpleNamespace, articles: Path, tmp_path: Path
) -> None:
    save_model(new_model(layers=1, width=16, heads=2, context=64, vocabulary=300, end=0, seed=9), tmp_path / "short")

    assert score(base, articles, tmp_path / "short", max_tokens=64)["tokens"][3] == 64
    with pytest.raises(StudyError, match=r"short has 64 positions.* has 65 tokens: lower perplexity\.max_tokens"):
        score(base, articles, tmp_path / "short", max_tokens=65)


def test_articles_of_the_base_model(base: SimpleNamespace, articles: Path, tmp_path: Path) -> None:
    same = score(base, articles, base.folder, max_tokens=64)
    save_model(load_model(base.folder), tmp_path / "copy")
    copied = score(base, articles, tmp_path / "copy", max_tokens=64)

    assert same["perplexity_generating"] == same["perplexity_base"]
    assert copied == same
