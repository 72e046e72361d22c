"""The loss without logits against the loss with them."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bias_amplification.artifacts.models import PLAIN_HEADS
from bias_amplification.language_model import head
from bias_amplification.language_model.head import head_weight, likeliest, losses, summed_loss
from bias_amplification.language_model.pretrain import new_model
from bias_amplification.language_model.training import NextToken


@pytest.mark.parametrize("at_once", [1, 7 * 30, 2**23])
def test_loss_and_gradients_are_those_of_the_logits(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(head, "_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(20, 8, generator=generator, requires_grad=True)
    weight = torch.randn(30, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 30, (20,), generator=generator)

    total = summed_loss(hidden, weight, targets)
    found = torch.autograd.grad(total / 3, (hidden, weight))

    # The oracle in double precision.
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    each = torch.nn.functional.cross_entropy(exact[0] @ exact[1].T, targets, reduction="none")
    assert float(total.detach()) == pytest.approx(float(each.sum().detach()), rel=1e-6)
    for ours, theirs in zip(found, torch.autograd.grad(each.sum() / 3, exact), strict=True):
        assert torch.allclose(ours.double(), theirs, atol=1e-5)
    assert torch.allclose(losses(hidden.detach(), weight.detach(), targets).double(), each.detach(), atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 7, 30, 4096])
def test_the_likeliest_token_is_that_of_the_logits_and_the_first_of_equal_ones(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(head, "_TOKENS_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(1)
    # Whole numbers, so that products are exact and equal logits equal.
    hidden = torch.randint(-2, 3, (200, 4), generator=generator).float()
    weight = torch.randint(-2, 3, (30, 4), generator=generator).float()
    logits = hidden @ weight.T
    first = [row.index(max(row)) for row in logits.tolist()]
    assert any(row.count(max(row)) > 1 for row in logits.tolist())
    assert likeliest(weight)(hidden).tolist() == first
    # Without oneDNN, and on a GPU.
    monkeypatch.setattr(head, "packed_product", lambda _weight: None)
    assert likeliest(weight)(hidden).tolist() == first


def test_no_rows_have_no_loss() -> None:
    assert losses(torch.empty(0, 8), torch.ones(30, 8), torch.empty(0, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize("name", sorted(PLAIN_HEADS))
def test_the_logits_of_these_architectures_are_a_product(name: str) -> None:
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50}
    own = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
        "opt": {"ffn_dim": 64, "word_embed_proj_dim": 16},
        "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_heads": 4, "num_layers": 2},
    }
    more = own.get(name, {"intermediate_size": 64, "num_key_value_heads": 4})
    if name == "gpt_neox":
        more = {"intermediate_size": 64}
    sizes = {"vocab_size": 50} | more if name == "gpt2" else small | more
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **sizes)).eval()
    tokens = torch.randint(5, 50, (3, 9))

    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state

    assert torch.allclose(hidden @ head_weight(model).T, model(input_ids=tokens).logits, atol=1e-5)


def test_other_heads_keep_their_logits() -> None:
    config = AutoConfig.for_model(
        "gemma2", hidden_size=32, num_hidden_layers=1, num_attention_heads=2, head_dim=16, vocab_size=50
    )

    assert head_weight(AutoModelForCausalLM.from_config(config)) is None
    assert head_weight(torch.nn.Linear(2, 2)) is None


def test_training_takes_the_same_loss_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_model(layers=2, width=16, heads=2, context=32, vocabulary=40, end=0, seed=1)
    objective = NextToken([[5, 6, 7, 8, 9, 10], [11, 12], [13, 0, 14, 15]], 0, 1)
    ours = objective.loss(model, [0, 1, 2])
    ours.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    monkeypatch.setattr("bias_amplification.language_model.training.head_weight", lambda _model: None)

    plain = objective.loss(model, [0, 1, 2])
    plain.backward()

    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-6)
    for name, parameter in model.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5), name
