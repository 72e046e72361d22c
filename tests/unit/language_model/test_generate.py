"""Synthetic articles against decoding one prompt at a time."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.notices import WARNING
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.corpus.articles import article_text, replace_texts
from bias_amplification.language_model.generate import continue_prompts, generate_articles, write_articles
from bias_amplification.language_model.load import load_model, load_tokenizer, to_bfloat16
from bias_amplification.language_model.prompt_batches import Prompts
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study.sections import Decoding, Generation, JobCompute

END = 0
GREEDY = Decoding()
#: Most prompts of the tests are whole blocks of 9 tokens.
SHORT = Generation(block_tokens=9, new_tokens=12, batch_prompts=4)


@pytest.fixture(scope="module")
def writer(base: SimpleNamespace) -> SimpleNamespace:
    """The trained model, its tokenizer, and prompts of many lengths from its training texts."""
    tokenizer = load_tokenizer(base.folder)
    articles = read_table(base.seed_set, ARTICLES)
    bodies = encode(tokenizer, articles.column("body").to_pylist())
    prompts = [body[:length] for body, length in zip(bodies, (1, 2, 9, 9, 9, 9), strict=True)]
    prompts += [bodies[0][:9], bodies[1][-3:], bodies[2][:23], bodies[3][-9:], []]
    return SimpleNamespace(
        folder=base.folder, model=load_model(base.folder), tokenizer=tokenizer, articles=articles, prompts=prompts
    )


@torch.no_grad()
def one_by_one(writer: SimpleNamespace, limits: list[int] | None = None, **options: object) -> list[list[int]]:
    """Continue each prompt by transformers' own `generate`, by at most 12 tokens or by limits of their own."""
    results = []
    for prompt, limit in zip(writer.prompts, limits or [12] * len(writer.prompts), strict=True):
        if not prompt:
            results.append([])
            continue
        tokens = torch.tensor([prompt])
        written = writer.model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=END,
            **{"eos_token_id": END} | options,
        )
        results.append([token for token in written[0, len(prompt) :].tolist() if token != END])
    return results


@torch.no_grad()
def by_hand(model: torch.nn.Module, prompt: list[int], count: int) -> list[int]:
    """Decode greedily without a cache: append the likeliest token, again and again."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + count:
        best = int(model(torch.tensor([tokens])).logits[0, -1].argmax())
        if best == END:
            break
        tokens.append(best)
    return tokens[len(prompt) :]


@pytest.mark.parametrize("size", [1, 3, 256])
def test_greedy_batches_equal_single_prompts(writer: SimpleNamespace, size: int) -> None:
    generation = SHORT.model_copy(update={"batch_prompts": size})

    found = continue_prompts(writer.model, Prompts(writer.prompts), generation, GREEDY, seed=1)

    assert found == one_by_one(writer)
    assert found[:3] == [by_hand(writer.model, prompt, 12) for prompt in writer.prompts[:3]]


def test_continuations_stop_at_the_end_token_without_it(writer: SimpleNamespace) -> None:
    found = continue_prompts(writer.model, Prompts(writer.prompts), SHORT, GREEDY, seed=1)

    # Some prompts are ends of training texts, where the model has learned to stop.
    lengths = [len(tokens) for tokens in found]
    assert min(lengths[:-1]) < 12
    assert max(lengths) == 12
    assert END not in [token for tokens in found for token in tokens]
    assert found[-1] == []


@pytest.mark.parametrize("decoding", [GREEDY, Decoding(method="beam", beams=3), Decoding(method="nucleus", top_p=1e-6)])
def test_every_end_token_ends_a_continuation(writer: SimpleNamespace, decoding: Decoding) -> None:
    plain = continue_prompts(writer.model, Prompts(writer.prompts), SHORT, GREEDY, seed=1)
    other = Counter(token for tokens in plain for token in set(tokens)).most_common(1)[0][0]
    expected = one_by_one(
        writer, eos_token_id=[END, other], num_beams=decoding.beams if decoding.method == "beam" else 1
    )
    writer.model.config.eos_token_id = [END, other]
    try:
        found = continue_prompts(writer.model, Prompts(writer.prompts), SHORT, decoding, seed=1)
    finally:
        writer.model.config.eos_token_id = END

    # transformers keeps the end token that it finds; END is left out already.
    assert found == [tokens[: tokens.index(other)] if other in tokens else tokens for tokens in expected]
    assert found != plain


def test_prompts_are_read_after_the_begin_token(writer: SimpleNamespace, begun: SimpleNamespace) -> None:
    tokenizer = load_tokenizer(begun.folder)
    prompts = [[begun.begin, *prompt] if prompt else [] for prompt in writer.prompts]

    found = continue_prompts(writer.model, Prompts(writer.prompts, begin=[begun.begin]), SHORT, GREEDY, seed=1)
    table = write_articles(writer.model, tokenizer, writer.articles.slice(0, 1), SHORT, GREEDY, seed=1).to_pylist()

    assert found == [by_hand(writer.model, prompt, 12) if prompt else [] for prompt in prompts]
    assert found != continue_prompts(writer.model, Prompts(writer.prompts), SHORT, GREEDY, seed=1)
    article = writer.articles.to_pylist()[0]
    title, body = encode(tokenizer, [article["title"], article["body"]])
    blocks = article_prompts(title, body, 9)
    written = [token for block in blocks for token in by_hand(writer.model, [begun.begin, *block], 12)]
    assert table[0]["text"] == tokenizer.decode(written)


@pytest.mark.parametrize("decoding", [GREEDY, Decoding(method="beam", beams=3), Decoding(method="nucleus", top_p=1e-6)])
def test_prompts_with_limits_of_their_own_equal_single_prompts(writer: SimpleNamespace, decoding: Decoding) -> None:
    beams = decoding.beams if decoding.method == "beam" else 1
    limits = [12, 3, 12, 5, 5, 1, 9, 2, 12, 3, 4]

    found = continue_prompts(writer.model, Prompts(writer.prompts, limits), SHORT, decoding, seed=1)

    assert found == one_by_one(writer, limits, num_beams=beams)
    assert len(found[1]) == 3 and max(map(len, found)) == 12


def test_beams_equal_single_prompts(writer: SimpleNamespace) -> None:
    found = continue_prompts(writer.model, Prompts(writer.prompts), SHORT, Decoding(method="beam", beams=3), seed=1)

    assert found == one_by_one(writer, num_beams=3)


def test_nucleus_sampling_depends_on_its_seed_alone(writer: SimpleNamespace) -> None:
    decoding = Decoding(method="nucleus", top_p=0.95, temperature=1.5)

    def write(seed: int) -> list[list[int]]:
        torch.rand(3)
        return continue_prompts(writer.model, Prompts(writer.prompts), SHORT, decoding, seed)

    assert write(1) == write(1)
    assert write(1) != write(2)


def test_a_narrow_nucleus_is_greedy(writer: SimpleNamespace) -> None:
    decoding = Decoding(method="nucleus", top_p=1e-6, temperature=1.0)

    assert continue_prompts(writer.model, Prompts(writer.prompts), SHORT, decoding, seed=1) == one_by_one(writer)


class Recorded:
    """Three conditions that change nothing and record what they are told."""

    number, digest = 3, "nothing"

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.rows: list[int] = []

    def begin(self, conditions: list[int]) -> None:
        self.batches.append(list(conditions))
        self.rows.append(len(conditions))

    def keep(self, rows: torch.Tensor) -> None:
        self.rows.append(len(rows))


@pytest.mark.parametrize("limits", [None, [12, 3, 12, 5, 5, 1, 9, 2, 12, 3, 4]], ids=["blocks", "heads"])
@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_each_prompt_is_continued_under_each_condition(writer: SimpleNamespace, method: str, limits: list) -> None:
    decoding, conditions, prompts = Decoding(method=method), Recorded(), Prompts(writer.prompts, limits)
    plain = continue_prompts(writer.model, prompts, SHORT, decoding, seed=1)

    found = continue_prompts(writer.model, prompts, SHORT, decoding, seed=1, conditions=conditions)

    assert found == plain * 3
    # Each prompt but the empty one, once under each condition.
    assert sorted(k for batch in conditions.batches for k in batch) == sorted([0, 1, 2] * (len(plain) - 1))
    mixed = any(len(set(batch)) > 1 for batch in conditions.batches)
    assert mixed == (method == "greedy")
    # Only greedy decoding drops rows that have ended.
    assert (len(conditions.rows) > len(conditions.batches)) == (method == "greedy")


def test_one_article_per_article_in_order(writer: SimpleNamespace) -> None:
    generation = SHORT.model_copy(update={"block_tokens": 8})

    table = write_articles(writer.model, writer.tokenizer, writer.articles, generation, GREEDY, seed=1).to_pylist()

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
    generation = SHORT.model_copy(update={"block_tokens": 64})

    (row,) = write_articles(writer.model, writer.tokenizer, article, generation, GREEDY, seed=1).to_pylist()

    assert (row["prompts"], row["title"]) == (prompts, title)
    assert bool(row["text"]) == bool(prompts)


@pytest.mark.parametrize("settings", [{"head_share": 0.25}, {"head_tokens": 5}])
def test_heads_are_continued_to_the_length_of_their_texts(writer: SimpleNamespace, settings: dict) -> None:
    generation = SHORT.model_copy(update={"prompt": "head"} | settings)
    articles = writer.articles.slice(0, 3)
    articles = replace_texts(articles, title=["", *articles["title"].to_pylist()[1:]])

    table = write_articles(writer.model, writer.tokenizer, articles, generation, GREEDY, seed=1).to_pylist()

    texts = [article_text(row["title"], row["body"]) for row in articles.to_pylist()]
    for row, article, tokens in zip(table, articles.to_pylist(), encode(writer.tokenizer, texts), strict=True):
        title, body = encode(writer.tokenizer, [article_text(article["title"], "\n").strip("\n"), article["body"]])
        # In the tokens of the whole text, the title is followed by a line break.
        before = len(title) + bool(title)
        assert tokens[before:] == body
        kept = len(writer.tokenizer.encode(article_text(article["title"], row["head"])).ids)
        asked = settings.get("head_tokens") or round(0.25 * len(body))
        assert before + asked / 3 < kept <= before + asked
        assert article["body"].startswith(row["head"] + " ")
        written = by_hand(writer.model, tokens[:kept], len(tokens) - kept)
        whole = writer.tokenizer.decode(tokens[:kept] + written)
        assert article_text(article["title"], row["head"] + row["text"]) == whole
        assert (row["title"], row["prompts"], row["new_tokens"]) == (article["title"], 1, len(written))
        assert row["new_tokens"] <= len(body) - (kept - before)


def test_what_follows_a_head_is_cut_to_the_models_positions(
    writer: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "The mayor speaks on the bridge. " * 20
    articles = replace_texts(writer.articles.slice(0, 2), title=["Bridge", "Bridge " * 60], body=[body.strip()] * 2)
    generation = Generation(prompt="head", head_tokens=20)

    # The token of a byte that no text has.
    monkeypatch.setattr(writer.model.config, "eos_token_id", 200)
    (row,) = write_articles(writer.model, writer.tokenizer, articles.slice(0, 1), generation, GREEDY, 1).to_pylist()

    prompt = writer.tokenizer.encode(article_text(row["title"], row["head"])).ids
    assert 90 < row["new_tokens"] == 128 - len(prompt)
    with pytest.raises(StudyError, match=r"article a1: its title and head have \d+ tokens, and the model has 128 pos"):
        write_articles(writer.model, writer.tokenizer, articles, generation, GREEDY, seed=1)


def generate(base: SimpleNamespace, out: Path, seed_set: Path | None = None, **generation: Any) -> pa.Table:
    settings = Generation(**{"prompt": "blocks", "block_tokens": 8, "new_tokens": 6, "batch_prompts": 16} | generation)
    folders = ModelFolders(base.folder, base.folder)
    generate_articles(folders, seed_set or base.seed_set, out, settings, GREEDY, seed=1, compute=JobCompute())
    return read_table(out, GENERATED_ARTICLES)


def test_the_file_is_the_same_every_time(base: SimpleNamespace, tmp_path: Path) -> None:
    one = generate(base, tmp_path / "one.parquet")

    assert one.num_rows == 6
    for batch_prompts in (3, None):
        other = generate(base, tmp_path / "other.parquet", batch_prompts=batch_prompts)
        assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
        assert one.equals(other)


def test_short_texts_have_heads_unless_the_config_says_otherwise(
    base: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # The bodies have some 30 tokens. Blocks of 65 tokens and their continuations would not fit into 128 positions.
    table = generate(base, tmp_path / "out.parquet", prompt=None, block_tokens=65, new_tokens=64)

    bodies = read_table(base.seed_set, ARTICLES)["body"].to_pylist()
    assert all(body.startswith(head) for head, body in zip(table["head"].to_pylist(), bodies, strict=True))
    assert min(map(len, table["head"].to_pylist())) > 0
    assert f"{WARNING}at least half of the texts are shorter than two blocks (130 tokens)" in capsys.readouterr().out
    blocks = generate(base, tmp_path / "out.parquet", prompt=None)
    assert blocks.equals(generate(base, tmp_path / "out.parquet"))
    assert set(blocks["head"].to_pylist()) == {""}


def test_the_begin_token_needs_a_position(begun: SimpleNamespace, tmp_path: Path) -> None:
    assert generate(begun, tmp_path / "out.parquet", block_tokens=63, new_tokens=64).num_rows == 6
    with pytest.raises(StudyError, match="new_tokens is 129 with the begin-of-text token, but the model has 128"):
        generate(begun, tmp_path / "out.parquet", block_tokens=64, new_tokens=64)


def test_prompts_that_exceed_the_context(base: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"generation.block_tokens \+ generation.new_tokens is 129"):
        generate(base, tmp_path / "out.parquet", block_tokens=65, new_tokens=64)

    articles = read_table(base.seed_set, ARTICLES)
    titles = ["short"] * 5 + ["a title without an end " * 40]
    position = articles.schema.get_field_index("title")
    write_table(articles.set_column(position, "title", [titles]), tmp_path / "long.parquet", ARTICLES)
    with pytest.raises(StudyError, match=r"long.parquet: the title of article a5 has \d+ tokens"):
        generate(base, tmp_path / "out.parquet", tmp_path / "long.parquet")


def test_in_bfloat16_the_largest_logit_in_float32_decides(writer):
    model = to_bfloat16(load_model(writer.folder))

    found = continue_prompts(model, Prompts(writer.prompts), SHORT, GREEDY, 0)

    weight, other = model.get_output_embeddings().weight.float(), 0
    for prompt, row in zip(writer.prompts, found, strict=True):
        tokens = list(prompt)
        for token in [*row, END][: 12 if prompt else 0]:
            with torch.no_grad():
                hidden = model.base_model(torch.tensor([tokens])).last_hidden_state[0, -1].float()
            logits = weight @ hidden
            # Rounding differs with the number of tokens that are read at once.
            assert logits[token] >= logits.max() - 0.05 * logits.std()
            other += int(logits.argmax()) != token
            tokens.append(token)
    assert other <= 2
