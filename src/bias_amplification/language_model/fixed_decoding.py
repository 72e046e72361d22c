"""Greedy decoding in steps that are all the same, so that a GPU can replay them as one CUDA graph.

A step of a small model has hundreds of kernels, and launching them one by one takes longer than computing them. Here
all tensors keep their place and their size: attention reads the memory of all positions, and a mask hides those that
have no token yet. Rows that have ended stay in the batch.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from bias_amplification.artifacts.atomic import one_line
from bias_amplification.language_model.decoding import ReservedLayer, decode_greedily
from bias_amplification.models.graphs import Capture, CudaGraphs
from bias_amplification.models.output_head import likeliest, output_weight

#: Continuations, and tokens of each, that are compared with those of other code.
_ROWS_COMPARED, _STEPS_COMPARED = 16, 8

#: After so many steps the GPU is asked whether all rows have ended, which makes it wait.
_STEPS_BETWEEN_CHECKS = 16


def can_be_fixed(model: PreTrainedModel, length: int) -> bool:
    """Return whether `FixedDecoder` can write with a model: its head is plain, and attention sees all positions.

    Parameters
    ----------
    model
        The model that writes.
    length
        Tokens of a prompt and its continuation.
    """
    config = model.config
    window = getattr(config, "sliding_window", None)
    # GPT-Neo has a mask of its own in every second layer, which expects keys of the tokens so far. Implementations of
    # attention other than PyTorch's may add the mask instead of applying it.
    plain = config.model_type != "gpt_neo" and config._attn_implementation == "sdpa"
    return plain and output_weight(model) is not None and (window is None or window >= length)


def most_frequent_shape(
    batches: Sequence[Sequence[int]], lengths: Sequence[int], limits: Sequence[int]
) -> tuple[int, int, int] | None:
    """Return rows, longest prompt and limit of the batches that take most steps; None if no batch has one limit.

    Parameters
    ----------
    batches
        Indices of the prompts of each batch, the largest batches of a length first.
    lengths, limits
        Tokens of each prompt, and most new tokens of each.
    """
    steps: Counter[tuple[int, int]] = Counter()
    rows: dict[tuple[int, int], int] = {}
    for batch in batches:
        limit = limits[batch[0]]
        if all(limits[i] == limit for i in batch):
            shape = max(lengths[i] for i in batch), limit
            steps[shape] += limit
            rows[shape] = max(rows.get(shape, 0), len(batch))
    if not steps:
        return None
    shape = max(steps, key=lambda shape: (steps[shape], shape))
    return rows[shape], *shape


class FixedDecoder:
    """Continues batches of prompts of one shape by their likeliest tokens.

    Parameters
    ----------
    model
        In `eval` mode; `can_be_fixed` is true for it.
    rows, longest, new_tokens
        Prompts of a batch, tokens of a prompt, and most new tokens.
    ends
        End-of-text tokens.
    capture
        How a step is captured: `CudaGraphs()` on a GPU. None: steps run as they are.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        rows: int,
        longest: int,
        new_tokens: int,
        ends: Sequence[int],
        capture: Capture | None,
    ) -> None:
        self._model, self._capture, device = model, capture, model.device
        self.rows, self.longest, self.new_tokens = rows, longest, new_tokens
        self._layers = [
            ReservedLayer(longest + new_tokens) for _ in range(model.config.get_text_config().num_hidden_layers)
        ]
        self._choose = likeliest(output_weight(model))
        self._end, self._ends = ends[0], torch.tensor(ends, device=device)
        self._tokens = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._place, self._step = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self._positions = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._seen = torch.zeros(rows, 1, 1, longest + new_tokens, dtype=torch.bool, device=device)
        self._ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self._found = torch.zeros(rows, new_tokens, dtype=torch.long, device=device)
        self._advance: Callable[[], torch.Tensor] = self._take_step
        self._captured = False
        self.is_sound = True
        """Whether no capture has failed: without a graph, `decode_greedily` is faster, because it drops rows."""

    @torch.inference_mode()
    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Continue prompts.

        Parameters
        ----------
        tokens, mask
            As for `decode_greedily`, [prompts, longest]. If there are fewer prompts than rows, the last is repeated.

        Returns
        -------
        torch.Tensor
            [prompts, new tokens]: as for `decode_greedily`. Later calls do not change it.
        """
        given, missing = len(tokens), self.rows - len(tokens)
        if missing:
            tokens, mask = (torch.cat([part, part[-1:].expand(missing, -1)]) for part in (tokens, mask))
        self._read(tokens, mask)
        for step in range(1, self.new_tokens):
            # One step has run as it is when the next one is captured, so that libraries have their memory.
            if step == 2 and self._capture and not self._captured:
                self._try_to_capture()
            self._advance()
            if step % _STEPS_BETWEEN_CHECKS == 0 and bool(self._ended.all()):
                break
        return self._found[:given].clone()

    def agrees(self, tokens: torch.Tensor, mask: torch.Tensor, found: torch.Tensor) -> bool:
        """Return whether `decode_greedily` begins most of the first continuations in the same way.

        Rounding may change single continuations, above all in a low precision. A graph that is wrong changes them all.
        """
        rows, steps = min(_ROWS_COMPARED, len(found)), min(_STEPS_COMPARED, self.new_tokens)
        limits, ends = [steps] * rows, self._ends.tolist()
        expected = decode_greedily(self._model, tokens[:rows], mask[:rows], limits=limits, ends=ends)
        return 2 * int((expected == found[:rows, :steps]).all(1).sum()) >= rows

    def _read(self, tokens: torch.Tensor, mask: torch.Tensor) -> None:
        """Read the prompts, choose each one's first token, and set what a step reads."""
        for layer in self._layers:
            layer.start_again()
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        padding = {} if bool(mask.all()) else {"attention_mask": mask, "position_ids": positions}
        cache = Cache(layers=list(self._layers))
        hidden = self._model.base_model(input_ids=tokens, past_key_values=cache, use_cache=True, **padding)
        self._found.fill_(self._end)
        self._ended.fill_(False)
        self._step.zero_()
        self._place.fill_(self.longest)
        self._positions.copy_(positions[:, -1:] + 1)
        self._seen.zero_()
        self._seen[:, 0, 0, : self.longest] = mask.bool()
        for layer in self._layers:
            layer.place = self._place
            # Memory that was never written may hold NaN, which even a weight of 0 keeps.
            layer.key_room[:, :, self.longest :].zero_()
            layer.value_room[:, :, self.longest :].zero_()
        self._take(hidden.last_hidden_state[:, -1])

    def _take_step(self) -> torch.Tensor:
        """Read the last tokens and choose the next ones. All tensors keep their places."""
        self._seen.index_fill_(3, self._place, True)
        hidden = self._model.base_model(
            input_ids=self._tokens,
            past_key_values=Cache(layers=list(self._layers)),
            use_cache=True,
            attention_mask=self._seen,
            position_ids=self._positions,
        ).last_hidden_state[:, -1]
        self._place.add_(1)
        self._positions.add_(1)
        self._take(hidden)
        return self._ended

    def _take(self, hidden: torch.Tensor) -> None:
        """Choose the next token of each row that has not ended."""
        chosen = self._choose(hidden)
        chosen = chosen.masked_fill(self._ended | torch.isin(chosen, self._ends), self._end)
        self._found.index_copy_(1, self._step, chosen[:, None])
        self._ended.logical_or_(chosen == self._end)
        self._tokens.copy_(chosen[:, None])
        self._step.add_(1)

    def _try_to_capture(self) -> None:
        self._captured = True
        try:
            self._advance = self._capture(self._take_step)
            print("captured a step of decoding as a CUDA graph", flush=True)
        except RuntimeError as fault:
            self.is_sound = False
            print(f"a step of decoding cannot be captured as a CUDA graph ({one_line(fault)})", flush=True)


def greedy_decoder(
    model: PreTrainedModel,
    shape: tuple[int, int, int] | None,
    ends: Sequence[int],
    *,
    capture: Callable[[], Capture] | None = None,
) -> Callable[[torch.Tensor, torch.Tensor, Sequence[int]], torch.Tensor]:
    """Return a function that continues batches greedily, by CUDA graphs where they pay.

    Parameters
    ----------
    model
        In `eval` mode.
    shape
        As from `most_frequent_shape`. Batches of this shape with at least half of its rows are written by a
        `FixedDecoder` on a GPU if the model allows it; all others by `decode_greedily`.
    ends
        End-of-text tokens.
    capture
        Makes what captures a step. None: `CudaGraphs` on a GPU, and no `FixedDecoder` on a CPU, where it is slower.

    Returns
    -------
    Callable
        From tokens, mask and limits to the result, all as for `decode_greedily`.
    """
    if capture is None and model.device.type == "cuda":
        capture = CudaGraphs
    usable = capture is not None and shape is not None and can_be_fixed(model, shape[1] + shape[2])
    fixed: FixedDecoder | None = None

    def decode(tokens: torch.Tensor, mask: torch.Tensor, limits: Sequence[int]) -> torch.Tensor:
        nonlocal fixed, usable
        rows, longest, new_tokens = shape or (0, 0, 0)
        fits = tokens.shape[1] == longest and rows <= 2 * len(tokens) and all(limit == new_tokens for limit in limits)
        if usable and fits:
            first, fixed = fixed is None, fixed or FixedDecoder(model, rows, longest, new_tokens, ends, capture())
            found = fixed(tokens, mask)
            sound, alike = fixed.is_sound, not first or fixed.agrees(tokens, mask, found)
            if not alike:
                print("decoding by CUDA graphs writes other tokens than decoding without: going on without", flush=True)
            if not (sound and alike):
                usable = fixed = None
            if alike:
                return found
        # Batches of one shape follow one another, and other batches need the memory.
        fixed = None
        return decode_greedily(model, tokens, mask, limits=limits, ends=ends)

    return decode
