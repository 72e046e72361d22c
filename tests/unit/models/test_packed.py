"""Products from packed weights against products in double precision, and models that compute with them."""

import copy

import pytest
import torch
from small_models import ARCHITECTURES, SMALL, untrained
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
)

from bias_amplification.language_model.generate import continue_prompts
from bias_amplification.language_model.load import fuse_activations
from bias_amplification.language_model.perplexity import perplexities
from bias_amplification.language_model.prompt_batches import Prompts
from bias_amplification.models.packed import packed, packed_product
from bias_amplification.study.sections import Decoding, Generation

HAS_ONEDNN = torch.backends.mkldnn.is_available()


@pytest.mark.skipif(not HAS_ONEDNN, reason="this PyTorch has no oneDNN")
@pytest.mark.parametrize("shape", [(1, 5), (300, 5), (2, 7, 5), (0, 5)])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("gelu", [True, False])
def test_products_are_those_of_double_precision(shape: tuple[int, ...], has_bias: bool, gelu: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(9, 5, generator=generator)
    bias = torch.randn(9, generator=generator) if has_bias else None
    rows = torch.randn(shape, generator=generator)
    exact = torch.nn.functional.linear(rows.double(), weight.double(), bias.double() if has_bias else None)
    if gelu:
        exact = torch.nn.functional.gelu(exact, approximate="tanh")

    found = packed_product(weight, bias, gelu=gelu)(rows)

    assert found.shape == (*shape[:-1], 9)
    assert torch.allclose(found.double(), exact, atol=1e-5)


ENCODERS = {
    "roberta": {**SMALL, "max_position_embeddings": 64, "type_vocab_size": 1},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
    "modernbert": {**SMALL, "max_position_embeddings": 64},
}


def with_biases(name: str) -> PreTrainedModel:
    if name in ARCHITECTURES:
        model = untrained(name)
    else:
        torch.manual_seed(4)
        special = dict.fromkeys(("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id", "pad_token_id"), 0)
        config = AutoConfig.for_model(name, vocab_size=50, **special, **ENCODERS[name])
        model = AutoModelForSequenceClassification.from_config(config).eval()
    for parameter in model.parameters():
        # A new model's biases are zero; a missing bias would not be noticed.
        if parameter.ndim == 1:
            parameter.data.add_(torch.randn(parameter.shape), alpha=0.3)
    return model


@pytest.mark.parametrize("name", [*ARCHITECTURES, *ENCODERS])
def test_a_packed_model_computes_the_same(name: str) -> None:
    model = with_biases(name)
    fuse_activations(model)
    exact = copy.deepcopy(model).double()
    tokens = torch.randint(4, 50, (3, 11), generator=torch.Generator().manual_seed(1))

    with torch.inference_mode(), packed(model):
        replaced = {n for n, layer in model.named_modules() if "forward" in vars(layer)}
        found = model(input_ids=tokens).logits

    with torch.inference_mode():
        assert torch.allclose(found.double(), exact(input_ids=tokens).logits, rtol=1e-4, atol=1e-4)
    output = {n for n, layer in model.named_modules() if layer is model.get_output_embeddings()}
    assert not output & replaced
    if HAS_ONEDNN:
        linear = {n for n, layer in model.named_modules() if type(layer).__name__ in ("Linear", "Conv1D")} - output
        assert linear <= replaced
        assert len(replaced - linear) == (2 if name == "gpt2" else 0), "activations that the products apply"


@pytest.mark.skipif(not HAS_ONEDNN, reason="this PyTorch has no oneDNN")
def test_writing_and_measuring_use_packed_weights() -> None:
    model, prompts = untrained("gpt2"), [[4, 5, 6]]
    linear = [layer for layer in model.modules() if type(layer).__name__ == "Conv1D"]
    assert linear
    is_packed: list[bool] = []
    model.transformer.wte.register_forward_hook(
        lambda *_: is_packed.append(all("forward" in vars(layer) for layer in linear))
    )

    continue_prompts(model, Prompts(prompts), Generation(block_tokens=3, new_tokens=2), Decoding(), seed=1)
    steps = len(is_packed)
    perplexities(model, prompts, batch_tokens=512, padding=3)

    assert 0 < steps < len(is_packed)
    assert all(is_packed)


def test_weights_are_used_again_after_packing() -> None:
    model = untrained("gpt2")
    tokens = torch.arange(4, 12)[None]
    layer = model.transformer.h[0].mlp.c_proj
    with pytest.raises(KeyError), torch.no_grad(), packed(model):
        raise KeyError
    plain = model(input_ids=tokens).logits

    layer.weight.data.mul_(2)

    assert not torch.allclose(model(input_ids=tokens).logits, plain)
    model(input_ids=tokens).logits.sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        doubled = model(input_ids=tokens).logits
        with packed(model):
            assert torch.allclose(model(input_ids=tokens).logits, doubled, rtol=1e-4, atol=1e-4)


def test_packing_ends_with_the_outer_context_and_needs_no_grad() -> None:
    model = untrained("gpt2")
    with pytest.raises(RuntimeError, match=r"torch\.no_grad"), packed(model):
        pass
    with torch.no_grad(), packed(model):
        outer = {layer: vars(layer)["forward"] for layer in model.modules() if "forward" in vars(layer)}
        with packed(model):
            pass
        assert {layer: vars(layer).get("forward") for layer in outer} == outer
    assert not any("forward" in vars(layer) for layer in model.modules())


def test_without_onednn_a_model_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packed_product(torch.ones(2, 2, dtype=torch.float64)) is None
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert packed_product(torch.ones(2, 2)) is None
    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=50, dim=8, hidden_dim=16, n_layers=1, n_heads=2)
    ).eval()

    with torch.no_grad(), packed(model):
        assert not any("forward" in vars(layer) for layer in model.modules())
