"""Training texts, blocks, prompts and tokens of articles."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_amplification.language_model.load import load_tokenizer
from bias_amplification.language_model.texts import (
    article_prompts,
    cut_blocks,
    encode,
    training_texts,
)

token_lists = st.lists(st.integers(0, 99), max_size=200)


@given(tokens=token_lists, size=st.integers(1, 70))
def test_blocks_join_to_the_text(tokens: list[int], size: int) -> None:
    blocks = cut_blocks(tokens, size)

    assert [token for block in blocks for token in block] == tokens
    assert all(len(block) == size for block in blocks[:-1])
    assert all(1 <= len(block) <= size for block in blocks)


@given(title=token_lists, body=token_lists, size=st.integers(1, 70))
def test_prompts_are_the_title_and_the_bodys_blocks(title: list[int], body: list[int], size: int) -> None:
    prompts = article_prompts(title, body, size)

    if title:
        assert prompts[0] == title
    assert prompts[bool(title) :] == cut_blocks(body, size)
    assert [] not in prompts


@pytest.mark.parametrize(
    ("title", "body", "example", "texts"),
    [
        ("Title", "One.\nTwo.", "article", ["Title\nOne.\nTwo."]),
        ("Title", "One.\n\n \nTwo.\n", "line", ["Title", "One.", "Two."]),
        ("", "One.", "article", ["One."]),
        ("Title", "", "article", ["Title"]),
        ("Title", "", "line", ["Title"]),
        (" ", "\n", "article", []),
        (" ", "\n", "line", []),
    ],
)
def test_training_texts(title: str, body: str, example: str, texts: list[str]) -> None:
    assert training_texts(title, body, example) == texts


def test_blank_lines_are_texts_if_asked_for() -> None:
    assert training_texts("Title", "One.\n\n \nTwo.\n", "line", blank_lines=True) == ["Title", "One.", "", " ", "Two."]
    assert training_texts("Title", "One.\n\nTwo.", "article", blank_lines=True) == ["Title\nOne.\n\nTwo."]


@given(title=st.text(), body=st.text())
def test_lines_have_all_words_of_the_article(title: str, body: str) -> None:
    lines = training_texts(title, body, "line")

    assert "".join(lines).split() == "".join("".join(training_texts(title, body, "article")).splitlines()).split()
    assert all(line.strip() for line in lines)


def test_encoding_keeps_the_first_tokens_and_adds_no_special_ones(base: SimpleNamespace) -> None:
    tokenizer = load_tokenizer(base.folder)
    (whole,) = encode(tokenizer, ["The harbour council wins."])

    assert tokenizer.decode(whole) == "The harbour council wins."
    assert encode(tokenizer, ["The harbour council wins.", ""], 3) == [whole[:3], []]
