"""Heads: beginnings of real texts that are too short for prompts of whole blocks."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from bias_amplification.artifacts.notices import warn
from bias_amplification.corpus.articles import article_text
from bias_amplification.language_model.texts import encode
from bias_amplification.study.sections import Generation


class Head(NamedTuple):
    """The beginning of a real text.

    Attributes
    ----------
    prompt
        Tokens of the title, a line break and the head, cut from the tokens of the whole text. It is empty if there are
        none, or if the text has no tokens after them.
    text
        The head: the characters of the body that the prompt has.
    left
        Number of tokens of the body after the head.
    """

    prompt: list[int]
    text: str
    left: int


def choose_prompts(generation: Generation, tokenizer: Tokenizer, bodies: Sequence[str]) -> Generation:
    """Decide by the texts what their prompts are, if the config does not say it.

    Parameters
    ----------
    generation
        The config's section.
    tokenizer
        The base model's.
    bodies
        Bodies of the real texts.

    Returns
    -------
    Generation
        The same with `prompt: head` if `prompt` is null and the median body has fewer tokens than two blocks, otherwise
        with `blocks`. The choice of heads is written into the log with a warning.
    """
    if generation.prompt is not None or not bodies:
        return generation
    tokens = statistics.median(map(len, encode(tokenizer, bodies)))
    least = 2 * generation.block_tokens
    if tokens >= least:
        return generation.model_copy(update={"prompt": "blocks"})
    print(f"the median text has {tokens:g} tokens", flush=True)
    part = f"first {generation.head_tokens} tokens" if generation.head_tokens else f"first {generation.head_share:.0%}"
    warn(
        f"at least half of the texts are shorter than two blocks ({least} tokens). So the prompt is the {part} of each "
        "text, and the model writes the rest. To have the model continue each block instead, set generation.prompt to "
        "blocks."
    )
    return generation.model_copy(update={"prompt": "head"})


def cut_head(encoding: Encoding, title: str, body: str, generation: Generation) -> Head:
    """Cut the beginning of a text where a word ends.

    Parameters
    ----------
    encoding
        Tokens of `article_text(title, body)`, without special tokens.
    title, body
        The text's parts, without white space around them. The title may be empty.
    generation
        `head_tokens`, or `head_share` if it is null: length of the head in tokens of the body.

    Returns
    -------
    Head
        The head is as long as asked for, but has at least one token of the body and leaves at least one. If white space
        does not follow there, the head ends at an earlier word, but keeps more than a third of its tokens. If there is
        none, as in scripts without spaces, it ends where a token ends with a whole character.
    """
    whole = article_text(title, body)
    start, ends = len(whole) - len(body), [end for _, end in encoding.offsets]
    before = sum(end <= start for end in ends)
    tokens = len(ends) - before
    asked = generation.head_tokens or round(generation.head_share * tokens)
    asked = min(max(1, asked), tokens - 1)

    def is_whole(kept: int) -> bool:
        """Return whether `kept` tokens of the body are whole characters, and leave a token."""
        end, following = ends[before + kept - 1], encoding.offsets[before + kept][0]
        # White space at the end belongs to the first word that the model writes.
        return end <= following and not whole[end - 1].isspace()

    def ends_word(kept: int) -> bool:
        end = ends[before + kept - 1]
        return whole[end : end + 1].isspace()

    shorter = [kept for kept in range(asked, 0, -1) if is_whole(kept)]
    longer = (kept for kept in range(asked + 1, tokens) if is_whole(kept))
    words = (kept for kept in shorter if 3 * kept > asked and ends_word(kept))
    kept = next(words, None) or next(iter(shorter), None) or next(longer, 0)
    text = whole[start : ends[before + kept - 1]] if kept else ""
    return Head(encoding.ids[: before + kept] if tokens > 0 else [], text, tokens - kept)


def cut_heads(tokenizer: Tokenizer, titles: Sequence[str], bodies: Sequence[str], generation: Generation) -> list[Head]:
    """Cut the beginning of each text; see `cut_head`."""
    wholes = [article_text(*parts) for parts in zip(titles, bodies, strict=True)]
    encodings = tokenizer.encode_batch(wholes, add_special_tokens=False)
    return [cut_head(*parts, generation) for parts in zip(encodings, titles, bodies, strict=True)]


def decode_after(tokenizer: Tokenizer, prompts: Sequence[list[int]], written: Sequence[list[int]]) -> list[str]:
    """Decode the tokens that follow prompts, with the space between both.

    Parameters
    ----------
    tokenizer
        The base model's.
    prompts, written
        Tokens of each prompt, and those that continue it.

    Returns
    -------
    list of str
        The text of prompt and continuation without the prompt's. Some tokenizers drop a space at the beginning of a
        text, so that the continuation decoded alone would lack it.
    """
    both = [[*prompt, *tokens] for prompt, tokens in zip(prompts, written, strict=True)]
    parts = (tokenizer.decode_batch(list(part), skip_special_tokens=True) for part in (prompts, written, both))
    return [
        whole.removeprefix(prompt) if whole.startswith(prompt) else alone
        for prompt, alone, whole in zip(*parts, strict=True)
    ]
