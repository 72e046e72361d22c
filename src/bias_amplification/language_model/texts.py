"""Token sequences of articles: training examples and prompts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from bias_amplification.artifacts import StudyError, read_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, TRAINING_SET, TRAINING_SET_WITH_TITLES
from bias_amplification.corpus.articles import article_text
from bias_amplification.study import strategies


def encode(tokenizer: Tokenizer, texts: Iterable[str], max_tokens: float = math.inf) -> list[list[int]]:
    """Tokenize texts without special tokens, and keep the first `max_tokens` tokens of each.

    The functions that give the result to a model put the begin-of-text token before it (`begin_tokens`).
    """
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [encoding.ids[: min(len(encoding.ids), max_tokens)] for encoding in encodings]


def read_training_texts(training_set: Path | str, sources: Mapping[str, Path | str]) -> list[tuple[str, str]]:
    """Read title and body of the texts that a training set names, in its order.

    The body of a written text is its real head, if it has one, and what the model wrote.

    Parameters
    ----------
    training_set
        Names of the texts (schema `TRAINING_SET`).
    sources
        From each origin in the training set to the table that holds its texts: the seed set or other real articles
        (schema `ARTICLES`), or a generation's articles (schema `GENERATED_ARTICLES`).

    Raises
    ------
    StudyError
        If a table lacks a named article.
    """
    tables = {origin: _texts_by_id(path, origin) for origin, path in sources.items()}
    found = []
    for row in read_table(training_set, TRAINING_SET, or_schema=TRAINING_SET_WITH_TITLES).to_pylist():
        own, origin = row["article_id"], row["origin"]
        title_id = row.get("title_id", own)
        for article_id in (own, title_id):
            if article_id not in tables[origin]:
                raise StudyError(
                    f"{sources[origin]} lacks article {article_id}, which {training_set} names: delete both and run "
                    "snakemake again."
                )
        # The head is above the text and below the title, and moves with the title.
        (title, head, _), (_, _, text) = tables[origin][title_id], tables[origin][own]
        found.append((title, head + text))
    return found


def _texts_by_id(path: Path | str, origin: str) -> dict[str, tuple[str, str, str]]:
    """Read title, head and text of each article of a table, by article id; real articles have an empty head."""
    real = origin in (strategies.SEED_SET, strategies.REAL)
    schema, body = (ARTICLES, "body") if real else (GENERATED_ARTICLES, "text")
    table = read_table(path, schema, ["article_id", "title", *([] if real else ["head"]), body])
    return {row["article_id"]: (row["title"], row.get("head", ""), row[body]) for row in table.to_pylist()}


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
