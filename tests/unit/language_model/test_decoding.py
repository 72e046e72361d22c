"""Greedy decoding against transformers' `generate`, with untrained models of several architectures."""

import pytest
import torch
from small_models import ARCHITECTURES, END, WORDS, untrained
from transformers import PreTrainedModel

from bias_amplification.language_model.decoding import decode_greedily


def alone(model: PreTrainedModel, prompt: list[int], new_tokens: int, end: int = END) -> list[int]:
    """Continue one prompt by `generate`, filled up with the end token."""
    tokens = torch.tensor([prompt])
    found = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
    )[0, len(prompt) :].tolist()
    return found + [end] * (new_tokens - len(found))


def padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens and mask, padded on the left."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[END] * (longest - len(prompt)) + prompt for prompt in prompts])
    return tokens, torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])


@pytest.mark.parametrize("lengths", [[9] * 12, [1, 2, 5, 9, 9, 9, 12, 12]])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rows_equal_single_prompts(name: str, lengths: list[int]) -> None:
    model = untrained(name)
    generator = torch.Generator().manual_seed(7)
    prompts = [torch.randint(4, WORDS, (length,), generator=generator).tolist() for length in lengths]

    found = decode_greedily(model, *padded(prompts), limits=[15] * len(prompts), ends=[END]).tolist()

    assert found == [alone(model, prompt, 15) for prompt in prompts]
    assert len({tuple(row) for row in found}) > 3, "too many continuations are the same"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_row_ends_at_its_own_limit(name: str) -> None:
    model = untrained(name)
    generator = torch.Generator().manual_seed(7)
    limits = [1, 1, 15, 2, 3, 3, 9, 30]
    prompts = [
        torch.randint(4, WORDS, (length,), generator=generator).tolist() for length in (30, 2, 5, 9, 9, 1, 12, 3)
    ]
    rows: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: rows.append(len(output)))

    found = decode_greedily(model, *padded(prompts), limits=limits, ends=[END]).tolist()

    # Rows that have reached their limit are dropped.
    assert rows[0] == 8 and rows[9] <= 2 and len(rows) <= 30
    for prompt, limit, row in zip(prompts, limits, found, strict=True):
        assert row == alone(model, prompt, limit) + [END] * (30 - limit)


def test_every_end_token_ends_a_row() -> None:
    model = untrained("gpt2")
    prompts = [[k, k + 1, k + 2] for k in range(4, 44)]
    alike = decode_greedily(model, *padded(prompts), limits=[10] * len(prompts), ends=[END])
    # The tokens that are most frequent at the second and the fourth place end rows too.
    others = [int(alike[:, place].mode(0).values) for place in (1, 3)]

    found = decode_greedily(model, *padded(prompts), limits=[10] * len(prompts), ends=[END, *others]).tolist()

    ends = {END, *others}
    for row, whole in zip(found, alike.tolist(), strict=True):
        length = next((k for k, token in enumerate(whole) if token in ends), 10)
        assert row == whole[:length] + [END] * (10 - length)
    assert found != alike.tolist()


def test_ended_rows_are_dropped() -> None:
    model = untrained("gpt2")
    prompts = [[k, k + 1, k + 2] for k in range(4, 44)]
    first = decode_greedily(model, *padded(prompts), limits=[1] * len(prompts), ends=[END])
    # With this end token many rows end at once: it is the most frequent first token.
    end = int(first.mode(0).values)
    rows: list[int] = []
    model.transformer.wte.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))

    found = decode_greedily(model, *padded(prompts), limits=[10] * len(prompts), ends=[end])

    assert rows[0] == 40 and min(rows) < 30
    for prompt, row in zip(prompts, found.tolist(), strict=True):
        assert row == alone(model, prompt, 10, end)
