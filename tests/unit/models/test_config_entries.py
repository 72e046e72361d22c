"""Entries of config.json: their types are compared with what transformers' own config classes accept."""

import copy
from typing import Any

import pytest
from transformers import AutoConfig
from transformers.activations import ACT2FN
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from bias_amplification.artifacts import StudyError
from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.models.entries import activations, check_entries, check_plain, check_sizes, declared_types

KEY = "base_model.path"
KINDS = ["gpt2", "gpt_neo", "llama", "gemma", "bert", "distilbert", "modernbert"]
VALUES = [None, True, 8, 0.5, "silu", [8], {}]


def fault(content: dict[str, Any], **options: Any) -> str | None:
    """Return the one sentence that refuses entries, or None."""
    try:
        check_entries(content, KEY, "it", **options)
    except StudyError as error:
        assert str(error).startswith("it has ") and str(error).endswith(f"or give {KEY} another model.")
        return str(error)
    return None


def accepted(kind: str, content: dict[str, Any]) -> bool:
    """Return whether transformers makes a config of the content."""
    try:
        AutoConfig.for_model(kind, **copy.deepcopy(content))
    except Exception:  # transformers and huggingface_hub raise errors of many types
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_those_that_transformers_accepts(kind: str) -> None:
    types = declared_types(kind)
    others = set(CONFIG_MAPPING[kind].attribute_map)
    assert types["hidden_size"] == types["vocab_size"] == "int"

    for entry, value in ((entry, value) for entry in types.keys() - others for value in VALUES):
        refused, right = bool(fault({"model_type": kind, entry: value})), accepted(kind, {entry: value})
        assert not (refused and right), (entry, value, types[entry])
        # transformers asks more of these maps and lists, and compares sizes with each other.
        if entry not in ("rope_parameters", "layer_types", "attention_types", "classifier_pooling") and value != 8:
            assert refused or right, (entry, value, types[entry])


@pytest.mark.parametrize("kind", [*ARCHITECTURES, "bert", "roberta", "albert", "modernbert", "deberta-v2"])
def test_the_entries_of_an_architecture_itself_are_accepted(kind: str) -> None:
    assert fault(AutoConfig.for_model(kind).to_dict()) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"architectures": 5}, "it has 5 as architectures in config.json, but this must be a list of texts or null:"),
        ({"architectures": "GPT2LMHeadModel"}, 'it has "GPT2LMHeadModel" as architectures'),
        ({"model_type": "llama", "max_position_embeddings": "128"}, 'has "128" as max_position_embeddings in config.j'),
        ({"model_type": "gpt2", "max_position_embeddings": "128"}, "but this must be a whole number:"),
        ({"eos_token_id": "3"}, "this must be a whole number or a list of whole numbers or null:"),
        ({"eos_token_id": [3, True]}, "it has [3, true] as eos_token_id"),
        ({"model_type": "llama", "tie_word_embeddings": "false"}, "this must be true or false:"),
        ({"num_attention_heads": 0}, "it has 0 as num_attention_heads in config.json, but this must be a whole number"),
        ({"n_layer": -1}, "a whole number of at least 1"),
        ({"layer_norm_epsilon": float("nan")}, "it has NaN as layer_norm_epsilon in config.json, but this must be a f"),
        ({"hidden_act": "nope"}, "this must be the name of an activation function that transformers has"),
        ({"id2label": ["a"] * 99}, "…"),
        ({"model_type": "llama", "text_config": {}}, "it has {} as text_config in config.json, but this must be null"),
    ],
)
def test_entries_of_a_wrong_type_or_size_are_refused(content: dict[str, Any], words: str) -> None:
    assert words in (fault(content) or "")


def test_entries_of_the_generation_config_are_checked_too() -> None:
    assert "it has 3.0 as eos_token_id in generation_config.json" in (
        fault({"eos_token_id": 3.0}, file="generation_config.json") or ""
    )


@pytest.mark.parametrize("kind", ["", "..", "../gpt2", "no_such_type"])
def test_a_type_that_transformers_does_not_have_declares_nothing(kind: str) -> None:
    assert declared_types(kind) == {}


LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 24}
STORED = {
    "model.embed_tokens.weight": [6, 8],
    "model.layers.0.mlp.down_proj.weight": [8, 24],
    "model.layers.1.mlp.down_proj.weight": [8, 24],
}


def weights_fault(config: dict[str, Any], dtype: str = "BF16", **shapes: list[int]) -> str | None:
    """Return the one sentence that refuses weights, or None."""
    tensors = {name: {"shape": shape, "dtype": dtype} for name, shape in (STORED | shapes).items()}
    try:
        check_plain(tensors, KEY, "it")
        check_sizes(config, tensors, KEY, "it")
    except StudyError as error:
        assert KEY in str(error)
        return str(error)
    return None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, None),
        ({"num_hidden_layers": 3, "intermediate_size": 12}, None),  # loading tells that weights are missing
        (
            {"num_hidden_layers": 1},
            "it has num_hidden_layers 1 in config.json, but its weights have 2 layers (model.la",
        ),
        ({"hidden_size": 4}, "it has hidden_size 4 in config.json, but none of its weights has this width: give base_"),
        ({"intermediate_size": 18}, "but none of its weights has this width of the feed-forward network"),
        (
            {"model_type": "bert", "num_attention_heads": 3},
            "num_attention_heads 3 in config.json, which does not divide",
        ),
        ({"model_type": "llama", "num_attention_heads": 3, "head_dim": 4}, None),
    ],
)
def test_sizes_are_those_of_the_weights(config: dict[str, Any], words: str | None) -> None:
    found = weights_fault(LLAMA | config)

    assert found is None if words is None else words in (found or "")


def test_a_folder_without_weights_yet_has_no_sizes() -> None:
    check_sizes(LLAMA, {}, KEY, "it")


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.h.0.attn.lora_B.default.weight",
        "model.layers.0.oft_R.weight",
        "score.modules_to_save.default.weight",
        "h.0.adapter.down.weight",
    ],
)
def test_weights_of_adapters_are_refused(name: str) -> None:
    assert f"it has weights of an adapter ({name}), which would not be used" in (
        weights_fault(LLAMA, **{name: [4, 8]}) or ""
    )


@pytest.mark.parametrize("dtype", ["I8", "U8", "F8_E4M3", "I32"])
def test_weights_that_are_stored_as_other_numbers_are_quantised(dtype: str) -> None:
    assert f"it is quantised (model.embed_tokens.weight is stored as {dtype})" in (weights_fault(LLAMA, dtype) or "")
    buffers = {"h.0.attn.bias": [1, 1, 4, 4], "bert.embeddings.position_ids": [1, 8]}
    check_plain({name: {"shape": shape, "dtype": dtype} for name, shape in buffers.items()}, KEY, "it")


def test_activation_functions_are_those_of_transformers() -> None:
    assert activations() == set(ACT2FN)
