"""Models and tokenizers from folders."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.load import (
    end_token,
    load_model,
    load_tokenizer,
    obtain_base_model,
    obtain_generation,
)


@pytest.fixture
def copy(base: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy of the base model's files, without what tells their checksums, to be spoiled."""
    return Path(shutil.copytree(base.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("metadata.json")))


def fault(call, *arguments: object, **options: object) -> str:
    with pytest.raises(StudyError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_folder_loads_in_float32_ready_to_read(copy: Path) -> None:
    model = load_model(copy)

    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    assert end_token(model) == 0


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()

    assert name in fault(load_model, copy)


def test_half_a_weights_file(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])

    assert f"{file} is not a whole safetensors file" in fault(load_model, copy)


@pytest.mark.parametrize("text", ['{"model_type": "gpt2"', '{"model_type": "no_such_model"}', '{"model_type": "vit"}'])
def test_a_config_of_no_language_model(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)

    assert f"{copy} holds no causal language model" in fault(load_model, copy)


def test_weights_of_another_shape(copy: Path) -> None:
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"n_embd": 64}))

    assert f"{copy} holds no causal language model" in fault(load_model, copy)


def test_weights_that_lack_a_part_are_not_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["transformer.h.1.mlp.c_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})

    assert "transformer.h.1.mlp.c_proj.weight" in fault(load_model, copy)


def test_tokenizer_faults(copy: Path) -> None:
    file = copy / "tokenizer.json"
    file.write_text(file.read_text()[:100])
    broken = fault(load_tokenizer, copy)
    file.unlink()
    missing = fault(load_tokenizer, copy)

    assert f"{file} is no tokenizer" in broken
    assert f"{file} does not exist" in missing


def test_a_tokenizers_own_cutting_and_padding_are_off(copy: Path) -> None:
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    expected = tokenizer.encode("The harbour council wins the vote.").ids
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(copy / "tokenizer.json"))

    assert load_tokenizer(copy).encode("The harbour council wins the vote.").ids == expected


def test_end_token_of_a_list_and_of_none(copy: Path) -> None:
    model = load_model(copy)
    model.config.eos_token_id = [5, 6]
    first = end_token(model)
    model.config.eos_token_id = None

    assert first == 5
    assert "eos_token_id" in fault(end_token, model)


@pytest.fixture
def foreign(base: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder as transformers itself saves it, in half precision."""
    torch.manual_seed(0)
    settings = GPT2Config(
        vocab_size=300, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(settings).to(torch.float16).save_pretrained(tmp_path / "foreign")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(base.folder / "tokenizer.json"), eos_token="<|endoftext|>")
    tokenizer.save_pretrained(tmp_path / "foreign")
    return tmp_path / "foreign"


def obtain(out: Path, folder: Path) -> None:
    obtain_base_model(out, source="folder", hub_id=None, revision=None, path=str(folder))


def test_a_folder_of_transformers_becomes_the_base_model(foreign: Path, tmp_path: Path) -> None:
    tokens = torch.tensor([[5, 40, 200, 7]])
    expected = GPT2LMHeadModel.from_pretrained(foreign, dtype=torch.float32).eval()(tokens).logits

    obtain(tmp_path / "base", foreign)

    model = load_model(tmp_path / "base")
    # Token by token, each from the start, as the slowest way of reading there is.
    slow = torch.stack([model(tokens[:, : k + 1]).logits[:, -1] for k in range(4)], dim=1)
    assert torch.allclose(slow, expected, atol=1e-6)
    assert {weight.dtype for weight in load_file(tmp_path / "base" / "model.safetensors").values()} == {torch.float32}
    assert sorted(file.name for file in (tmp_path / "base").iterdir()) == [
        "config.json",
        "metadata.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    text = "The harbour council wins."
    assert load_tokenizer(tmp_path / "base").encode(text).ids == load_tokenizer(foreign).encode(text).ids


def test_a_folder_without_a_tokenizer(foreign: Path, tmp_path: Path) -> None:
    (foreign / "tokenizer.json").unlink()
    (foreign / "tokenizer_config.json").unlink()

    assert str(foreign) in fault(obtain, tmp_path / "base", foreign)
    assert not (tmp_path / "base" / "model.safetensors").exists()


def test_a_folder_whose_weights_are_incomplete(foreign: Path, tmp_path: Path) -> None:
    weights = load_file(foreign / "model.safetensors")
    del weights["transformer.wpe.weight"]
    save_file(weights, foreign / "model.safetensors", metadata={"format": "pt"})

    assert "transformer.wpe.weight" in fault(obtain, tmp_path / "base", foreign)


@pytest.mark.parametrize("revision", [None, "main", "abc123"])
def test_a_hub_model_needs_a_pinned_revision(tmp_path: Path, revision: str | None) -> None:
    message = fault(obtain_base_model, tmp_path, source="hub", hub_id="gpt2", revision=revision, path=None)

    assert "base_model.revision" in message
    assert "40 hex digits" in message


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_files_of_a_foreign_model_are_checked_once_they_are_the_runs(foreign: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "results" / "base"
    obtain(out, foreign)
    load_model(out)
    load_tokenizer(out)
    told = json.loads((out / "metadata.json").read_text())
    assert told["source"] == {"folder": str(foreign)}
    content = bytearray((out / name).read_bytes())
    content[-3] ^= 4
    (out / name).write_bytes(content)

    message = fault(load_tokenizer if name == "tokenizer.json" else load_model, out)

    assert message == (
        f"{out / name} is not the file that {out / 'metadata.json'} tells of: delete it and run snakemake again."
    )


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_the_run_lacks_is_made_by_running_again(copy: Path, name: str) -> None:
    (copy / name).unlink()

    assert fault(load_model, copy).endswith(": run snakemake again to make it.")


def give(out: Path, folder: Path, base_model: Path, **changes: object) -> None:
    place = {"source": "folder", "hub_id": None, "revision": None, "path": str(folder)} | changes
    obtain_generation(out, base_model=base_model, key="rounds mine: models.3", **place)


def test_a_model_that_was_trained_elsewhere_becomes_a_generation(foreign: Path, tmp_path: Path) -> None:
    obtain(tmp_path / "base", foreign)
    model = load_model(tmp_path / "base")
    model.transformer.wte.weight.data += 0.1
    model.save_pretrained(tmp_path / "elsewhere")  # weights and config alone, no tokenizer

    give(tmp_path / "generation", tmp_path / "elsewhere", tmp_path / "base")

    found = load_model(tmp_path / "generation")
    assert torch.equal(found.transformer.wte.weight, model.transformer.wte.weight)
    assert sorted(f.name for f in (tmp_path / "generation").iterdir()) == [
        "config.json", "metadata.json", "model.safetensors",
    ]  # fmt: skip
    told = json.loads((tmp_path / "generation" / "metadata.json").read_text())
    assert told["given"]["path"] == str(tmp_path / "elsewhere")


def test_a_given_model_of_another_shape_is_refused(foreign: Path, base: SimpleNamespace, tmp_path: Path) -> None:
    message = fault(give, tmp_path / "generation", foreign, base.folder)

    assert "has not the shape of the base model" in message and "rounds mine: models.3" in message
    assert not (tmp_path / "generation" / "model.safetensors").exists()


def test_faults_of_a_given_model_name_its_key(foreign: Path, base: SimpleNamespace, tmp_path: Path) -> None:
    message = fault(give, tmp_path / "g", foreign, base.folder, source="hub", hub_id="refipsai/MM1", revision="main")
    assert message.startswith("rounds mine: models.3.revision is 'main'") and "refipsai/MM1" in message

    (foreign / "model.safetensors").rename(foreign / "pytorch_model.bin")
    message = fault(give, tmp_path / "g", foreign, base.folder)
    assert "no weights in safetensors" in message and "rounds mine: models.3.path" in message
