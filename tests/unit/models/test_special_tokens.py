"""The tokens that begin and end a text, as the files of a model's folder name them."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bias_amplification.artifacts import StudyError
from bias_amplification.models.folders import read_json
from bias_amplification.models.special_tokens import (
    begin_tokens,
    end_ids,
    named_token,
    read_tokenizer,
    set_begin,
    wanted_begin,
)


def words(template: str | None = None) -> Tokenizer:
    """Return a tokenizer of the words a and b, which by itself adds the tokens of a template."""
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<x>": 2, "a": 3, "b": 4}, unk_token="<x>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    return tokenizer


@pytest.mark.parametrize(
    ("config", "generation", "own", "ends"),
    [
        (7, None, 7, [7]),
        ([7, 9], [9, 11], 7, [7, 9, 11]),
        ([7, 9], 11, 9, [9, 7, 11]),  # the tokenizer's own, where it is among them, is the first
        (7, None, 9, [7, 9]),
        (None, None, 9, [9]),
        (None, 7, None, [7]),
        (None, None, None, []),
    ],
)
def test_all_end_tokens_end_a_text(config: object, generation: object, own: int | None, ends: list[int]) -> None:
    assert end_ids([{"eos_token_id": config}, {"eos_token_id": generation}, {}], own) == ends


@pytest.mark.parametrize(
    ("template", "before"),
    [(None, []), ("<s> $A", [0]), ("<s> $A </s>", [0]), ("$A </s>", []), ("<s> <s> $A", [0, 0])],
)
def test_the_begin_tokens_a_text(template: str | None, before: list[int]) -> None:
    assert begin_tokens(words(template)) == before


def test_the_text_may_have_the_token_that_is_before_it() -> None:
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0}, unk_token="<s>"))
    assert begin_tokens(tokenizer) == []
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])

    assert tokenizer.encode("a").ids == [0, 0]
    assert begin_tokens(tokenizer) == [0]


@pytest.mark.parametrize(
    ("begin_token", "template", "begin"),
    [
        ("tokenizer", None, []),
        ("tokenizer", "<s> $A </s>", [0]),
        ("never", "<s> $A", []),
        ("always", "</s> $A", [1]),  # as the tokenizer does, which may differ from its bos_token
        ("always", None, [0]),
    ],
)
def test_the_begin_token_follows_the_config(
    tmp_path: Path, begin_token: str, template: str | None, begin: list[int]
) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": {"content": "<s>"}}')

    assert wanted_begin(tmp_path, words(template), begin_token, "it") == begin


def test_the_config_names_the_begin_token_if_the_tokenizer_does_not(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"^it has no begin-of-text token .*: add it, or set base_model\.begin_token"):
        wanted_begin(tmp_path, words(), "always", "it")
    (tmp_path / "config.json").write_text('{"bos_token_id": 1}')

    assert wanted_begin(tmp_path, words(), "always", "it") == [1]


def test_several_begin_tokens_a_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"of it puts 2 tokens before a text.*set base_model\.begin_token to never"):
        wanted_begin(tmp_path, words("<s> <s> $A"), "tokenizer", "it")

    assert wanted_begin(tmp_path, words("<s> <s> $A"), "never", "it") == []


@pytest.mark.parametrize("template", [None, "<s> $A", "<s> $A </s>", "$A </s>", "<s> </s> $A"])
@pytest.mark.parametrize("begin", [[], [0], [1]])
def test_a_tokenizer_adds_exactly_the_begin_token(tmp_path: Path, template: str | None, begin: list[int]) -> None:
    tokenizer = words(template)
    expected, before = [*begin, 4, 3], tokenizer.to_str()
    right = tokenizer.encode("b a").ids == expected

    assert set_begin(tokenizer, begin) is not right
    assert (tokenizer.to_str() == before) is right
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = read_tokenizer(tmp_path / "tokenizer.json")
    assert again.encode("b a").ids == expected
    assert again.encode("b a", add_special_tokens=False).ids == [4, 3]


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("token", ["</s>", {"content": "</s>", "lstrip": False}])
def test_named_tokens(tmp_path: Path, name: str, token: object) -> None:
    (tmp_path / name).write_text(json.dumps({"eos_token": token, "bos_token": None}))

    assert named_token(tmp_path, "eos_token", words()) == 1
    assert named_token(tmp_path, "bos_token", words()) is None


def test_missing_and_damaged_json(tmp_path: Path) -> None:
    assert read_json(tmp_path / "config.json") == {}
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(StudyError, match=r"config\.json is not a JSON object \(it is a list\): give base_model\.path"):
        read_json(tmp_path / "config.json", "base_model.path")
