"""Token sequences of articles: training examples and prompts."""

import math
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

from bias_amplification.corpus.articles import article_text


def encode(tokenizer: Tokenizer, texts: Iterable[str], max_tokens: float = math.inf) -> list[list[int]]:
    """Tokenize texts without special tokens, and keep the first `max_tokens` tokens of each.

    The functions that give the result to a model put the begin-of-text token before it (`begin_tokens`).
    """
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [encoding.ids[: min(len(encoding.ids), max_tokens)] for encoding in encodings]


def training_texts(title: str, body: str, example: str, blank_lines: bool = False) -> list[str]:
    """Cut an article into training texts.

    Parameters
    ----------
    title, body
        The article's parts. A synthetic article has the real title and the text that the model wrote.
    example
        "article": the whole article is one text. "line": each line is a text.
    blank_lines
        Whether blank lines are texts too, as in the published code.

    Returns
    -------
    list of str
        At least one text, unless the article is empty.
    """
    whole = article_text(title, body).strip()
    if example == "article":
        return [whole] if whole else []
    return [line for line in whole.splitlines() if blank_lines or line.strip()]


def cut_blocks(tokens: Sequence[int], size: int) -> list[list[int]]:
    """Cut a token sequence into blocks of `size`; the last block may be shorter (paper, section 3.3)."""
    return [list(tokens[start : start + size]) for start in range(0, len(tokens), size)]


def article_prompts(title: Sequence[int], body: Sequence[int], block: int) -> list[list[int]]:
    """List an article's prompts: the whole title, then the blocks of the body.

    Parameters
    ----------
    title, body
        Token ids; title and body are encoded separately.
    block
        Length of a body block in tokens.
    """
    return [list(title), *cut_blocks(body, block)] if title else cut_blocks(body, block)
