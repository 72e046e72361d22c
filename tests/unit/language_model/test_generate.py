"""Synthetic articles against decoding one prompt at a time."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, Qwen3Config

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.language_model import generate as module
from bias_amplification.language_model.generate import (
    batches_of_prompts,
    continue_prompts,
    generate_articles,
    prompts_at_once,
    write_articles,
)
from bias_amplification.language_model.load import load_model, load_tokenizer
from bias_amplification.language_model.texts import article_prompts, encode

END = 0
GREEDY = {"method": "greedy"}
OPTIONS = {"block_tokens": 9, "new_tokens": 12, "batch_prompts": 4, "end": END, "seed": 1}


@pytest.fixture(scope="module")
def writer(base: SimpleNamespace) -> SimpleNamespace:
    """The trained model, its tokenizer, and prompts of many lengths from its training texts."""
    tokenizer = load_tokenizer(base.folder)
    articles = read_table(base.seed_set, ARTICLES)
    bodies = encode(tokenizer, articles.column("body").to_pylist())
    prompts = [body[:length] for body, length in zip(bodies, (1, 2, 9, 9, 9, 9), strict=True)]
    prompts += [bodies[0][:9], bodies[1][-3:], bodies[2][:23], bodies[3][-9:], []]
    return SimpleNamespace(model=load_model(base.folder), tokenizer=tokenizer, articles=articles, prompts=prompts)


@torch.no_grad()
def one_by_one(writer: SimpleNamespace, **options: object) -> list[list[int]]:
    results = []
    for prompt in writer.prompts:
        if not prompt:
            results.append([])
            continue
        tokens = torch.tensor([prompt])
        written = writer.model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=END,
            pad_token_id=END,
            **options,
        )
        results.append([token for token in written[0, len(prompt) :].tolist() if token != END])
    return results


@torch.no_grad()
def by_hand(model: torch.nn.Module, prompt: list[int], count: int) -> list[int]:
    """Greedy decoding without a cache: the likeliest token, again and again."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + count:
        best = int(model(torch.tensor([tokens])).logits[0, -1].argmax())
        if best == END:
            break
        tokens.append(best)
    return tokens[len(prompt) :]


@pytest.mark.parametrize("size", [1, 3, 256])
def test_greedy_batches_equal_single_prompts(writer: SimpleNamespace, size: int) -> None:
    found = continue_prompts(writer.model, writer.prompts, decoding=GREEDY, **OPTIONS | {"batch_prompts": size})

    assert found == one_by_one(writer)
    assert found[:3] == [by_hand(writer.model, prompt, 12) for prompt in writer.prompts[:3]]


def test_the_end_stops_and_is_left_out(writer: SimpleNamespace) -> None:
    found = continue_prompts(writer.model, writer.prompts, decoding=GREEDY, **OPTIONS)

    # The seventh token list ends a training text, so the model has learned to stop there.
    lengths = [len(tokens) for tokens in found]
    assert min(lengths[:-1]) < 12
    assert max(lengths) == 12
    assert END not in [token for tokens in found for token in tokens]
    assert found[-1] == []


def test_beams_equal_single_prompts(writer: SimpleNamespace) -> None:
    found = continue_prompts(writer.model, writer.prompts, decoding={"method": "beam", "beams": 3}, **OPTIONS)

    assert found == one_by_one(writer, num_beams=3)


def test_nucleus_follows_its_seed_alone(writer: SimpleNamespace) -> None:
    decoding = {"method": "nucleus", "top_p": 0.95, "temperature": 1.5}

    def write(seed: int) -> list[list[int]]:
        torch.rand(3)
        return continue_prompts(writer.model, writer.prompts, decoding=decoding, **OPTIONS | {"seed": seed})

    assert write(1) == write(1)
    assert write(1) != write(2)


def test_a_narrow_nucleus_is_greedy(writer: SimpleNamespace) -> None:
    decoding = {"method": "nucleus", "top_p": 1e-6, "temperature": 1.0}

    assert continue_prompts(writer.model, writer.prompts, decoding=decoding, **OPTIONS) == one_by_one(writer)


@given(lengths=st.lists(st.integers(0, 150), max_size=50), size=st.integers(1, 20))
def test_prompt_batches_are_a_partition(lengths: list[int], size: int) -> None:
    batches = batches_of_prompts(lengths, size, block_tokens=64, new_tokens=64)

    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    assert all(1 <= len(batch) <= size for batch in batches)
    widths = [max(lengths[i] for i in batch) for batch in batches]
    assert widths == [lengths[batch[0]] for batch in batches] == sorted(widths, reverse=True)
    # Whole blocks are decoded without padding.
    assert all({lengths[i] for i in batch} == {64} for batch in batches if 64 in [lengths[i] for i in batch])
    # A batch takes no more room than one of whole blocks, unless it is a single prompt.
    assert all(len(batch) == 1 or len(batch) * (w + 64) <= size * 128 for batch, w in zip(batches, widths, strict=True))


def test_long_titles_pull_no_short_prompts_along() -> None:
    """Two titles of 900 tokens among prompts of many lengths below a block."""
    lengths = [900, 5, 910, *range(1, 64)]

    batches = batches_of_prompts(lengths, 256, block_tokens=64, new_tokens=64)

    assert [[lengths[i] for i in batch] for batch in batches] == [[910, 900], [*range(63, 5, -1), 5, *range(5, 0, -1)]]
    # Many of them share a batch only as far as its memory goes: 64 * 128 places.
    many = batches_of_prompts([900] * 20, 64, block_tokens=64, new_tokens=64)
    assert [len(batch) for batch in many] == [8, 8, 4]


def test_one_article_per_article_in_order(writer: SimpleNamespace) -> None:
    table = write_articles(
        writer.model, writer.tokenizer, writer.articles, decoding=GREEDY, **OPTIONS | {"block_tokens": 8}
    ).to_pylist()

    for row, article in zip(table, writer.articles.to_pylist(), strict=True):
        title, body = encode(writer.tokenizer, [article["title"], article["body"]])
        prompts = article_prompts(title, body, 8)
        written = [token for prompt in prompts for token in by_hand(writer.model, prompt, 12)]
        assert (row["article_id"], row["title"]) == (article["article_id"], article["title"])
        assert row["text"] == writer.tokenizer.decode(written)
        assert (row["prompts"], row["new_tokens"]) == (len(prompts), len(written))


@pytest.mark.parametrize(("title", "body", "prompts"), [("", "", 0), ("The mayor", "", 1), ("", "The mayor says", 1)])
def test_empty_titles_and_bodies(writer: SimpleNamespace, title: str, body: str, prompts: int) -> None:
    columns = {"title": [title], "body": [body]}
    article = writer.articles.slice(0, 1)
    for name, values in columns.items():
        article = article.set_column(article.schema.get_field_index(name), ARTICLES.field(name), [values])

    (row,) = write_articles(
        writer.model, writer.tokenizer, article, decoding=GREEDY, **OPTIONS | {"block_tokens": 64}
    ).to_pylist()

    assert (row["prompts"], row["title"]) == (prompts, title)
    assert bool(row["text"]) == bool(prompts)


def generate(base: SimpleNamespace, out: Path, seed_set: Path | None = None, **generation: int) -> pa.Table:
    generation = {"block_tokens": 8, "new_tokens": 6, "batch_prompts": 16} | generation
    options = {"generation": generation, "decoding": GREEDY, "seed": 1, "device": "cpu"}
    generate_articles(base.folder, base.folder, seed_set or base.seed_set, out, **options)
    return read_table(out, GENERATED_ARTICLES)


def test_the_file_is_the_same_every_time(base: SimpleNamespace, tmp_path: Path) -> None:
    one = generate(base, tmp_path / "one.parquet")
    two = generate(base, tmp_path / "two.parquet", batch_prompts=3)

    assert one.num_rows == 6
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert one.equals(two)


def test_a_gpu_decodes_as_many_at_once_as_a_quarter_of_its_memory_holds() -> None:
    gpt2 = GPT2Config()
    assert [prompts_at_once(gpt2, 128, None, beams) for beams in (1, 5, 300)] == [256, 51, 1]
    assert prompts_at_once(gpt2, 128, 80 * 10**9) == 1024
    assert prompts_at_once(gpt2, 128, 4 * 10**9) == 64
    assert prompts_at_once(gpt2, 128, 10**8) == 32
    small = GPT2Config(n_embd=96, n_layer=3, n_head=3, vocab_size=2048)
    assert prompts_at_once(small, 128, 80 * 10**9) == 8192
    # Qwen3 0.6B's heads are wider together than the model, and its keys and values are of half as many.
    options = {"num_hidden_layers": 28, "hidden_size": 1024, "num_attention_heads": 16, "vocab_size": 151_936}
    kept = 2 * 28 * 128 * 8 * 128
    passing = 3 * 128 * 4 * 1024 + 2 * 151_936
    qwen = Qwen3Config(**options, num_key_value_heads=8, head_dim=128)
    assert prompts_at_once(qwen, 128, 4 * 4 * 600 * (kept + passing)) == 512


def test_the_device_decides_where_the_config_does_not(base: SimpleNamespace, tmp_path: Path, monkeypatch) -> None:
    """A device of so many bytes would decode 4,096 prompts of this model at once; the articles are the same."""
    sizes = []
    monkeypatch.setattr(module, "device_memory", lambda device: 10**9)
    monkeypatch.setattr(
        module,
        "batches_of_prompts",
        lambda lengths, size, **rest: sizes.append(size) or batches_of_prompts(lengths, size, **rest),
    )
    one = generate(base, tmp_path / "one.parquet")
    two = generate(base, tmp_path / "two.parquet", batch_prompts=None)
    assert sizes == [16, 4096]
    assert one.equals(two)


def test_prompts_that_exceed_the_context(base: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"generation.block_tokens \+ generation.new_tokens is 129"):
        generate(base, tmp_path / "out.parquet", block_tokens=65, new_tokens=64)

    articles = read_table(base.seed_set, ARTICLES)
    titles = ["short"] * 5 + ["a title without an end " * 40]
    position = articles.schema.get_field_index("title")
    write_table(articles.set_column(position, "title", [titles]), tmp_path / "long.parquet", ARTICLES)
    with pytest.raises(StudyError, match=r"long.parquet: the title of article a5 has \d+ tokens"):
        generate(base, tmp_path / "out.parquet", tmp_path / "long.parquet")
