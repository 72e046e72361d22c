"""Losses and likeliest tokens of the output head against those computed from all logits."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bias_amplification.models.architectures import PLAIN_HEADS
from bias_amplification.models.output_head import IGNORED, likeliest, output_weight, summed_loss, token_losses


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "width"),
    # The logits of the second case are computed in two parts, of 8,192 tokens and of 3.
    [(20, 30, 8), (2**13 + 3, 2**12 - 1, 2)],
)
@pytest.mark.parametrize("multiple", [None, 64])
def test_loss_and_gradients_are_those_of_the_logits(
    tokens: int, vocabulary: int, width: int, multiple: int | None
) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(tokens, width, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator, requires_grad=True)
    targets = torch.randint(0, vocabulary, (tokens,), generator=generator)

    total = summed_loss(hidden, weight, targets, multiple)
    found = torch.autograd.grad(total / 3, (hidden, weight))

    # The same from all logits in double precision, 1,000 tokens at a time.
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    each, expected = [], [torch.zeros_like(tensor) for tensor in exact]
    for rows in torch.arange(tokens).split(1000):
        losses = torch.nn.functional.cross_entropy(exact[0][rows] @ exact[1].T, targets[rows], reduction="none")
        each += losses.tolist()
        for whole, gradient in zip(expected, torch.autograd.grad(losses.sum() / 3, exact), strict=True):
            whole += gradient
    assert float(total.detach()) == pytest.approx(sum(each), rel=1e-6)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours.double(), theirs, atol=1e-5)
    losses = token_losses(hidden.detach(), weight.detach(), targets, multiple)
    assert losses.tolist() == pytest.approx(each, abs=1e-5)


def test_padding_the_vocabulary_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    # All logits are far below 0, the logit of a padded column.
    hidden = torch.rand(50, 16, generator=generator) + 1
    weight = -torch.rand(257, 16, generator=generator) - 1
    targets = torch.randint(0, 257, (50,), generator=generator)

    def loss_and_gradients(multiple: int) -> list[torch.Tensor]:
        inputs = [tensor.clone().requires_grad_() for tensor in (hidden, weight)]
        total = summed_loss(*inputs, targets, multiple)
        return [total.detach(), *torch.autograd.grad(total, inputs)]

    for padded, plain in zip(loss_and_gradients(64), loss_and_gradients(1), strict=True):
        assert torch.allclose(padded, plain, rtol=1e-6, atol=1e-6)
    padded, plain = (token_losses(hidden, weight, targets, multiple) for multiple in (64, 1))
    assert torch.allclose(padded, plain, rtol=1e-6)


def test_ignored_targets_have_neither_loss_nor_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(6, 8, generator=generator, requires_grad=True)
    weight = torch.randn(30, 8, generator=generator, requires_grad=True)
    targets = torch.tensor([3, IGNORED, 7, IGNORED, 29, 0])
    real = targets != IGNORED

    total = summed_loss(hidden, weight, targets)
    for_hidden, for_weight = torch.autograd.grad(total, (hidden, weight))

    alone = summed_loss(hidden[real], weight, targets[real])
    of_real = torch.autograd.grad(alone, (hidden, weight))
    assert total.item() == pytest.approx(alone.item(), rel=1e-6)
    assert torch.allclose(for_hidden, of_real[0], atol=1e-6)
    assert torch.equal(for_hidden[~real], torch.zeros(2, 8))
    assert torch.allclose(for_weight, of_real[1], atol=1e-6)


@pytest.mark.parametrize("multiple", [1, 64])
def test_in_bfloat16_the_loss_is_that_of_autocast_with_all_logits(multiple: int) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(300, 64, generator=generator, requires_grad=True)
    weight = (torch.randn(1000, 64, generator=generator) / 8).requires_grad_()
    targets = torch.randint(0, 1000, (300,), generator=generator)

    with torch.autocast("cpu", torch.bfloat16):
        ours = summed_loss(hidden, weight, targets, multiple)
        logits = torch.nn.functional.linear(hidden, weight)
        plain = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
    assert logits.dtype == torch.bfloat16
    assert ours.dtype == torch.float32
    # Both losses come from the same rounded logits.
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    exact = torch.nn.functional.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    inputs = (hidden, weight)
    found, theirs, true = (torch.autograd.grad(total, inputs) for total in (ours, plain, exact))
    for one, other, truth in zip(found, theirs, true, strict=True):
        # Ours is as close to the gradients in float32 as autocast's, within a tenth.
        assert one.dtype == torch.float32
        assert (one - truth).norm() <= 1.1 * (other - truth).norm()
        assert (one - truth).norm() <= 0.01 * truth.norm()


def test_fixed_weights_get_no_gradient() -> None:
    hidden, weight, targets = torch.randn(9, 4, requires_grad=True), torch.randn(7, 4), torch.arange(9) % 7
    found = torch.autograd.grad(summed_loss(hidden, weight, targets), hidden)[0]
    expected = torch.autograd.grad(summed_loss(hidden, weight.clone().requires_grad_(), targets), hidden)[0]

    assert torch.equal(found, expected) and found.any()


# Logits are compared 4,096 tokens at a time.
@pytest.mark.parametrize("vocabulary", [30, 4096, 4097, 10_000])
def test_the_likeliest_token_is_the_first_of_those_with_the_largest_logit(
    monkeypatch: pytest.MonkeyPatch, vocabulary: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    # With whole numbers the products are exact, so that some logits are equal.
    hidden = torch.randint(-2, 3, (200, 4), generator=generator).float()
    weight = torch.randint(-2, 3, (vocabulary, 4), generator=generator).float()
    logits = (hidden @ weight.T).tolist()
    first = [row.index(max(row)) for row in logits]
    assert any(row.count(max(row)) > 1 for row in logits)
    assert likeliest(weight)(hidden).tolist() == first
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert likeliest(weight)(hidden).tolist() == first


def test_no_tokens_have_no_losses() -> None:
    assert token_losses(torch.empty(0, 8), torch.ones(30, 8), torch.empty(0, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize("name", sorted(PLAIN_HEADS))
def test_logits_of_plain_heads_are_a_product(name: str) -> None:
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

    assert torch.allclose(hidden @ output_weight(model).T, model(input_ids=tokens).logits, atol=1e-5)


def test_other_heads_have_no_output_weight() -> None:
    config = AutoConfig.for_model(
        "gemma2", hidden_size=32, num_hidden_layers=1, num_attention_heads=2, head_dim=16, vocab_size=50
    )

    assert output_weight(AutoModelForCausalLM.from_config(config)) is None
    assert output_weight(torch.nn.Linear(2, 2)) is None


def test_in_bfloat16_gradients_of_certain_predictions_are_as_exact_as_those_of_autocast() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(64, 32, generator=generator, requires_grad=True)
    targets = torch.arange(64)
    # Each target has a probability of some .99.
    weight = (0.5 * hidden.detach() + 0.05 * torch.randn(64, 32, generator=generator)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        ours = summed_loss(hidden, weight, targets)
        logits = torch.nn.functional.linear(hidden, weight).float()
        plain = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    exact = torch.nn.functional.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    found, theirs, true = (torch.autograd.grad(total, (hidden, weight)) for total in (ours, plain, exact))

    assert torch.softmax(logits, 1).diagonal().mean() > 0.97
    for one, other, truth in zip(found, theirs, true, strict=True):
        assert (one - truth).norm() <= 1.1 * (other - truth).norm()
