"""Models that are taken from folders and hubs into the run."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.load import end_tokens, load_model, load_tokenizer
from bias_amplification.language_model.obtain import obtain_base_model, obtain_generation
from bias_amplification.models.given import LanguageModelUse
from bias_amplification.models.special_tokens import begin_tokens, set_begin
from bias_amplification.study.sections import BaseModelSettings, GivenModel


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
    obtain_base_model(out, BaseModelSettings(source="folder", path=str(folder)))


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

    assert f"{foreign} has embeddings of 5 tokens, but bos_token_id of config.json is 50256" in fault(
        obtain, tmp_path / "base", foreign
    )
    for name in ("config.json", "generation_config.json"):
        change(foreign / name, bos_token_id=0)
    assert f"{foreign} has embeddings of 5 tokens, but the token" in fault(obtain, tmp_path / "base", foreign)


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


def change(file: Path, **entries: object) -> None:
    """Change entries of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def test_every_end_token_of_the_files_is_kept(foreign: Path, tmp_path: Path) -> None:
    obtain(tmp_path / "one", foreign)
    change(foreign / "config.json", eos_token_id=[5, 0])
    change(foreign / "generation_config.json", eos_token_id=[9, 5])
    obtain(tmp_path / "several", foreign)
    give(tmp_path / "generation", foreign, tmp_path / "one")
    change(foreign / "config.json", eos_token_id=7)
    give(tmp_path / "other", foreign, tmp_path / "several")

    assert config(tmp_path / "one")["eos_token_id"] == 0
    # The tokenizer's own is the first.
    assert end_tokens(load_model(tmp_path / "several")) == [0, 5, 9]
    # Generations end with the base model's end tokens.
    assert config(tmp_path / "generation")["eos_token_id"] == 0
    assert config(tmp_path / "other")["eos_token_id"] == [0, 5, 9]


def test_the_tokenizers_end_token_is_used_if_the_config_has_none(foreign: Path, tmp_path: Path) -> None:
    change(foreign / "config.json", eos_token_id=None)
    (foreign / "generation_config.json").unlink()

    obtain(tmp_path / "base", foreign)

    assert config(tmp_path / "base")["eos_token_id"] == 0


@pytest.mark.parametrize(
    ("begin_token", "adds", "begin"),
    [("tokenizer", [7], [7]), ("tokenizer", [], []), ("never", [7], []), ("always", [7], [7]), ("always", [], [0])],
)
def test_the_runs_tokenizer_has_the_habit_of_the_config(
    foreign: Path, tmp_path: Path, begin_token: str, adds: list[int], begin: list[int]
) -> None:
    tokenizer = load_tokenizer(foreign)
    set_begin(tokenizer, adds)
    tokenizer.save(str(foreign / "tokenizer.json"))
    change(foreign / "tokenizer_config.json", bos_token="<|endoftext|>", add_bos_token=bool(adds))

    obtain_base_model(tmp_path / "base", BaseModelSettings(source="folder", path=str(foreign), begin_token=begin_token))

    made = load_tokenizer(tmp_path / "base")
    plain = made.encode("The mayor", add_special_tokens=False).ids
    assert begin_tokens(made) == begin
    assert made.encode("The mayor").ids == AutoTokenizer.from_pretrained(tmp_path / "base")("The mayor").input_ids
    assert made.encode("The mayor").ids == [*begin, *plain]


def test_lengths_of_the_study_are_checked_before_loading(foreign: Path, tmp_path: Path) -> None:
    source = BaseModelSettings(source="folder", path=str(foreign))

    with pytest.raises(StudyError, match=rf"finetuning.max_tokens is 33, but {foreign} has 32 positions"):
        obtain_base_model(tmp_path / "base", source, LanguageModelUse(training_tokens=33))


def test_a_hub_model_becomes_the_base_model(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(foreign))
    hub = BaseModelSettings(source="hub", hub_id="somebody/model", revision="0" * 40)

    obtain(tmp_path / "folder", foreign)
    obtain_base_model(tmp_path / "hub", hub)

    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "hub" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()
    source = json.loads((tmp_path / "hub" / "metadata.json").read_text())["source"]
    assert source == {"hub_id": "somebody/model", "revision": "0" * 40}
    (foreign / "adapter_config.json").write_text("{}")
    message = fault(obtain_base_model, tmp_path / "hub", hub)
    assert message.startswith("The hub model somebody/model holds an adapter") and "base_model.hub_id" in message


def test_faults_of_a_hub_name_the_model_and_its_key(base: SimpleNamespace, tmp_path: Path) -> None:
    # A path is not an id of a hub, which is noticed without a connection.
    source = BaseModelSettings(source="hub", hub_id=str(tmp_path / "absent"), revision="0" * 40)

    message = fault(obtain_base_model, tmp_path / "base", source)
    given = fault(obtain_generation, tmp_path / "generation", base.folder, source, "rounds mine: models.3")

    assert message.startswith(f"The hub model {source.hub_id} cannot be loaded (")
    assert message.endswith("or correct base_model.hub_id.")
    assert given.startswith(f"The hub model {source.hub_id} cannot be loaded (")
    assert given.endswith("or correct rounds mine: models.3.hub_id.")
