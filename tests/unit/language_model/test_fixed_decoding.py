"""Decoding in steps of one shape against `decode_greedily`, with captures that repeat the work on a CPU."""

import pytest
import torch
from small_models import ARCHITECTURES, END, WORDS, untrained

from bias_amplification.language_model import fixed_decoding
from bias_amplification.language_model.decoding import decode_greedily
from bias_amplification.language_model.fixed_decoding import (
    FixedDecoder,
    can_be_fixed,
    greedy_decoder,
    most_frequent_shape,
)

#: Bloom's head is not plain, and this Mistral's attention sees 8 positions.
FIXED = [name for name in ARCHITECTURES if name not in ("bloom", "mistral")]


def prompts(lengths: list[int], seed: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random prompts, padded on the left, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    tokens = torch.randint(4, WORDS, (len(lengths), longest), generator=generator)
    mask = (torch.arange(longest)[None] >= longest - torch.tensor(lengths)[:, None]).long()
    return tokens * mask + END * (1 - mask), mask


def expected(model, tokens, mask, new_tokens: int, ends: list[int]) -> list[list[int]]:
    return decode_greedily(model, tokens, mask, limits=[new_tokens] * len(tokens), ends=ends).tolist()


def repeat(work):
    return work


@pytest.mark.parametrize("capture", [None, repeat])
@pytest.mark.parametrize("lengths", [[9] * 12, [1, 2, 5, 9, 9, 9, 12, 12]])
@pytest.mark.parametrize("name", FIXED)
def test_continuations_are_those_of_decode_greedily(name, lengths, capture):
    model = untrained(name)
    decoder = FixedDecoder(model, len(lengths), max(lengths), 15, [END], capture)

    for seed in (7, 8):
        tokens, mask = prompts(lengths, seed)
        found = decoder(tokens, mask)

        assert found.tolist() == expected(model, tokens, mask, 15, [END])
        assert len({tuple(row) for row in found.tolist()}) > 3, "too many continuations are the same"
        assert decoder.agrees(tokens, mask, found)
        assert not decoder.agrees(tokens, mask, found.roll(1, 0))


def test_smaller_batches_use_the_same_decoder():
    model = untrained("gpt2")
    decoder = FixedDecoder(model, 8, 9, 15, [END], repeat)
    tokens, mask = prompts([9] * 5)

    assert decoder(tokens, mask).tolist() == expected(model, tokens, mask, 15, [END])


def test_every_end_token_ends_a_row():
    model = untrained("gpt2")
    tokens, mask = prompts([3] * 40)
    alike = decode_greedily(model, tokens, mask, limits=[10] * 40, ends=[END])
    ends = [END, *(int(alike[:, place].mode(0).values) for place in (1, 3))]

    found = FixedDecoder(model, 40, 3, 10, ends, None)(tokens, mask)

    assert found.tolist() == expected(model, tokens, mask, 10, ends) != alike.tolist()


def test_decoding_stops_when_all_rows_have_ended():
    model = untrained("gpt2")
    tokens, mask = prompts([3] * 4)
    calls: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda *_: calls.append(1))

    found = FixedDecoder(model, 4, 3, 50, list(range(WORDS)), None)(tokens, mask)

    assert found.tolist() == [[0] * 50] * 4
    assert len(calls) == 1 + 16


def test_results_stay_when_the_decoder_goes_on():
    decoder = FixedDecoder(untrained("gpt2"), 4, 9, 15, [END], repeat)
    first = decoder(*prompts([9] * 4, 1))
    kept = first.clone()

    assert decoder(*prompts([9] * 4, 2)).tolist() != kept.tolist()
    assert torch.equal(first, kept)


def test_steps_run_as_they_are_where_they_cannot_be_captured(capsys):
    def failing(work):
        raise RuntimeError("operation not permitted when stream is capturing")

    model = untrained("gpt2")
    tokens, mask = prompts([9] * 4)
    decoder = FixedDecoder(model, 4, 9, 15, [END], failing)

    for _ in range(2):
        assert decoder(tokens, mask).tolist() == expected(model, tokens, mask, 15, [END])
    assert capsys.readouterr().out.count("cannot be captured as a CUDA graph (operation not permitted") == 1


@pytest.mark.parametrize(
    ("name", "length", "possible"),
    [("gpt2", 60, True), ("llama", 60, True), ("mistral", 8, True), ("mistral", 9, False), ("bloom", 8, False)],
)
def test_models_that_can_be_written_with_in_equal_steps(name, length, possible):
    assert can_be_fixed(untrained(name), length) is possible


def test_the_shape_of_most_steps_is_chosen():
    lengths, limits = [9, 9, 9, 9, 9, 4, 4, 2], [15] * 7 + [3]

    assert most_frequent_shape([[0, 1, 2], [3, 4], [5, 6], [7]], lengths, limits) == (3, 9, 15)
    # Prompts of a batch that end after different numbers of tokens are dropped one by one instead.
    assert most_frequent_shape([[6, 7]], lengths, limits) is None


def test_only_batches_of_the_shape_are_written_in_equal_steps(monkeypatch):
    model, lengths = untrained("gpt2"), []
    plain = fixed_decoding.decode_greedily

    def decode(model, tokens, mask, *, limits, ends):
        lengths.append((len(tokens), max(limits)))
        return plain(model, tokens, mask, limits=limits, ends=ends)

    monkeypatch.setattr(fixed_decoding, "decode_greedily", decode)
    write = greedy_decoder(model, (8, 9, 15), [END], capture=lambda: repeat)

    for rows, longest, limit in [(8, 9, 15), (8, 9, 15), (4, 9, 15), (3, 9, 15), (8, 5, 15), (8, 9, 14)]:
        tokens, mask = prompts([longest] * rows)
        assert write(tokens, mask, [limit] * rows).tolist() == expected(model, tokens, mask, limit, [END])

    # The first one compares some tokens of the first batch.
    assert lengths == [(8, 8), (3, 15), (8, 15), (8, 14)]


def test_graphs_that_write_other_tokens_are_left(capsys):
    def wrong(work):
        ended = work()
        return lambda: ended.fill_(True)

    model = untrained("gpt2")
    tokens, mask = prompts([9] * 8)
    write = greedy_decoder(model, (8, 9, 15), [END], capture=lambda: wrong)

    for _ in range(2):
        assert write(tokens, mask, [15] * 8).tolist() == expected(model, tokens, mask, 15, [END])
    assert capsys.readouterr().out.count("going on without") == 1
