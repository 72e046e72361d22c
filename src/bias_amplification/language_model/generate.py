"""Write one synthetic article per real article with a language model (paper, section 3.3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.language_model.decoding import decode_greedily
from bias_amplification.language_model.load import (
    end_tokens,
    load_model,
    load_tokenizer,
    max_positions,
)
from bias_amplification.language_model.prompt_batches import batches_of_prompts, prompts_at_once
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.models.batches import fill, pad
from bias_amplification.models.device import choose_device, device_memory
from bias_amplification.models.folders import ModelFolders
from bias_amplification.models.given import LanguageModelUse, check_lengths
from bias_amplification.models.packed import packed
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study.sections import Decoding, Generation, JobCompute


@torch.no_grad()
def continue_prompts(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    generation: Generation,
    decoding: Decoding,
    seed: int,
    checkpoint: Checkpoint | None = None,
    begin: Sequence[int] = (),
) -> list[list[int]]:
    """Continue each prompt by at most `generation.new_tokens` tokens, stopping at any token that ends a text.

    Parameters
    ----------
    model
        On its device, in `eval` mode.
    prompts
        Token ids; an empty prompt has an empty continuation.
    generation
        Tokens of a block, which most prompts have; tokens of a continuation; prompts decoded at once.
    decoding
        How to continue.
    seed
        Seed of nucleus sampling; each batch has a random stream of its own.
    checkpoint
        Where finished continuations are saved. The caller removes it.
    begin
        Tokens that the model reads before each prompt that is not empty.

    Returns
    -------
    list of list of int
        The continuations in the order of `prompts`, without the end-of-text token.
    """
    ends, new_tokens = end_tokens(model), generation.new_tokens
    end = ends[0]
    begun = [[*begin, *prompt] if prompt else [] for prompt in prompts]
    size = prompts_at_once(model.config, generation, decoding, device_memory(model.device))
    written = 0

    def decode(number: int, batch: Sequence[int]) -> torch.Tensor:
        nonlocal written
        # Padding is on the left, because continuations start at the right end.
        tokens, mask = (part.to(model.device) for part in pad([begun[i] for i in batch], end, left=True))
        if decoding.method == "greedy":
            found = decode_greedily(model, tokens, mask, new_tokens=new_tokens, ends=ends)
        else:
            torch.manual_seed(seed + number)
            found = _decode_with_transformers(model, tokens, mask, decoding, new_tokens=new_tokens, ends=ends)
        written += int((found != end).sum())
        # If all rows of a batch end early, the result is narrower.
        return torch.nn.functional.pad(found, (0, new_tokens - found.shape[1]), value=end)

    facts = {"decoding": decoding.model_dump(), "ends": ends, "seed": seed, "device": str(model.device)}
    with packed(model):
        rows = fill(
            torch.full((len(prompts), new_tokens), end),
            batches_of_prompts([len(prompt) for prompt in prompts], size, generation),
            decode,
            checkpoint=checkpoint,
            key=(model, begun, facts, torch.get_num_threads()),
            progress=lambda _batches, seconds: f"{written:,} tokens written, {written / seconds:,.0f} tokens/s",
        ).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def _decode_with_transformers(
    model: PreTrainedModel,
    tokens: torch.Tensor,
    mask: torch.Tensor,
    decoding: Decoding,
    *,
    new_tokens: int,
    ends: Sequence[int],
) -> torch.Tensor:
    """Decode by beam search or nucleus sampling.

    Arguments and result are those of `decode_greedily`, but the result may be narrower.
    """
    options: dict[str, Any] = {"do_sample": False, "num_beams": decoding.beams}
    if decoding.method == "nucleus":
        options = {"do_sample": True, "top_p": decoding.top_p, "top_k": 0, "temperature": decoding.temperature}
    found = model.generate(
        tokens,
        attention_mask=mask,
        max_new_tokens=new_tokens,
        # The config of a trained model may have it switched off.
        use_cache=True,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
        **options,
    )[:, tokens.shape[1] :]
    return found.masked_fill(torch.isin(found, torch.tensor(ends, device=found.device)), ends[0])


def write_articles(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    articles: pa.Table,
    generation: Generation,
    decoding: Decoding,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> pa.Table:
    """Write one synthetic article per real article.

    The prompts are the real article's title and the blocks of its body, each by itself and each after the
    begin-of-text token, if the tokenizer has that habit. The continuations of an article are joined as tokens and then
    decoded.

    Parameters
    ----------
    model, tokenizer
        The model that writes, and its tokenizer.
    articles
        The seed set (schema `ARTICLES`).
    generation, decoding, seed, checkpoint
        See `continue_prompts`.

    Returns
    -------
    pa.Table
        Schema `GENERATED_ARTICLES`, in the seed set's order.
    """
    titles = articles.column("title").to_pylist()
    bodies = articles.column("body").to_pylist()
    per_article = [
        article_prompts(title, body, generation.block_tokens)
        for title, body in zip(encode(tokenizer, titles), encode(tokenizer, bodies), strict=True)
    ]
    all_prompts = [prompt for prompts in per_article for prompt in prompts]
    begin = begin_tokens(tokenizer)
    continuations = iter(continue_prompts(model, all_prompts, generation, decoding, seed, checkpoint, begin))
    written = [[token for _ in prompts for token in next(continuations)] for prompts in per_article]
    return pa.table(
        {
            "article_id": articles.column("article_id"),
            "title": articles.column("title"),
            "text": pa.array(tokenizer.decode_batch(written, skip_special_tokens=True), pa.string()),
            "prompts": pa.array([len(prompts) for prompts in per_article], pa.int32()),
            "new_tokens": pa.array([len(tokens) for tokens in written], pa.int32()),
        }
    )


def generate_articles(
    model: ModelFolders,
    seed_set: Path | str,
    out: Path | str,
    generation: Generation,
    decoding: Decoding,
    seed: int,
    compute: JobCompute,
) -> None:
    """Write a generation's articles.parquet.

    Parameters
    ----------
    model
        Folders of the model that writes and of its tokenizer.
    seed_set
        The round's real articles (schema `ARTICLES`).
    out
        The table to write (schema `GENERATED_ARTICLES`).
    generation, decoding
        The config's `generation` and the round's `decoding`.
    seed
        Seed of nucleus sampling.
    compute
        Where to compute.

    Raises
    ------
    StudyError
        If a prompt and its continuation exceed the model's positions.
    """
    language_model = load_model(model.model, choose_device(compute.device))
    tokenizer = load_tokenizer(model.tokenizer)
    articles = read_table(seed_set, ARTICLES)
    positions = max_positions(language_model)
    begin = len(begin_tokens(tokenizer))
    use = LanguageModelUse(writing_tokens=generation.block_tokens + generation.new_tokens)
    check_lengths(positions, use, begin, "the model")
    titles = encode(tokenizer, articles.column("title").to_pylist())
    for article_id, title in zip(articles.column("article_id").to_pylist(), titles, strict=True):
        if len(title) + generation.new_tokens + begin > positions:
            raise StudyError(
                f"{seed_set}: the title of article {article_id} has {len(title) + begin} tokens, which with "
                f"generation.new_tokens exceed the model's {positions} positions: lower generation.new_tokens or "
                "shorten the title in the corpus."
            )
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    table = write_articles(language_model, tokenizer, articles, generation, decoding, seed, checkpoint)
    write_table(table, out, GENERATED_ARTICLES)
    checkpoint.remove()
    texts = table["text"].to_pylist()
    empty = sum(not any(map(str.isalnum, text)) for text in texts)
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(f"{len(texts)} texts of {words:.0f} words on average" + (f", {empty} of them empty" if empty else ""))
