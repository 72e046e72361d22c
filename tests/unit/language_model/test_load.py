"""Loading and saving of models and tokenizers."""

import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.load import (
    end_token,
    end_tokens,
    load_model,
    load_tokenizer,
    max_positions,
    save_model,
)


@pytest.fixture
def copy(base: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy of the base model's files for a test to damage, without the metadata.json that has their checksums."""
    return Path(shutil.copytree(base.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("metadata.json")))


def fault(call, *arguments: object, **options: object) -> str:
    with pytest.raises(StudyError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_loads_in_float32_and_eval_mode(copy: Path) -> None:
    model = load_model(copy)

    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    assert end_token(model) == 0


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()

    assert name in fault(load_model, copy)


def test_the_log_says_how_long_reading_and_moving_take(copy: Path, capsys: pytest.CaptureFixture) -> None:
    load_model(copy)
    assert capsys.readouterr().out == ""

    # PyTorch's device without memory, in place of a GPU.
    assert load_model(copy, "meta").device.type == "meta"
    assert re.search(rf"{copy}: read in \d+\.\d s, moved to the GPU in \d\.\d s\n", capsys.readouterr().out)


def test_truncated_weights_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])

    assert f"{file} is not a whole safetensors file" in fault(load_model, copy)


@pytest.mark.parametrize("text", ['{"model_type": "gpt2"', '{"model_type": "no_such_model"}', '{"model_type": "vit"}'])
def test_a_config_of_another_kind_of_model_is_refused(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)

    assert f"{copy} does not hold a causal language model" in fault(load_model, copy)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"n_inner": 24}))

    message = fault(load_model, copy)
    assert message.startswith(f"{copy} does not hold a causal language model (its weight transformer.h.0.mlp.c_fc.bias")
    assert "but its config.json asks for [24]" in message


def test_missing_weights_are_named(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["transformer.h.1.mlp.c_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})

    assert "transformer.h.1.mlp.c_proj.weight" in fault(load_model, copy)


def rewrite(folder: Path, **tensors: torch.Tensor) -> None:
    """Add tensors to a folder's weights."""
    weights = load_file(folder / "model.safetensors") | tensors
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


BLOCK = "transformer.h.0.attn"


@pytest.mark.parametrize(
    "name", [f"{BLOCK}.c_attn.lora_A.weight", f"{BLOCK}.q_proj.bias", "v_head.weight", "h.9.a.bias"]
)
def test_weights_that_the_model_does_not_have_are_refused(copy: Path, name: str) -> None:
    rewrite(copy, **{name: torch.ones(3)})

    message = fault(load_model, copy)
    assert f"names no place for 1 of its weights, first {name}: use the config.json" in message


def test_layers_that_the_config_leaves_out_are_refused(copy: Path) -> None:
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"n_layer": 1}))

    assert "no place for 11 of its weights, first transformer.h.1.attn.c_attn.weight" in fault(load_model, copy)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_finite_numbers_are_refused(copy: Path, value: float) -> None:
    bias = load_model(copy).transformer.ln_f.bias.detach().clone()
    bias[3] = value
    rewrite(copy, **{"transformer.ln_f.bias": bias})

    assert "(its weight transformer.ln_f.bias has values that are not finite numbers)" in fault(load_model, copy)


def test_old_buffers_and_a_tied_head_are_not_missed(copy: Path) -> None:
    before = load_model(copy)
    rewrite(
        copy,
        **{f"{BLOCK}.bias": torch.ones(1, 1, 4, 4), f"{BLOCK}.masked_bias": torch.tensor(-1e4)},
        **{"lm_head.weight": before.lm_head.weight.detach().clone()},
    )

    tokens = torch.tensor([[5, 9, 7]])
    assert torch.equal(load_model(copy)(tokens).logits, before(tokens).logits)


@pytest.mark.parametrize("entry", [None, {}])
def test_an_empty_entry_of_quantisation_is_no_quantisation(copy: Path, tmp_path: Path, entry: object) -> None:
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"quantization_config": entry}))

    save_model(load_model(copy), tmp_path / "saved")

    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())


def test_whatever_loading_raises_is_one_sentence(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise KeyError("an entry\nof a table")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)

    assert f"{copy} does not hold a causal language model ('an entry" in fault(load_model, copy)


def test_tokenizer_faults(copy: Path) -> None:
    file = copy / "tokenizer.json"
    file.write_text(file.read_text()[:100])
    broken = fault(load_tokenizer, copy)
    file.unlink()
    missing = fault(load_tokenizer, copy)

    assert f"{file} is not a tokenizer" in broken
    assert f"{file} does not exist" in missing


def test_faults_of_a_given_tokenizer_name_its_key(copy: Path) -> None:
    file, key = copy / "tokenizer.json", "base_model.pretraining.tokenizer"
    (copy / "metadata.json").write_text("another program's file")
    assert load_tokenizer(copy, key).get_vocab_size()

    file.write_text(file.read_text()[:100])
    broken = fault(load_tokenizer, copy, key)
    file.unlink()
    missing = fault(load_tokenizer, copy, key)

    assert broken.endswith(f"correct {key}.")
    assert f"give {key} a folder" in missing


def test_a_tokenizers_own_truncation_and_padding_are_off(copy: Path) -> None:
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    expected = tokenizer.encode("The harbour council wins the vote.").ids
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(copy / "tokenizer.json"))

    assert load_tokenizer(copy).encode("The harbour council wins the vote.").ids == expected


def test_the_end_token(copy: Path) -> None:
    model = load_model(copy)
    model.config.eos_token_id = [5, 6]
    first, every = end_token(model), end_tokens(model)
    model.config.eos_token_id = None

    assert (first, every) == (5, [5, 6])
    assert "eos_token_id" in fault(end_token, model)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_of_the_run_is_remade_by_running_again(copy: Path, name: str) -> None:
    (copy / name).unlink()

    assert "run snakemake again" in fault(load_model, copy)


def test_a_saved_model_has_two_files_and_uses_its_cache(copy: Path, tmp_path: Path) -> None:
    model = load_model(copy)
    model.config.use_cache = False

    save_model(model, tmp_path / "saved")

    assert sorted(file.name for file in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    saved = load_model(tmp_path / "saved")
    assert saved.config.use_cache
    assert torch.equal(saved.transformer.wte.weight, model.transformer.wte.weight)


@pytest.mark.parametrize(
    ("config", "positions"),
    [({"max_position_embeddings": 64}, 64), ({"max_position_embeddings": None}, math.inf), ({}, math.inf)],
)
def test_a_config_may_set_no_limit_of_positions(config: dict, positions: float) -> None:
    assert max_positions(SimpleNamespace(config=SimpleNamespace(**config))) == positions
