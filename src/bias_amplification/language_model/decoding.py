"""Greedy decoding of many prompts at once, at the cost of its matrix products.

What transformers' `generate` does besides them is left out: keys and values have their room from the start instead of
being copied at every step, only the last place's logits are computed, prompts of one length need no mask, and rows that
have ended are no longer computed.
"""

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from bias_amplification.language_model.head import head_weight, likeliest

#: Ended rows are dropped when they are at least this share of the rows: dropping copies the others' keys and values.
_WORTH_DROPPING = 0.25


class ReservedLayer(DynamicLayer):
    """Keys and values of one layer, in memory that is reserved once.

    Parameters
    ----------
    length
        Most places of a row.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Reserve the memory, once the shapes are known: [rows, heads, length, width of a head]."""
        super().lazy_initialization(key_states, value_states)
        self.key_room, self.value_room = (
            states.new_empty((*states.shape[:2], self.length, states.shape[3])) for states in (key_states, value_states)
        )

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new places, [rows, heads, new places, width of a head], beside the old ones and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        self.key_room[:, :, start:end] = key_states
        self.value_room[:, :, start:end] = value_states
        self.keys, self.values = self.key_room[:, :, :end], self.value_room[:, :, :end]
        return self.keys, self.values

    def keep(self, rows: torch.Tensor) -> None:
        """Forget all rows but these, [rows that stay]."""
        end = self.get_seq_length()
        self.key_room, self.value_room = self.key_room[rows], self.value_room[rows]
        self.keys, self.values = self.key_room[:, :, :end], self.value_room[:, :, :end]


@torch.inference_mode()
def decode_greedily(
    model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor, *, new_tokens: int, end: int
) -> torch.Tensor:
    """Continue each row by its likeliest tokens, one after the other.

    Parameters
    ----------
    model
        In `eval` mode.
    tokens
        Prompts on the model's device, [rows, longest], padded on the left.
    mask
        1 where a token is real, [rows, longest].
    new_tokens
        Most tokens of a row.
    end
        The token at which a row ends.

    Returns
    -------
    torch.Tensor
        [rows, new_tokens] on the model's device: a row's continuation, and `end` from its end on. In float32 the tokens
        are those of `generate` on the row alone, unless two logits are as near as float32 rounds.
    """
    rows, longest = tokens.shape
    layers = [ReservedLayer(longest + new_tokens) for _ in range(model.config.get_text_config().num_hidden_layers)]
    cache = Cache(layers=layers)
    found = torch.full((rows, new_tokens), end, device=tokens.device)
    running = torch.arange(rows, device=tokens.device)
    ended = torch.zeros(rows, dtype=torch.bool, device=tokens.device)
    # Prompts of one length say nothing by a mask, and attention is faster without.
    padded = not bool(mask.all())
    places = (mask.cumsum(1) - 1).clamp(min=0)
    weight = head_weight(model)
    choose = None if weight is None else likeliest(weight)
    for step in range(new_tokens):
        known: dict[str, Any] = {"input_ids": tokens, "past_key_values": cache, "use_cache": True}
        known |= {"attention_mask": mask, "position_ids": places} if padded else {}
        if choose is None:
            chosen = model(**known, logits_to_keep=1).logits[:, -1].argmax(1)
        else:
            chosen = choose(model.base_model(**known).last_hidden_state[:, -1])
        chosen = chosen.masked_fill(ended, end)
        found[running, step] = chosen
        ended = chosen == end
        number = int(ended.sum())
        if number == len(ended):
            break
        if padded:
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            places = places[:, -1:] + 1
        if number >= _WORTH_DROPPING * len(ended):
            left = (~ended).nonzero().squeeze(1)
            running, ended, chosen = running[left], ended[left], chosen[left]
            mask, places = mask[left], places[left]
            for layer in layers:
                layer.keep(left)
        tokens = chosen[:, None]
    return found
