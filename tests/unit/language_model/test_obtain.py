"""Models that are taken from folders and hubs into the run."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.load import load_model, load_tokenizer
from bias_amplification.language_model.obtain import obtain_base_model, obtain_generation
from bias_amplification.study.sections import GivenModel, ModelSource


def fault(call, *arguments: object) -> str:
    """Return the one-line message of the error that a call raises."""
    with pytest.raises(StudyError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def foreign(base: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder as transformers saves it, in half precision."""
    torch.manual_seed(0)
    settings = GPT2Config(
        vocab_size=300, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(settings).to(torch.float16).save_pretrained(tmp_path / "foreign")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(base.folder / "tokenizer.json"), eos_token="<|endoftext|>")
    tokenizer.save_pretrained(tmp_path / "foreign")
    return tmp_path / "foreign"


def obtain(out: Path, folder: Path) -> None:
    obtain_base_model(out, ModelSource(source="folder", path=str(folder)))


def give(out: Path, folder: Path, base_model: Path) -> None:
    source = GivenModel(source="folder", path=str(folder))
    obtain_generation(out, base_model, source, "rounds mine: models.3")


def test_a_folder_of_transformers_becomes_the_base_model(foreign: Path, tmp_path: Path) -> None:
    tokens = torch.tensor([[5, 40, 200, 7]])
    expected = GPT2LMHeadModel.from_pretrained(foreign, dtype=torch.float32).eval()(tokens).logits

    obtain(tmp_path / "base", foreign)

    model = load_model(tmp_path / "base")
    # Logits of each token computed separately, from the beginning of the text.
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


def test_a_folder_without_a_tokenizer_is_refused(foreign: Path, tmp_path: Path) -> None:
    (foreign / "tokenizer.json").unlink()
    (foreign / "tokenizer_config.json").unlink()

    assert str(foreign) in fault(obtain, tmp_path / "base", foreign)
    assert not (tmp_path / "base" / "model.safetensors").exists()


def test_a_tokenizer_of_another_model_is_refused(foreign: Path, tmp_path: Path) -> None:
    settings = GPT2Config(vocab_size=5, n_positions=32, n_embd=16, n_layer=1, n_head=2, eos_token_id=0)
    GPT2LMHeadModel(settings).save_pretrained(foreign)

    assert f"{foreign} has no tokenizer that fits its model" in fault(obtain, tmp_path / "base", foreign)


def test_missing_weights_are_named(foreign: Path, tmp_path: Path) -> None:
    weights = load_file(foreign / "model.safetensors")
    del weights["transformer.wpe.weight"]
    save_file(weights, foreign / "model.safetensors", metadata={"format": "pt"})

    message = fault(obtain, tmp_path / "base", foreign)

    assert message == (
        f"The base model {foreign} cannot be loaded (1 of the weights that its config.json names are missing, first "
        "transformer.wpe.weight): correct base_model.path."
    )


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_files_of_the_base_model_are_checked_against_their_checksums(foreign: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "results" / "base"
    obtain(out, foreign)
    load_model(out)
    load_tokenizer(out)
    assert json.loads((out / "metadata.json").read_text())["source"] == {"folder": str(foreign)}
    content = bytearray((out / name).read_bytes())
    content[-3] ^= 4
    (out / name).write_bytes(content)

    message = fault(load_tokenizer if name == "tokenizer.json" else load_model, out)

    assert message.startswith(f"{out / name} ")
    assert str(out / "metadata.json") in message
    assert message.endswith(": delete it and run snakemake again.")


def test_a_model_that_was_trained_elsewhere_becomes_a_generation(foreign: Path, tmp_path: Path) -> None:
    obtain(tmp_path / "base", foreign)
    model = load_model(tmp_path / "base")
    model.transformer.wte.weight.data += 0.1
    model.save_pretrained(tmp_path / "elsewhere")  # weights and config without a tokenizer

    give(tmp_path / "generation", tmp_path / "elsewhere", tmp_path / "base")

    found = load_model(tmp_path / "generation")
    assert torch.equal(found.transformer.wte.weight, model.transformer.wte.weight)
    assert sorted(f.name for f in (tmp_path / "generation").iterdir()) == [
        "config.json", "metadata.json", "model.safetensors",
    ]  # fmt: skip
    assert json.loads((tmp_path / "generation" / "metadata.json").read_text())["given"] == {
        "source": "folder", "hub_id": None, "revision": None, "path": str(tmp_path / "elsewhere"),
    }  # fmt: skip


def test_a_given_model_of_another_shape_is_refused(foreign: Path, base: SimpleNamespace, tmp_path: Path) -> None:
    message = fault(give, tmp_path / "generation", foreign, base.folder)

    assert "does not have the shape of the base model" in message and "rounds mine: models.3" in message
    assert not (tmp_path / "generation" / "model.safetensors").exists()


def test_faults_of_a_given_model_name_its_key(foreign: Path, base: SimpleNamespace, tmp_path: Path) -> None:
    (foreign / "model.safetensors").rename(foreign / "pytorch_model.bin")

    message = fault(give, tmp_path / "generation", foreign, base.folder)

    assert "no weights in safetensors" in message and "rounds mine: models.3.path" in message


def test_faults_of_a_hub_name_the_model_and_its_key(base: SimpleNamespace, tmp_path: Path) -> None:
    # A path is not an id of a hub, which is noticed without a connection.
    source = ModelSource(source="hub", hub_id=str(tmp_path / "absent"), revision="0" * 40)

    message = fault(obtain_base_model, tmp_path / "base", source)
    given = fault(obtain_generation, tmp_path / "generation", base.folder, source, "rounds mine: models.3")

    assert message.startswith(f"The base model {source.hub_id} cannot be loaded (")
    assert message.endswith(": correct base_model.hub_id.")
    assert given.startswith(f"The model {source.hub_id} cannot be loaded (")
    assert given.endswith(": correct rounds mine: models.3.hub_id.")
