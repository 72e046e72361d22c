"""Products from packed weights against PyTorch's own in double precision, and models that compute with them."""

import copy

import pytest
import torch
from test_decoding import ARCHITECTURES, untrained
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from bias_amplification.language_model.load import fuse_activations
from bias_amplification.language_model.packed import packed, packed_product

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


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_packed_model_is_the_same_model(name: str) -> None:
    model = untrained(name)
    fuse_activations(model)
    exact = copy.deepcopy(model).double()
    tokens = torch.randint(4, 50, (3, 11), generator=torch.Generator().manual_seed(1))
    before = model.state_dict()

    with torch.inference_mode(), packed(model):
        reading = {n for n, layer in model.named_modules() if "forward" in vars(layer)}
        found = model(input_ids=tokens).logits
        assert model.state_dict().keys() == before.keys()

    with torch.inference_mode():
        assert torch.allclose(found.double(), exact(input_ids=tokens).logits, rtol=1e-4, atol=1e-4)
    head = next(n for n, layer in model.named_modules() if layer is model.get_output_embeddings())
    assert head not in reading
    if HAS_ONEDNN:
        linear = {n for n, layer in model.named_modules() if type(layer).__name__ in ("Linear", "Conv1D")} - {head}
        assert linear <= reading
        assert len(reading - linear) == (2 if name == "gpt2" else 0), "activations that products have in them"


def test_weights_count_again_when_a_model_was_read() -> None:
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


def test_without_onednn_a_model_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packed_product(torch.ones(2, 2, dtype=torch.float64)) is None
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert packed_product(torch.ones(2, 2)) is None
    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=50, dim=8, hidden_dim=16, n_layers=1, n_heads=2)
    ).eval()

    with packed(model):
        assert not any("forward" in vars(layer) for layer in model.modules())
