"""Sizes of models, and what computing with them holds in memory."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

from bias_amplification.study.costs.needs import Needs
from bias_amplification.study.costs.sizes import encoder_bytes, model_bytes, working_bytes


def test_size_of_a_pretrained_model_follows_from_its_settings(make_study):
    study = make_study()
    size = study.base_model.pretraining
    config = GPT2Config(
        n_layer=size.layers,
        n_embd=size.width,
        n_head=size.heads,
        n_positions=size.context,
        vocab_size=size.vocabulary,
    )
    model = GPT2LMHeadModel(config)

    assert model_bytes(study) == 4 * sum(parameter.numel() for parameter in model.parameters())


def test_models_in_half_precision_are_counted_in_float32(make_study, tmp_path):
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=2, n_positions=32, vocab_size=300))
    model.to(torch.float16).save_pretrained(tmp_path / "half")

    study = make_study(base_model={"source": "folder", "path": str(tmp_path / "half")})

    assert model_bytes(study) == 4 * sum(parameter.numel() for parameter in model.parameters())


def save_gpt2(folder, **shape):
    """Save a GPT-2 and return it as a source of the config."""
    config = GPT2Config(vocab_size=300, n_positions=128, bos_token_id=0, eos_token_id=0, **shape)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return {"source": "folder", "path": str(folder)}


@pytest.mark.parametrize(
    ("shape", "tokens", "expected"),
    [
        # Vectors of the width for each token and block. The first two are measured with GPT-2 124M (docs/speed.md).
        ({"n_layer": 12, "n_embd": 768, "n_head": 12}, 512, 42),
        ({"n_layer": 12, "n_embd": 768, "n_head": 12}, 1024, 66),
        ({"n_layer": 2, "n_embd": 48, "n_head": 3}, 64, 30),
    ],
)
def test_activations_of_a_training_step(make_study, tmp_path, shape, tokens, expected):
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 300, "model_type": "gpt2"} | shape))
    (tmp_path / "model.safetensors").touch()
    study = make_study(
        base_model={"source": "folder", "path": str(tmp_path)}, finetuning={"max_tokens": tokens, "batch_size": 8}
    )

    assert working_bytes(study, "train") == 4 * shape["n_layer"] * shape["n_embd"] * 8 * tokens * expected


def test_keys_and_values_of_a_batch_of_prompts(make_study, tmp_path):
    """GPT-2 124M with 256 prompts of 64 tokens that are continued by 64 tokens holds 2,416 MB."""

    def model(**more):
        shape = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50_257}
        (tmp_path / "config.json").write_text(json.dumps(shape | more))

    model()
    base = {"source": "folder", "path": str(tmp_path)}
    rounds = [{"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"}]
    beams = [rounds[0] | {"decoding": {"method": "beam", "beams": 5}}]

    def kept(rounds, **generation):
        return working_bytes(make_study(base_model=base, rounds=rounds, generation=generation), "generate")

    whole = kept(rounds)
    assert whole == 256 * 128 * 12 * 768 * 2 * 4
    assert kept(rounds, batch_prompts=32) == whole / 8
    # 51 prompts of five beams. transformers copies the keys and values in each step and holds all logits.
    assert kept(beams) == whole * 255 / 256 * 2 + 5 * 4 * 255 * 50_257
    model(num_key_value_heads=3)
    # Twelve heads share the keys of three.
    assert kept(rounds, block_tokens=16) == whole / 4 * 80 / 128


@pytest.mark.parametrize(
    ("shape", "generation", "method", "measured"),
    [
        # A shallow model, long blocks, a large vocabulary. Peaks of a GPT-2 of this shape on a CPU, in MB, including
        # the model and libraries (about 650).
        ((2, 512, 50_257), {"block_tokens": 448, "new_tokens": 4}, "greedy", 4581),
        ((2, 256, 50_257), {"batch_prompts": 2048}, "greedy", 2910),
        ((2, 64, 152_000), {}, "nucleus", 2130),
    ],
)
def test_memory_for_writing_exceeds_measured_peaks(make_study, tmp_path, shape, generation, method, measured):
    layers, width, vocabulary = shape
    folder = tmp_path / "model"
    folder.mkdir()
    named = {"n_layer": layers, "n_embd": width, "n_head": 4, "vocab_size": vocabulary, "model_type": "gpt2"}
    (folder / "config.json").write_text(json.dumps(named))
    save_file({"all": torch.empty(12 * layers * width**2 + vocabulary * width)}, folder / "model.safetensors")
    decoding = {"method": method} | ({"top_p": 0.9} if method == "nucleus" else {})
    round_ = {"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"}
    study = make_study(
        base_model={"source": "folder", "path": str(folder)},
        rounds=[round_ | {"decoding": decoding}],
        generation={"block_tokens": 64, "new_tokens": 64} | generation,
    )

    asked = Needs(study)("generate")["mem_mb"](None, attempt=1)

    assert 1.05 * measured < asked < 2 * measured


@pytest.mark.parametrize(("vocabulary", "measured"), [(250_880, 6746), (256_000, 6851)])
def test_memory_for_training_with_all_logits_exceeds_measured_peaks(make_study, tmp_path, vocabulary, measured):
    """The peaks, in MB, are those of Bloom and Gemma with two blocks, for 8 examples of 256 tokens."""
    named = {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": vocabulary, "model_type": "bloom"}
    (tmp_path / "config.json").write_text(json.dumps(named))
    save_file({"all": torch.empty(vocabulary * 64)}, tmp_path / "model.safetensors")
    study = make_study(
        base_model={"source": "folder", "path": str(tmp_path)}, finetuning={"max_tokens": 256, "batch_size": 8}
    )

    assert 1.05 * measured < Needs(study)("train")["mem_mb"](None, attempt=1) < 2 * measured


def test_measuring_more_tokens_at_once_holds_more(make_study):
    few, many = (working_bytes(make_study(compute={"batch_tokens": tokens}), "measure") for tokens in (16_384, 131_072))
    assert many == 8 * few > 0


def test_hub_models_have_their_own_shape_once_downloaded(make_study, tmp_path):
    study = make_study(base_model={"source": "hub", "hub_id": "a/b", "revision": "0" * 40})
    before = working_bytes(study, "train")
    assert model_bytes(study) is None
    base = tmp_path / "results" / "base"
    base.mkdir(parents=True)
    medium = {"n_layer": 24, "n_embd": 1024, "n_head": 16, "vocab_size": 50_257, "model_type": "gpt2"}
    (base / "config.json").write_text(json.dumps(medium))

    (base / "model.safetensors").write_bytes(bytes(1000))

    assert working_bytes(study, "train") > 2 * before
    assert model_bytes(study) == 1000


def test_size_of_the_largest_encoder(make_study, tmp_path):
    small = {"name": "small", "layers": 2, "width": 64, "vocabulary": 2000}
    hub = {"name": "hub", "source": "hub", "hub_id": "a/b", "revision": "0" * 40}
    folder = {"name": "folder", **save_gpt2(tmp_path / "model", n_layer=1, n_embd=1024, n_head=2)}

    def size(*candidates):
        smallest = {"detector": {"layers": 1, "width": 32, "vocabulary": 300}}
        return encoder_bytes(make_study(classifier={"candidates": list(candidates)}, quality=smallest))

    assert size(small) == 4 * (2 * 12 * 64**2 + 2000 * 64)
    assert size(small, hub) == 500_000_000
    assert size(small, folder) == 4 * (1024 * (300 + 128) + 12 * 1024**2 + 13 * 1024 + 2 * 1024)


def test_encoders_that_are_not_trained_hold_no_activations(make_study):
    ready = {"name": "ready", "train": False, "source": "hub", "hub_id": "a/b", "revision": "0" * 40}
    detector = {"detector": {"source": "hub", "hub_id": "a/b", "revision": "0" * 40}}

    assert working_bytes(make_study(classifier={"candidates": [ready]}, quality=detector), "train_encoder") == 0
    trained = working_bytes(make_study(classifier={"candidates": [ready]}), "train_encoder")
    assert trained == 4 * 2 * 32 * 64 * (30 * 64 + 3 * 2 * 64)
    # An encoder of the hub that the run trains has the usual shape, which is larger.
    detector["detector"]["train"] = True
    assert working_bytes(make_study(classifier={"candidates": [ready]}, quality=detector), "train_encoder") > trained
