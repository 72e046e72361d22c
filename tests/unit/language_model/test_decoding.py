"""Greedy decoding against transformers' own, on untrained models of several architectures."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from bias_amplification.language_model.decoding import ReservedLayer, decode_greedily

END = 3
WORDS = 50
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
ARCHITECTURES = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "opt": {**SMALL, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    "gpt_neox": {**SMALL, "max_position_embeddings": 64},
    "llama": {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 64},
    "qwen2": {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 64},
    "mistral": {**SMALL, "num_key_value_heads": 2, "sliding_window": 8, "max_position_embeddings": 64},
}


def untrained(name: str) -> PreTrainedModel:
    torch.manual_seed(4)
    special = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END}
    config = AutoConfig.for_model(name, vocab_size=WORDS, **special, **ARCHITECTURES[name])
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        # Matrices so wide that logits lie far apart and continuations differ.
        if parameter.ndim > 1:
            parameter.data.normal_(0.0, 0.3)
    return model


def alone(model: PreTrainedModel, prompt: list[int], new_tokens: int) -> list[int]:
    tokens = torch.tensor([prompt])
    found = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=END,
        pad_token_id=END,
    )[0, len(prompt) :].tolist()
    return found + [END] * (new_tokens - len(found))


def padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, prompts))
    tokens = torch.tensor([[END] * (longest - len(prompt)) + prompt for prompt in prompts])
    return tokens, torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])


@pytest.mark.parametrize("lengths", [[9] * 12, [1, 2, 5, 9, 9, 9, 12, 12]])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rows_are_what_each_is_alone(name: str, lengths: list[int]) -> None:
    model = untrained(name)
    generator = torch.Generator().manual_seed(7)
    prompts = [torch.randint(4, WORDS, (length,), generator=generator).tolist() for length in lengths]

    found = decode_greedily(model, *padded(prompts), new_tokens=15, end=END).tolist()

    assert found == [alone(model, prompt, 15) for prompt in prompts]
    assert len({tuple(row) for row in found}) > 3, "the continuations do not tell the rows apart"


def test_ended_rows_are_no_longer_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = untrained("gpt2")
    prompts = [[k, k + 1, k + 2] for k in range(4, 44)]
    first = decode_greedily(model, *padded(prompts), new_tokens=1, end=END)
    # The likeliest first token of all becomes the end.
    end = int(first.mode(0).values)
    rows = []
    update = ReservedLayer.update

    def counting(self: ReservedLayer, keys: torch.Tensor, *arguments: object, **options: object) -> object:
        rows.append(len(keys))
        return update(self, keys, *arguments, **options)

    monkeypatch.setattr(ReservedLayer, "update", counting)

    found = decode_greedily(model, *padded(prompts), new_tokens=10, end=end)

    assert rows[0] == 40 and min(rows) < 30
    for prompt, row in zip(prompts, found.tolist(), strict=True):
        expected = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, 3, dtype=torch.long),
            max_new_tokens=10,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
        )[0, 3:].tolist()
        assert row == expected + [end] * (10 - len(expected))
