"""How many prompts are decoded at once, and which of them together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, Qwen3Config

from bias_amplification.language_model.prompt_batches import batches_of_heads, batches_of_prompts, prompts_at_once
from bias_amplification.study.sections import Decoding, Generation

BLOCKS = Generation(block_tokens=64, new_tokens=64)


@given(lengths=st.lists(st.integers(0, 150), max_size=50), size=st.integers(1, 20))
def test_batches_are_a_partition(lengths: list[int], size: int) -> None:
    batches = batches_of_prompts(lengths, size, BLOCKS)

    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    assert all(1 <= len(batch) <= size for batch in batches)
    widths = [max(lengths[i] for i in batch) for batch in batches]
    assert widths == [lengths[batch[0]] for batch in batches] == sorted(widths, reverse=True)
    # Whole blocks are decoded without padding.
    assert all({lengths[i] for i in batch} == {64} for batch in batches if 64 in [lengths[i] for i in batch])
    # A batch takes no more memory than one of whole blocks, unless it is a single prompt.
    assert all(len(batch) == 1 or len(batch) * (w + 64) <= size * 128 for batch, w in zip(batches, widths, strict=True))


def test_long_titles_are_batched_separately() -> None:
    """Two titles of 900 tokens among prompts of many lengths below a block."""
    lengths = [900, 5, 910, *range(1, 64)]

    batches = batches_of_prompts(lengths, 256, BLOCKS)

    assert [[lengths[i] for i in batch] for batch in batches] == [[910, 900], [*range(63, 5, -1), 5, *range(5, 0, -1)]]
    # Many long titles share a batch as far as its memory suffices: 64 * 128 positions.
    many = batches_of_prompts([900] * 20, 64, BLOCKS)
    assert [len(batch) for batch in many] == [8, 8, 4]


@given(
    prompts=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 200)), max_size=50),
    size=st.integers(1, 20),
    alike=st.booleans(),
)
def test_batches_of_heads_take_no_more_than_blocks(prompts: list[tuple[int, int]], size: int, alike: bool) -> None:
    lengths, limits = [length for length, _ in prompts], [limit for _, limit in prompts]

    batches = batches_of_heads(lengths, limits, size, BLOCKS, positions=290, alike=alike)

    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    for batch in batches:
        read, written = max(lengths[i] for i in batch), max(limits[i] for i in batch)
        assert read + written <= 290 and len(batch) <= size
        assert len(batch) == 1 or len(batch) * (read + written) <= size * 128
        assert len(batch) == 1 or len(batch) * read <= size * 64
        assert not alike or {limits[i] for i in batch} == {written}


def test_continuations_of_similar_length_share_a_batch() -> None:
    limits = [5, 60, 6, 58, 7, 59]

    batches = batches_of_heads([4, 30, 4, 29, 4, 30], limits, 3, BLOCKS, positions=1024, alike=False)

    assert [[limits[i] for i in batch] for batch in batches] == [[60, 59, 58], [7, 6, 5]]


@pytest.mark.parametrize(
    ("decoding", "memory", "number"),
    [
        ({"method": "greedy"}, None, 256),
        ({"method": "beam", "beams": 5}, None, 51),
        ({"method": "beam", "beams": 300}, None, 1),
        ({"method": "nucleus"}, None, 256),
        ({"method": "greedy"}, 80 * 10**9, 1024),
        ({"method": "greedy"}, 4 * 10**9, 64),
        ({"method": "greedy"}, 10**8, 32),
        # Beams and samples do not depend on the device.
        ({"method": "beam", "beams": 5}, 80 * 10**9, 51),
        ({"method": "nucleus"}, 80 * 10**9, 256),
    ],
)
def test_prompts_at_once_of_gpt2(decoding: dict, memory: int | None, number: int) -> None:
    assert prompts_at_once(GPT2Config(), BLOCKS, Decoding(**decoding), memory) == number


def test_the_config_decides_before_the_device() -> None:
    generation = BLOCKS.model_copy(update={"batch_prompts": 16})

    assert prompts_at_once(GPT2Config(), generation, Decoding(), 80 * 10**9) == 16


def test_prompts_at_once_of_other_models() -> None:
    small = GPT2Config(n_embd=96, n_layer=3, n_head=3, vocab_size=2048)
    assert prompts_at_once(small, BLOCKS, Decoding(), 80 * 10**9) == 8192
    # The heads of Qwen3 0.6B together are wider than the hidden state, and half as many heads have keys and values.
    options = {"num_hidden_layers": 28, "hidden_size": 1024, "num_attention_heads": 16, "vocab_size": 151_936}
    kept = 2 * 28 * 128 * 8 * 128
    passing = 3 * 128 * 4 * 1024 + 2 * 151_936
    qwen = Qwen3Config(**options, num_key_value_heads=8, head_dim=128)
    assert prompts_at_once(qwen, BLOCKS, Decoding(), 4 * 4 * 600 * (kept + passing)) == 512
