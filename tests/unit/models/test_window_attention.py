"""Attention within a window, with padding, where a kernel returns NaN for positions that may attend to nothing."""

import pytest
import torch
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from bias_amplification.models.window_attention import seeing_itself


@pytest.fixture
def model() -> ModernBertForSequenceClassification:
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=50, num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32,
        local_attention=8, layer_types=["sliding_attention", "full_attention"], classifier_pooling="mean",
        cls_token_id=1, bos_token_id=1, sep_token_id=2, eos_token_id=2, pad_token_id=0, num_labels=3,
    )  # fmt: skip
    return ModernBertForSequenceClassification(config).eval()


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Return a text of 30 tokens and one of 6, whose padding is farther than 4 tokens from its end."""
    mask = (torch.arange(30)[None] < torch.tensor([[30], [6]])).long()
    return {"input_ids": torch.randint(3, 50, (2, 30), generator=torch.Generator().manual_seed(1)) * mask,
            "attention_mask": mask}  # fmt: skip


def softmax_attention(query, key, value, attn_mask=None, scale=None, **_):
    """Attend as the definition says: the softmax of a row in which everything is forbidden is 0 / 0."""
    scores = (query @ key.transpose(-2, -1)) * scale
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    return torch.softmax(scores, -1) @ value


def loss(model, batch) -> torch.Tensor:
    return model(**batch, labels=torch.tensor([0, 2])).loss


def test_padding_gives_no_nan_where_a_kernel_divides_by_zero(model, batch, monkeypatch):
    expected = loss(model, batch)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", softmax_attention)
    assert loss(model, batch).isnan(), "this kernel has the fault"

    with seeing_itself(model):
        found = loss(model, batch)
        found.backward()

    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)
    # The hooks are gone.
    assert loss(model, batch).isnan()


def test_logits_stay_the_same_to_the_bit(model, batch):
    with torch.no_grad():
        before = model(**batch).logits
        with seeing_itself(model):
            assert torch.equal(model(**batch).logits, before)
