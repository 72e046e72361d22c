"""Models that a config names, judged by their files alone: the files here are made without PyTorch."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.utils import filter_repo_objects
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, processors

from bias_amplification.artifacts import StudyError
from bias_amplification.models.given import (
    LanguageModelUse,
    check_given_model,
    positions_of,
)
from bias_amplification.models.sources import check_source, obtain_folder
from bias_amplification.study.sections import Encoder, GivenModel

GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 64, "vocab_size": 6}
BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "max_position_embeddings": 64, "vocab_size": 6}
LANGUAGE_MODEL = LanguageModelUse(training_tokens=64, writing_tokens=64)
GENERATION = LanguageModelUse(writing_tokens=64, own_tokenizer=False)
KEY = "base_model.path"


def write(folder: Path, config: dict[str, Any], *, rows: int = 6, template: str | None = None, **files: Any) -> Path:
    """Write a model's folder: embeddings of some rows, and a tokenizer of six words with ids from 0 to 5."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"eos_token_id": 0} | config))
    save_file({"transformer.wte.weight": np.zeros((rows, 2), np.float32)}, folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate("_abcde")}, unk_token="_"))
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("e", 5)])
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def fault(folder: Path, use: LanguageModelUse | None = LANGUAGE_MODEL) -> str:
    """Return the one sentence that refuses a model, which names the folder or, beside a length, its key."""
    with pytest.raises(StudyError) as caught:
        check_given_model(folder, KEY, use)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and str(folder) in message
    return message


def test_models_that_can_be_used_are_accepted_without_pytorch(tmp_path: Path) -> None:
    before = "torch" in sys.modules
    write(tmp_path, GPT2)

    check_given_model(tmp_path, KEY, LANGUAGE_MODEL)
    check_given_model(tmp_path, KEY, None)
    (tmp_path / "tokenizer.json").unlink()
    check_given_model(tmp_path, KEY, GENERATION)
    write(tmp_path, BERT)
    check_given_model(tmp_path, KEY, None)

    assert ("torch" in sys.modules) is before


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (BERT, "is no causal language model but an encoder, which reads a text in both directions (config.json: bert"),
        ({"model_type": "distilbert"}, "no causal language model but an encoder"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "no causal language model but an encoder-decoder"),
        (GPT2 | {"architectures": ["GPT2ForSequenceClassification"]}, "but a model with another output head"),
        (
            GPT2 | {"quantization_config": {"quant_method": "gptq"}},
            "is quantised (quantization_config in config.json: g",
        ),
        (GPT2 | {"quantization_config": 4}, "is quantised (quantization_config in config.json)"),
        ({"model_type": "bloom"}, "type 'bloom', whose layout the analysis of neurons does not know: set neurons.arch"),
        ({"model_type": "own", "auto_map": {}}, "needs code of its own (auto_map in config.json), which is never run"),
        ({"model_type": "own"}, "type 'own', which the installed transformers does not know: install a newer version"),
        ({"n_positions": 64}, "has a config.json without model_type: give base_model.path a model"),
        ({"model_type": "../models"}, "type '../models', which the installed transformers does not know"),
        (GPT2 | {"architectures": 5}, "has 5 as architectures in config.json, but this must be a list of texts or nul"),
        (GPT2 | {"n_positions": "64"}, 'has "64" as n_positions in config.json, but this must be a whole number'),
        (GPT2 | {"n_layer": 0}, "has 0 as n_layer in config.json, but this must be a whole number of at least 1"),
        (GPT2 | {"n_embd": 3}, "has n_embd 3 in config.json, but none of its weights has this width"),
        (GPT2 | {"eos_token_id": None}, "has no end-of-text token (eos_token_id of config.json"),
        (GPT2 | {"vocab_size": 7}, "has 6 rows in its embeddings, but its config.json says vocab_size 7"),
    ],
)
def test_models_that_cannot_be_used_are_refused(tmp_path: Path, config: dict, words: str) -> None:
    assert words in fault(write(tmp_path, config))


@pytest.mark.parametrize("entry", [None, {}])
def test_an_empty_entry_of_quantisation_is_no_quantisation(tmp_path: Path, entry: object) -> None:
    check_given_model(write(tmp_path, GPT2 | {"quantization_config": entry}), KEY, LANGUAGE_MODEL)


def test_an_encoder_with_a_decoders_mask_is_judged_by_its_layout(tmp_path: Path) -> None:
    write(tmp_path, BERT | {"is_decoder": True, "architectures": ["BertLMHeadModel"]})

    assert "whose layout the analysis of neurons does not know" in fault(tmp_path)


def test_a_layout_may_be_named_in_the_config(tmp_path: Path) -> None:
    folder = write(tmp_path, {"model_type": "bloom"})

    check_given_model(folder, KEY, LanguageModelUse(architecture="gpt_neox"))
    assert "neurons.architecture" in fault(folder, LanguageModelUse(architecture="gpt3"))


@pytest.mark.parametrize("alone", [False, True])
def test_adapters_are_refused_with_the_remedy(tmp_path: Path, alone: bool) -> None:
    write(tmp_path, GPT2, adapter_config={"peft_type": "LORA"})
    if alone:
        (tmp_path / "config.json").unlink()
        (tmp_path / "model.safetensors").unlink()

    for use in (LANGUAGE_MODEL, GENERATION, None):
        message = fault(tmp_path, use)
        assert message.startswith(f"{tmp_path} holds an adapter (LORA, adapter_config.json)")
        assert "peft's merge_and_unload" in message and KEY in message


@pytest.mark.parametrize("use", [LANGUAGE_MODEL, GENERATION, None])
def test_weights_of_adapters_and_of_integers_are_refused(tmp_path: Path, use: LanguageModelUse | None) -> None:
    for name, kind, words in (
        ("h.0.attn.c_attn.lora_A.weight", np.float32, "has weights of an adapter (h.0.attn.c_attn.lora_A.weight)"),
        ("h.0.attn.c_attn.weight", np.int8, "is quantised (h.0.attn.c_attn.weight is stored as I8)"),
    ):
        file = write(tmp_path, GPT2) / "model.safetensors"
        save_file({"wte.weight": np.zeros((6, 2), np.float32), name: np.zeros((2, 2), kind)}, file)
        assert words in fault(tmp_path, use)


@pytest.mark.parametrize("entry", ["eos_token_id", "bos_token_id", "pad_token_id"])
def test_special_tokens_need_a_row_in_the_embeddings(tmp_path: Path, entry: str) -> None:
    several = entry == "eos_token_id"
    for ids in (5, [1, 5][: 2 * several] or 4):
        check_given_model(write(tmp_path, GPT2 | {entry: ids}), KEY, LANGUAGE_MODEL)
    for ids in (6, [1, 6][: 2 * several] or 6):
        message = fault(write(tmp_path, GPT2 | {entry: ids}))
        assert f"has embeddings of 6 tokens, but {entry} of config.json is 6: use the files" in message
    write(tmp_path, GPT2, generation_config={entry: 9})
    assert f"{entry} of generation_config.json is 9" in fault(tmp_path)
    check_given_model(tmp_path, KEY, None)


def test_no_padding_may_be_minus_one(tmp_path: Path) -> None:
    check_given_model(write(tmp_path, GPT2 | {"pad_token_id": -1}), KEY, LANGUAGE_MODEL)

    assert "eos_token_id of config.json is -1" in fault(write(tmp_path, GPT2 | {"eos_token_id": -1}))


def test_every_token_of_the_tokenizer_needs_a_row(tmp_path: Path) -> None:
    for use in (LANGUAGE_MODEL, None):
        write(tmp_path, GPT2 | {"vocab_size": 5}, rows=5)
        assert "the token 'e' of its tokenizer has the id 5" in fault(tmp_path, use)
        tokenizer = Tokenizer.from_file(str(write(tmp_path, GPT2) / "tokenizer.json"))
        tokenizer.add_special_tokens(["[PAD]"])
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        assert "the token '[PAD]' of its tokenizer has the id 6" in fault(tmp_path, use)
    check_given_model(tmp_path, KEY, GENERATION)


@pytest.mark.parametrize("text", ["{", "[]", ""])
@pytest.mark.parametrize(
    "name", ["generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "adapter_config.json"]
)
def test_a_damaged_file_of_the_users_folder_asks_for_another_model(tmp_path: Path, name: str, text: str) -> None:
    (write(tmp_path, GPT2) / name).write_text(text)

    message = fault(tmp_path)
    assert message.startswith(f"{tmp_path / name} is not a JSON object (")
    assert message.endswith(f"give {KEY} a model in Hugging Face format.")


def test_entries_of_the_generation_config_are_checked(tmp_path: Path) -> None:
    message = fault(write(tmp_path, GPT2, generation_config={"eos_token_id": "3"}))

    assert '"3" as eos_token_id in generation_config.json, but this must be a whole number or a list' in message
    check_given_model(tmp_path, KEY, None)


@pytest.mark.parametrize("name", ["tokenizer_config", "special_tokens_map"])
@pytest.mark.parametrize("token", ["<end>", {"content": "<end>"}])
def test_an_end_token_that_the_tokenizer_does_not_have_is_refused(tmp_path: Path, name: str, token: object) -> None:
    write(tmp_path, GPT2, **{name: {"eos_token": token}})

    words = f"has '<end>' as eos_token in {name}.json, but its tokenizer has no such token: name the token"
    assert words in fault(tmp_path)
    assert f"the token '<end>' of {name}.json will have the id 6" in fault(tmp_path, None)
    check_given_model(tmp_path, KEY, GENERATION)
    write(tmp_path, GPT2 | {"vocab_size": 7}, rows=7)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": token, "added_tokens_decoder": {"6": {"content": "<end>"}}})
    )
    check_given_model(tmp_path, KEY, LANGUAGE_MODEL)


@pytest.mark.parametrize(
    "entries",
    [{"pad_token": "<pad>"}, {"bos_token": {"content": "<pad>"}}, {"additional_special_tokens": ["a", "<pad>"]}],
)
def test_tokens_that_the_tokenizer_gets_need_a_row(tmp_path: Path, entries: dict) -> None:
    write(tmp_path, GPT2, tokenizer_config=entries)

    for use in (LANGUAGE_MODEL, None):
        assert "6 tokens, but the token '<pad>' of tokenizer_config.json will have the id 6: use" in fault(
            tmp_path, use
        )
    check_given_model(write(tmp_path, GPT2 | {"vocab_size": 7}, rows=7), KEY, LANGUAGE_MODEL)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {"9": {"content": "<pad>"}}}))
    assert "the token '<pad>' of tokenizer_config.json has the id 9" in fault(tmp_path)


def test_a_token_is_text(tmp_path: Path) -> None:
    for token in (5, ["a"], True, {"text": "a"}):
        write(tmp_path, GPT2, tokenizer_config={"bos_token": token})
        assert fault(tmp_path).startswith(f"{tmp_path / 'tokenizer_config.json'} has no token as bos_token but ")
    for tokens in (5, True, ["a", 5], {"image_token": 5}):
        write(tmp_path, GPT2, tokenizer_config={"extra_special_tokens": tokens})
        assert "tokenizer_config.json has no token as extra_special_tokens but " in fault(tmp_path)


def test_an_empty_tokenizer_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GPT2)
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))

    for use in (LANGUAGE_MODEL, None):
        assert fault(tmp_path, use) == f"{tmp_path / 'tokenizer.json'} has an empty vocabulary: correct {KEY}."


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"vocab.json": '{"a": 0, "b": 5}', "merges.txt": ""}, None),
        ({"vocab.txt": "a\nb\u2028\nc\x85\nd\x0c\ne\x1c\nf\n"}, None),
        ({"vocab.json": '{"a": 0, "b": 6}', "merges.txt": ""}, "but the token 'b' of vocab.json has the id 6"),
        ({"vocab.txt": "a\nb\nc\nd\ne\nf\ng\n"}, "but the token 'g' of vocab.txt has the id 6"),
        (
            {"vocab.json": '{"a": 0}'},
            "has a vocab.json but no merges.txt beside it: save the tokenizer with transformers",
        ),
        ({"vocab.json": "{}", "merges.txt": ""}, "vocab.json has no tokens with their numbers"),
        ({"vocab.json": '{"a": "b"}', "merges.txt": ""}, "vocab.json has no tokens with their numbers"),
        ({"vocab.json": "[1]", "merges.txt": ""}, "vocab.json is not a JSON object (it is a list)"),
        ({"vocab.txt": ""}, "vocab.txt has no tokens with their numbers"),
        ({"vocab.txt": "\udcff"}, "vocab.txt cannot be read ('utf-8' codec can't decode byte"),
        ({"tokenizer.model": "x"}, "has its tokenizer as tokenizer.model alone, which needs the package sentencepiece"),
        ({"spiece.model": "x"}, "has its tokenizer as spiece.model alone"),
    ],
)
def test_tokenizers_without_tokenizer_json(
    tmp_path: Path, files: dict, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: None if name in ("sentencepiece", "tiktoken") else find(name, *more),
    )
    (write(tmp_path, GPT2) / "tokenizer.json").unlink()
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogateescape")

    for use in (LANGUAGE_MODEL, None):
        if words is None:
            check_given_model(tmp_path, KEY, use)
        else:
            assert words in fault(tmp_path, use)


def test_a_tokenizer_of_another_version_is_one_sentence(tmp_path: Path) -> None:
    content = json.loads((write(tmp_path, GPT2) / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(content | {"pre_tokenizer": {"type": "FromTheFuture"}}))

    for use in (LANGUAGE_MODEL, None):
        message = fault(tmp_path, use)
        assert message.startswith(f"{tmp_path / 'tokenizer.json'} is not a tokenizer that tokenizers ")
        assert message.endswith(f"save it with this version, or correct {KEY}.")


@pytest.mark.parametrize(
    ("use", "template", "words"),
    [
        (LanguageModelUse(training_tokens=65), None, "finetuning.max_tokens is 65, but"),
        (LanguageModelUse(writing_tokens=65), None, "generation.block_tokens + generation.new_tokens is 65, but"),
        (
            LanguageModelUse(writing_tokens=64),
            "e $A",
            "generation.block_tokens + generation.new_tokens is 65 with the begin-of-text token, but",
        ),
    ],
)
def test_lengths_of_the_config_need_positions(
    tmp_path: Path, use: LanguageModelUse, template: str | None, words: str
) -> None:
    write(tmp_path, GPT2, template=template)
    fitting = LanguageModelUse(begin_token="never", training_tokens=64, writing_tokens=64)

    check_given_model(tmp_path, KEY, fitting)
    assert fault(tmp_path, use).startswith(words)
    assert f"{tmp_path} has 64 positions" in fault(tmp_path, use)


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"n_positions": 64}, 64),
        ({"max_position_embeddings": 512, "model_type": "bert"}, 512),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 512),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta"}, 512),
        ({"max_position_embeddings": 130, "model_type": "roberta", "pad_token_id": 0}, 129),
        ({"max_position_embeddings": None}, float("inf")),
        ({"max_position_embeddings": -1}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_positions_of_configs(config: dict, positions: float) -> None:
    assert positions_of(config) == positions


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """A hub whose every model is the folder `tmp_path`; return the downloads that are asked for."""
    asked: list[dict] = []

    def download(name: str, **options: Any) -> str:
        asked.append({"name": name} | options)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


HUB = GivenModel(source="hub", hub_id="somebody/model", revision="0" * 40)


def test_hub_models_are_downloaded_by_their_commit_and_checked(hub: list[dict], tmp_path: Path) -> None:
    write(tmp_path, GPT2)

    assert obtain_folder(HUB, "base_model", LANGUAGE_MODEL) == tmp_path
    assert (hub[0]["name"], hub[0]["revision"], hub[0]["local_files_only"]) == ("somebody/model", "0" * 40, False)
    stored = ["config.json", "model.safetensors", "merges.txt", "tokenizer.model", "model.safetensors.index.json"]
    others = [
        "pytorch_model.bin",
        "modeling_own.py",
        "onnx/config.json",
        "consolidated.safetensors",
        "a.fp16.safetensors",
    ]
    patterns = {name: hub[0][name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(stored + others, **patterns)) == stored
    write(tmp_path, BERT)
    with pytest.raises(StudyError, match=r"^The hub model somebody/model is no causal .*: give base_model\.hub_id a"):
        obtain_folder(HUB, "base_model", LANGUAGE_MODEL)


def test_a_cached_hub_model_is_checked_before_the_first_job(hub: list[dict], tmp_path: Path) -> None:
    (write(tmp_path, GPT2) / "model.safetensors").unlink()

    check_source(HUB, "base_model", LANGUAGE_MODEL)  # the download may bring the missing file
    assert [call["local_files_only"] for call in hub] == [True]
    write(tmp_path, GPT2 | {"quantization_config": {"quant_method": "awq"}})
    with pytest.raises(StudyError, match=r"The hub model somebody/model is quantised .*base_model\.hub_id"):
        check_source(HUB, "base_model", LANGUAGE_MODEL)


def test_a_file_that_was_removed_from_the_cache_is_left_to_its_download(hub: list[dict], tmp_path: Path) -> None:
    (write(tmp_path, GPT2) / "config.json").unlink()
    (tmp_path / "config.json").symlink_to("../gone")

    check_source(HUB, "base_model", LANGUAGE_MODEL)


def test_a_hub_model_that_is_not_cached_is_left_to_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> str:
        raise OSError("no\nnetwork")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)

    check_source(HUB, "base_model", LANGUAGE_MODEL)
    check_source(Encoder(source="scratch"), "quality.detector", None)
    with pytest.raises(StudyError, match=r"^The hub model somebody/model cannot be loaded \(no network\): try again"):
        obtain_folder(HUB, "base_model", LANGUAGE_MODEL)


def test_a_token_without_text_is_none(tmp_path: Path) -> None:
    write(tmp_path, GPT2, tokenizer_config={"unk_token": "", "bos_token": {"content": ""}})

    check_given_model(tmp_path, KEY, LANGUAGE_MODEL)
