"""Beginnings of texts as prompts: where they end, and that nothing is lost between them and the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bias_amplification.artifacts.notices import WARNING
from bias_amplification.language_model.heads import Head, choose_prompts, cut_head, cut_heads, decode_after
from bias_amplification.study.sections import Generation

MERGES = [("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("c", "o"), ("co", "u"), ("n", "c"), ("nc", "i")]


def byte_level(*, trimmed: bool = False) -> Tokenizer:
    """Return a tokenizer as GPT-2's, with a few merges, whose offsets may leave out spaces, as RoBERTa's do."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(a + b for a, b in MERGES), "Ġthe", "Ġand"]
    merges = [*MERGES, ("Ġ", "the"), ("Ġ", "and")]
    tokenizer = Tokenizer(models.BPE({word: k for k, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trimmed)
    return tokenizer


def metaspace() -> Tokenizer:
    """Return a tokenizer as Llama's: without pieces, and with bytes for characters that it does not know."""
    words = ["<unk>", *(f"<0x{k:02X}>" for k in range(256)), "▁", *"abcdehinotu", *(a + b for a, b in MERGES), "▁the"]
    merges = [*MERGES, ("▁", "the")]
    tokenizer = Tokenizer(
        models.BPE({w: k for k, w in enumerate(words)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


TOKENIZERS = {"byte_level": byte_level(), "trimmed": byte_level(trimmed=True), "metaspace": metaspace()}
#: Cleaning leaves no white space around titles and bodies.
TEXTS = st.text(st.sampled_from("the and council.\n ,é中文🙂\u0301"), max_size=40).map(str.strip)


def head_of(body: str, title: str = "", tokenizer: str = "byte_level", **settings: int | float) -> Head:
    (head,) = cut_heads(TOKENIZERS[tokenizer], [title], [body], Generation(**settings))
    return head


@given(
    title=TEXTS,
    body=TEXTS,
    tokenizer=st.sampled_from(sorted(TOKENIZERS)),
    settings=st.one_of(
        st.builds(lambda k: {"head_tokens": k}, st.integers(1, 30)),
        st.builds(lambda share: {"head_share": share}, st.floats(0.01, 0.99)),
    ),
)
@example(title="", body="🙂🙂", tokenizer="byte_level", settings={"head_tokens": 3})
@example(title="the", body="the and", tokenizer="metaspace", settings={"head_tokens": 1})
def test_head_and_rest_are_the_whole_text(title: str, body: str, tokenizer: str, settings: dict) -> None:
    known = TOKENIZERS[tokenizer]
    encoding = known.encode(f"{title}\n{body}" if title else body, add_special_tokens=False)

    head = cut_head(encoding, title, body, Generation(**settings))

    assert body.startswith(head.text) and head.text == head.text.rstrip()
    count = len(head.prompt)
    if head.prompt:
        assert head.prompt == encoding.ids[:count]
        assert head.left == len(encoding.ids) - count >= 1
        # What follows the prompt, decoded, is what follows the head: character by character.
        rest = decode_after(known, [head.prompt], [encoding.ids[count:]])
        assert rest == [body[len(head.text) :]]
    else:
        assert not body or not title


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"head_tokens": 1}, "the"),
        ({"head_tokens": 2}, "the and"),
        # The third token ends within a word.
        ({"head_tokens": 3}, "the and"),
        ({"head_tokens": 4}, "the and"),
        ({"head_tokens": 99}, "the and council the and the"),
        ({"head_share": 0.2}, "the and"),
        ({"head_share": 0.01}, "the"),
    ],
)
def test_a_head_ends_with_a_word(settings: dict, text: str) -> None:
    # Ten tokens: the| and| |cou|nci|l| the| and| the| and
    assert head_of("the and council the and the and", **settings).text == text


def test_scripts_without_spaces_are_cut_between_characters() -> None:
    # Each character is three tokens, one for each byte.
    head = head_of("中文中文中文", head_tokens=8)

    assert (head.text, len(head.prompt), head.left) == ("中文", 6, 12)
    assert head_of("🙂🙂", head_tokens=1).text == "🙂"


def test_a_title_stands_above_the_head() -> None:
    head = head_of("the and the and", "and the", head_tokens=2)

    assert TOKENIZERS["byte_level"].decode(head.prompt) == "and the\nthe and"
    assert (head.text, head.left) == ("the and", 2)


def test_a_body_of_one_token_is_written_from_its_title() -> None:
    head = head_of("the", "and")

    assert (TOKENIZERS["byte_level"].decode(head.prompt), head.text, head.left) == ("and\n", "", 1)
    assert head_of("the").prompt == []


@pytest.mark.parametrize(
    ("prompt", "bodies", "chosen"),
    [
        (None, ["the and", "the and the", "the" + " and" * 50], "head"),
        (None, ["the and the and"] * 3, "blocks"),
        ("blocks", ["the and"], "blocks"),
        ("head", ["the" + " and" * 50], "head"),
    ],
)
def test_the_texts_decide_if_the_config_does_not(
    prompt: str | None, bodies: list[str], chosen: str, capsys: pytest.CaptureFixture
) -> None:
    generation = Generation(prompt=prompt, block_tokens=2)

    assert choose_prompts(generation, TOKENIZERS["byte_level"], bodies).prompt == chosen
    lines = capsys.readouterr().out.splitlines()
    assert lines[:1] == (["the median text has 3 tokens"] if len(lines) else [])
    warned = [line.removeprefix(WARNING) for line in lines if line.startswith(WARNING)]
    assert len(warned) == (chosen == "head" and prompt is None)
    for line in warned:
        assert line.startswith(
            "at least half of the texts are shorter than two blocks (4 tokens). So the prompt is the "
        )
        assert "first 30% of each text" in line and line.endswith("set generation.prompt to blocks.")
