"""Attention within a window, with padding, where a kernel returns NaN for positions that may attend to nothing."""

import pytest
import torch
from small_models import untrained
from transformers import ModernBertConfig, ModernBertForSequenceClassification, masking_utils

from bias_amplification.models.attention_masks import seeing_itself, without_looking


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


def masks_of(model, capturing: bool, monkeypatch, **batch) -> list:
    """Return the mask and `is_causal` that each attention of a model gets, as PyTorch's attention is called."""
    seen = []
    plain = torch.nn.functional.scaled_dot_product_attention

    def attend(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, **options):
        seen.append((None if attn_mask is None else tuple(attn_mask.shape), is_causal))
        return plain(query, key, value, attn_mask=attn_mask, dropout_p=dropout_p, is_causal=is_causal, **options)

    with monkeypatch.context() as patched:
        patched.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
        if capturing:
            patched.setattr(masking_utils, "is_tracing", lambda *_: True)
        model(**batch)
    return seen


def test_language_models_have_the_same_masks_inside_and_outside_of_a_graph(monkeypatch):
    model, tokens = untrained("llama"), torch.arange(4, 20).reshape(2, 8)
    given = {"input_ids": tokens, "use_cache": False}
    assert masks_of(model, True, monkeypatch, **given) != masks_of(model, False, monkeypatch, **given)

    with without_looking("cpu"):
        assert masks_of(model, True, monkeypatch, **given) == masks_of(model, False, monkeypatch, **given)
        assert set(masks_of(model, True, monkeypatch, **given)) == {(None, True)}


def test_encoders_have_the_same_masks_inside_and_outside_of_a_graph(model, batch, monkeypatch):
    full = {"input_ids": batch["input_ids"][:1], "attention_mask": batch["attention_mask"][:1]}
    assert masks_of(model, True, monkeypatch, **full) != masks_of(model, False, monkeypatch, **full)

    with without_looking("cuda"):
        assert masks_of(model, True, monkeypatch, **full) == masks_of(model, False, monkeypatch, **full)
    # On a CPU, a batch without padding needs no mask in layers that see the whole text.
    with without_looking("cpu"):
        assert (None, False) in masks_of(model, False, monkeypatch, **full)
