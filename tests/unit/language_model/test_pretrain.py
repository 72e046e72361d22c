"""The base model that a run makes itself."""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_LOG
from bias_amplification.language_model.load import load_model, load_tokenizer
from bias_amplification.language_model.pretrain import (
    END_OF_TEXT,
    new_model,
    pack,
    pretrain_base_model,
    train_tokenizer,
)
from bias_amplification.language_model.texts import encode


@cache
def tokenizer() -> Tokenizer:
    return train_tokenizer(["The harbour council wins the vote."] * 5, 280)


@given(text=st.text())
def test_any_text_comes_back(text: str) -> None:
    (tokens,) = encode(tokenizer(), [text])

    assert tokenizer().decode(tokens) == text
    assert 0 not in tokens


def test_vocabulary() -> None:
    assert tokenizer().token_to_id(END_OF_TEXT) == 0
    assert tokenizer().get_vocab_size() == 280
    # The 256 bytes are there even when the size asked for is smaller.
    assert train_tokenizer(["a"], 10).get_vocab_size() == 257


@given(sequences=st.lists(st.lists(st.integers(1, 50), max_size=20), max_size=8), length=st.integers(1, 30))
def test_packing_keeps_every_token_in_order(sequences: list, length: int) -> None:
    rows = pack(sequences, 0, length)

    assert [token for row in rows for token in row] == [token for s in sequences for token in [*s, 0]]
    assert all(len(row) == length for row in rows[:-1])
    assert all(1 <= len(row) <= length for row in rows)


def test_a_new_model_has_the_size_and_the_seed_asked_for() -> None:
    size = {"layers": 2, "width": 16, "heads": 2, "context": 32, "vocabulary": 40, "end": 0}
    one, same, other = (new_model(**size, seed=seed) for seed in (1, 1, 2))

    assert (one.config.n_layer, one.config.n_embd, one.config.n_head, one.config.n_positions) == (2, 16, 2, 32)
    # Embeddings 40 and 32 wide rows of 16; a block of width w has 12 w^2 + 13 w; a last norm of 2 w.
    assert one.num_parameters() == (40 + 32) * 16 + 2 * (12 * 16**2 + 13 * 16) + 2 * 16
    assert one.transformer.wte.weight.equal(same.transformer.wte.weight)
    assert not one.transformer.wte.weight.equal(other.transformer.wte.weight)


def test_a_small_model_learns(base: SimpleNamespace) -> None:
    losses = read_table(base.folder / "training_log.parquet", TRAINING_LOG).column("loss").to_pylist()

    # From about log(300) = 5.7 nats to texts nearly known by heart.
    assert losses[0] > 5.5
    assert losses[-1] < 1.0


def test_the_folder_is_whole(base: SimpleNamespace) -> None:
    metadata = json.loads((base.folder / "metadata.json").read_text())
    tokenizer = load_tokenizer(base.folder)

    assert load_model(base.folder).config.vocab_size == tokenizer.get_vocab_size() == 300
    assert (metadata["seed"], metadata["articles"], metadata["training"]["device"]) == (3, 6, "cpu")
    assert AutoTokenizer.from_pretrained(base.folder)("The mayor").input_ids == tokenizer.encode("The mayor").ids


def test_same_arguments_same_bytes(base: SimpleNamespace, tmp_path: Path) -> None:
    names = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "training_log.parquet")
    settings = base.settings | {"epochs": 1}

    def make(place: str, seed: int) -> list[bytes]:
        options = {"settings": settings, "seed": seed, "device": "cpu", "precision": "float32"}
        pretrain_base_model(base.seed_set, tmp_path / place, **options)
        return [(tmp_path / place / name).read_bytes() for name in names]

    assert make("one", 1) == make("two", 1)
    assert make("three", 2)[0] != (tmp_path / "one" / "model.safetensors").read_bytes()


def test_a_given_tokenizer_is_used_or_refused(base: SimpleNamespace, tmp_path: Path) -> None:
    settings = base.settings | {"epochs": 1, "tokenizer": str(base.folder)}
    options = {"seed": 1, "device": "cpu", "precision": "float32"}
    pretrain_base_model(base.seed_set, tmp_path / "out", settings=settings, **options)
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))

    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (base.folder / "tokenizer.json").read_bytes()
    with pytest.raises(StudyError, match=r"has no token <\|endoftext\|>"):
        pretrain_base_model(base.seed_set, tmp_path, settings=settings | {"tokenizer": str(tmp_path)}, **options)


def test_the_seed_set_of_the_tests_is_read(base: SimpleNamespace) -> None:
    assert read_table(base.seed_set, ARTICLES).num_rows == 6
