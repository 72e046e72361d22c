"""Pretraining of the base model and its tokenizer."""

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
from bias_amplification.artifacts.schemas import TRAINING_LOG
from bias_amplification.language_model import pretrain
from bias_amplification.language_model.load import load_model, load_tokenizer
from bias_amplification.language_model.pretrain import (
    END_OF_TEXT,
    concatenate_and_cut,
    new_model,
    pretrain_base_model,
    train_tokenizer,
)
from bias_amplification.language_model.texts import encode
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study.sections import JobCompute


@cache
def tokenizer() -> Tokenizer:
    return train_tokenizer(["The harbour council wins the vote."] * 5, 280)


@given(text=st.text())
def test_any_text_is_decoded_as_it_was(text: str) -> None:
    (tokens,) = encode(tokenizer(), [text])

    assert tokenizer().decode(tokens) == text
    assert 0 not in tokens


def test_vocabulary() -> None:
    assert tokenizer().token_to_id(END_OF_TEXT) == 0
    assert tokenizer().get_vocab_size() == 280
    # The 256 bytes are tokens even if fewer tokens are asked for.
    assert train_tokenizer(["a"], 10).get_vocab_size() == 257


@given(sequences=st.lists(st.lists(st.integers(1, 50), max_size=20), max_size=8), length=st.integers(1, 30))
def test_concatenation_keeps_every_token_in_order(sequences: list, length: int) -> None:
    rows = concatenate_and_cut(sequences, 0, length)

    assert [token for row in rows for token in row] == [token for s in sequences for token in [*s, 0]]
    assert all(len(row) == length for row in rows[:-1])
    assert all(1 <= len(row) <= length for row in rows)


def test_a_new_model_has_its_size_and_follows_its_seed() -> None:
    size = {"layers": 2, "width": 16, "heads": 2, "context": 32, "vocabulary": 40, "end": 0}
    one, same, other = (new_model(**size, seed=seed) for seed in (1, 1, 2))

    assert (one.config.n_layer, one.config.n_embd, one.config.n_head, one.config.n_positions) == (2, 16, 2, 32)
    # 40 + 32 embeddings of width 16; 12 w^2 + 13 w parameters in each block; 2 w in the last norm.
    assert one.num_parameters() == (40 + 32) * 16 + 2 * (12 * 16**2 + 13 * 16) + 2 * 16
    assert one.transformer.wte.weight.equal(same.transformer.wte.weight)
    assert not one.transformer.wte.weight.equal(other.transformer.wte.weight)


def test_a_small_model_learns(base: SimpleNamespace) -> None:
    losses = read_table(base.folder / "training_log.parquet", TRAINING_LOG).column("loss").to_pylist()

    # The loss starts near log(300) = 5.7 nats and ends with the texts nearly memorised.
    assert losses[0] > 5.5
    assert losses[-1] < 1.0


def test_the_files_of_the_base_model(base: SimpleNamespace) -> None:
    metadata = json.loads((base.folder / "metadata.json").read_text())
    tokenizer = load_tokenizer(base.folder)

    assert load_model(base.folder).config.vocab_size == tokenizer.get_vocab_size() == 300
    assert (metadata["seed"], metadata["articles"], metadata["training"]["device"]) == (3, 6, "cpu")
    assert AutoTokenizer.from_pretrained(base.folder)("The mayor").input_ids == tokenizer.encode("The mayor").ids


def test_same_arguments_same_bytes(base: SimpleNamespace, tmp_path: Path) -> None:
    names = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "training_log.parquet")
    pretraining = base.pretraining.model_copy(update={"epochs": 1})

    def make(place: str, seed: int) -> list[bytes]:
        pretrain_base_model(base.seed_set, tmp_path / place, pretraining, seed, JobCompute(device="cpu"))
        return [(tmp_path / place / name).read_bytes() for name in names]

    assert make("one", 1) == make("two", 1)
    assert make("three", 2)[0] != (tmp_path / "one" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("given", [False, True])
def test_articles_follow_the_begin_token(
    base: SimpleNamespace, begun: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    trained: list[list[int]] = []

    def train(model, rows, *arguments, **options):
        trained.extend(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrain, "train", train)
    changes = {"epochs": 1, "tokenizer": str(begun.folder) if given else None}
    pretraining = base.pretraining.model_copy(update=changes)
    compute = JobCompute(device="cpu")
    with pytest.raises(KeyboardInterrupt):
        pretrain_base_model(
            base.seed_set, tmp_path / "out", pretraining, 1, compute, "tokenizer" if given else "always"
        )

    begin = begun.begin if given else 0
    stream = [token for row in trained for token in row]
    starts = [0, *(k + 1 for k, token in enumerate(stream[:-1]) if token == 0 and stream[k - 1] != 0 and k)]
    assert [stream[k] for k in starts] == [begin] * 6
    assert stream[-1] == 0


def test_a_pretrained_tokenizer_has_the_habit(base: SimpleNamespace, begun: SimpleNamespace, tmp_path: Path) -> None:
    pretraining = base.pretraining.model_copy(update={"epochs": 1, "tokenizer": str(begun.folder)})

    for habit, begin in (("tokenizer", [begun.begin]), ("never", [])):
        pretrain_base_model(base.seed_set, tmp_path / habit, pretraining, 1, JobCompute(device="cpu"), habit)
        assert begin_tokens(load_tokenizer(tmp_path / habit)) == begin
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert (tokenizer.bos_token_id, tokenizer("The").input_ids[0]) == (begun.begin, begun.begin)


def test_a_given_tokenizer_is_used_or_refused(base: SimpleNamespace, tmp_path: Path) -> None:
    def pretrain(tokenizer: Path) -> None:
        pretraining = base.pretraining.model_copy(update={"epochs": 1, "tokenizer": str(tokenizer)})
        pretrain_base_model(base.seed_set, tmp_path / "out", pretraining, 1, JobCompute(device="cpu"))

    pretrain(base.folder)
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))

    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (base.folder / "tokenizer.json").read_bytes()
    with pytest.raises(StudyError, match=r"has no token <\|endoftext\|>"):
        pretrain(tmp_path)
