"""Write one synthetic article per real article with a language model (paper, section 3.3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.language_model.decoding import Rows, decode_greedily
from bias_amplification.language_model.fixed_decoding import greedy_decoder, most_frequent_shape
from bias_amplification.language_model.heads import Head, choose_prompts, cut_heads, decode_after
from bias_amplification.language_model.load import (
    end_tokens,
    load_model,
    load_tokenizer,
    max_positions,
    to_bfloat16,
)
from bias_amplification.language_model.prompt_batches import (
    PART_OF_MEMORY,
    Prompts,
    batches_of_heads,
    batches_of_prompts,
    prompts_at_once,
)
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.models.batches import fill, pad
from bias_amplification.models.device import choose_device, claim_share, device_memory, tf32_products
from bias_amplification.models.folders import ModelFolders
from bias_amplification.models.given import LanguageModelUse, check_lengths
from bias_amplification.models.packed import packed
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study.sections import Decoding, Generation, JobCompute


class Conditions(Rows, Protocol):
    """Conditions under which a model writes, such as changed neurons. Rows of a batch may have different ones."""

    number: int
    """How many there are."""
    digest: str
    """A hash of everything in them that texts depend on."""

    def begin(self, conditions: Sequence[int]) -> None:
        """Start a batch: the condition of each of its prompts, from 0 on. With beams, a prompt has several rows."""


@torch.no_grad()
def continue_prompts(
    model: PreTrainedModel,
    prompts: Prompts,
    generation: Generation,
    decoding: Decoding,
    seed: int,
    checkpoint: Checkpoint | None = None,
    conditions: Conditions | None = None,
) -> list[list[int]]:
    """Continue each prompt up to its limit, stopping at any token that ends a text.

    Parameters
    ----------
    model
        On its device, in `eval` mode.
    prompts
        An empty prompt has an empty continuation.
    generation
        Tokens of a block and of its continuation; prompts decoded at once.
    decoding
        How to continue.
    seed
        Seed of nucleus sampling. Each batch has a random stream of its own, the same under each condition.
    checkpoint
        Where finished continuations are saved. The caller removes it.
    conditions
        Conditions under which each prompt is continued, which act on the model by themselves. Greedy decoding mixes
        them in batches.

    Returns
    -------
    list of list of int
        The continuations in the order of `prompts`, without the end-of-text token; first all those under the first
        condition.
    """
    ends, number = end_tokens(model), conditions.number if conditions else 1
    end, count = ends[0], len(prompts.tokens)
    begun = [[*prompts.begin, *prompt] if prompt else [] for prompt in prompts.tokens]
    limits = [generation.new_tokens] * count if prompts.limits is None else list(prompts.limits)
    batches = _batches(model, prompts, generation, decoding, number)
    greedily = greedy_decoder(
        model, most_frequent_shape(batches, list(map(len, begun)) * number, limits * number), ends
    )
    written, widest = 0, max(limits, default=0)

    def decode(place: int, batch: Sequence[int]) -> torch.Tensor:
        nonlocal written
        # Padding is on the left, because continuations start at the right end.
        tokens, mask = (part.to(model.device) for part in pad([begun[i % count] for i in batch], end, left=True))
        rows = {"limits": [limits[i % count] for i in batch], "ends": ends}
        if conditions:
            conditions.begin([i // count for i in batch])
        if decoding.method == "greedy" and conditions:
            found = decode_greedily(model, tokens, mask, **rows, alongside=[conditions])
        elif decoding.method == "greedy":
            found = greedily(tokens, mask, rows["limits"])
        else:
            torch.manual_seed(seed + place % (len(batches) // number))
            found = _decode_with_transformers(model, tokens, mask, decoding, **rows)
        written += int((found != end).sum())
        # If all rows of a batch end early, the result is narrower.
        return torch.nn.functional.pad(found, (0, widest - found.shape[1]), value=end)

    facts = {
        "decoding": decoding.model_dump(),
        "precision": generation.precision,
        "ends": ends,
        "seed": seed,
        "device": str(model.device),
    }
    facts |= {"limits": limits} | ({"conditions": conditions.digest} if conditions else {})
    with packed(model), tf32_products(generation.precision):
        found = fill(
            torch.full((number * count, widest), end),
            batches,
            decode,
            checkpoint=checkpoint,
            key=(model, begun, facts, torch.get_num_threads()),
            progress=lambda _batches, seconds: f"{written:,} tokens written, {written / seconds:,.0f} tokens/s",
        ).tolist()
    return [row[: row.index(end)] if end in row else row for row in found]


def _batches(
    model: PreTrainedModel, prompts: Prompts, generation: Generation, decoding: Decoding, conditions: int
) -> list[list[int]]:
    """Group prompts for decoding; under the k-th condition, prompt i has the number k * prompts + i."""
    # One after another: what is sampled for a prompt depends on its batch, which is the same under each condition then.
    apart = decoding.method != "greedy"
    size = prompts_at_once(model.config, generation, decoding, device_memory(model.device))
    if decoding.method == "greedy" and not generation.batch_prompts:
        claim_share(model.device, PART_OF_MEMORY)
    copies = 1 if apart else conditions
    lengths = [len(prompt) for prompt in prompts.tokens] * copies
    if prompts.limits is None:
        batches = batches_of_prompts(lengths, size, generation)
    else:
        limits, positions = list(prompts.limits) * copies, max_positions(model) - len(prompts.begin)
        # Beams look ahead: a continuation that is cut is not the one that beam search finds with a lower limit.
        alike = decoding.method == "beam"
        batches = batches_of_heads(lengths, limits, size, generation, positions=positions, alike=alike)
    if not apart:
        return batches
    return [[k * len(lengths) + i for i in batch] for k in range(conditions) for batch in batches]


def _decode_with_transformers(
    model: PreTrainedModel,
    tokens: torch.Tensor,
    mask: torch.Tensor,
    decoding: Decoding,
    *,
    limits: Sequence[int],
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
        max_new_tokens=max(limits),
        # The config of a trained model may have it switched off.
        use_cache=True,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
        **options,
    )[:, tokens.shape[1] :]
    beyond = torch.arange(found.shape[1])[None, :] >= torch.tensor(limits)[:, None]
    return found.masked_fill(torch.isin(found, found.new_tensor(ends)) | beyond.to(found.device), ends[0])


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

    The prompts are the real article's title and the blocks of its body, each by itself, or its title and head together
    (`generation.prompt`). Each follows the begin-of-text token, if the tokenizer has that habit. The continuations of
    an article are joined as tokens and then decoded.

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

    Raises
    ------
    StudyError
        If a title and head leave no position of the model for a token to write.
    """
    prompts = cut_prompts(model, tokenizer, articles, generation)
    continuations = continue_prompts(model, prompts.prompts, generation, decoding, seed, checkpoint)
    return join_texts(tokenizer, articles, prompts, continuations)


class ArticlePrompts(NamedTuple):
    """The prompts of articles."""

    prompts: Prompts
    """Those of all articles, in the articles' order."""
    numbers: list[int]
    """Number of prompts of each article."""
    heads: list[Head]
    """The head of each article, empty if prompts are blocks."""


def cut_prompts(
    model: PreTrainedModel, tokenizer: Tokenizer, articles: pa.Table, generation: Generation
) -> ArticlePrompts:
    """Cut the prompts of real articles.

    The parameters, and errors raised, are those of `write_articles`.
    """
    titles, bodies = articles.column("title").to_pylist(), articles.column("body").to_pylist()
    begin = begin_tokens(tokenizer)
    heads = [Head([], "", 0)] * len(articles)
    if generation.prompt == "head":
        heads = cut_heads(tokenizer, titles, bodies, generation)
        per_article = [[head.prompt] if head.prompt else [] for head in heads]
        limits = _limits(heads, max_positions(model) - len(begin), articles.column("article_id").to_pylist())
    else:
        encoded = zip(encode(tokenizer, titles), encode(tokenizer, bodies), strict=True)
        per_article = [article_prompts(title, body, generation.block_tokens) for title, body in encoded]
        limits = None
    prompts = Prompts([prompt for own in per_article for prompt in own], limits, begin)
    return ArticlePrompts(prompts, [len(own) for own in per_article], heads)


def join_texts(
    tokenizer: Tokenizer, articles: pa.Table, prompts: ArticlePrompts, continuations: Sequence[list[int]]
) -> pa.Table:
    """Join the continuations of each article's prompts to a text.

    Parameters
    ----------
    tokenizer
        The base model's.
    articles
        The real articles (schema `ARTICLES`).
    prompts
        Their prompts.
    continuations
        Tokens that continue each prompt.

    Returns
    -------
    pa.Table
        Schema `GENERATED_ARTICLES`, in the order of `articles`.
    """
    following = iter(continuations)
    written = [[token for _ in range(number) for token in next(following)] for number in prompts.numbers]
    texts = decode_after(tokenizer, [head.prompt for head in prompts.heads], written)
    return pa.table(
        {
            "article_id": articles.column("article_id"),
            "title": articles.column("title"),
            "head": pa.array([head.text for head in prompts.heads], pa.string()),
            "text": pa.array(texts, pa.string()),
            "prompts": pa.array(prompts.numbers, pa.int32()),
            "new_tokens": pa.array([len(tokens) for tokens in written], pa.int32()),
        }
    )


def _limits(heads: Sequence[Head], positions: float, article_ids: Sequence[str]) -> list[int]:
    """Return the most new tokens of each head that has a prompt: as many as the body has left and positions allow."""
    for head, article_id in zip(heads, article_ids, strict=True):
        if len(head.prompt) >= positions:
            raise StudyError(
                f"article {article_id}: its title and head have {len(head.prompt)} tokens, and the model has "
                f"{positions} positions for them and what it writes: lower generation.head_tokens or "
                "generation.head_share, or shorten the title in the corpus."
            )
    return [int(min(head.left, positions - len(head.prompt))) for head in heads if head.prompt]


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
        If a prompt and its continuation exceed the model's positions. A head's continuation is shortened instead.
    """
    writer = open_writer(model, seed_set, generation, compute.device)
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    table = write_articles(*writer, decoding, seed, checkpoint)
    write_table(table, out, GENERATED_ARTICLES)
    checkpoint.remove()
    report_texts(table)


class Writer(NamedTuple):
    """A model, and what it writes from."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    articles: pa.Table
    """The seed set (schema `ARTICLES`)."""
    generation: Generation
    """The config's `generation`, with the kind of prompt that the seed set decides if the config leaves it open."""


def open_writer(model: ModelFolders, seed_set: Path | str, generation: Generation, device: str) -> Writer:
    """Load a model that writes and the articles that it writes from.

    The parameters, and errors raised, are those of `generate_articles`; `device` is a config's `compute.device`.
    """
    language_model = load_model(model.model, choose_device(device))
    if generation.precision == "bfloat16":
        language_model = to_bfloat16(language_model)
    tokenizer = load_tokenizer(model.tokenizer)
    articles = read_table(seed_set, ARTICLES)
    generation = choose_prompts(generation, tokenizer, articles.column("body").to_pylist())
    if generation.prompt == "blocks":
        _check_blocks(language_model, tokenizer, articles, generation, seed_set)
    return Writer(language_model, tokenizer, articles, generation)


def report_texts(table: pa.Table) -> None:
    """Write into the log, from which the terminal repeats it, how long the texts are and how many are empty."""
    texts, tokens = table["text"].to_pylist(), pc.mean(table["new_tokens"]).as_py()
    empty = sum(not any(map(str.isalnum, text)) for text in texts)
    print(f"{len(texts)} texts of {tokens:.0f} tokens on average" + (f", {empty} of them empty" if empty else ""))


def _check_blocks(
    model: PreTrainedModel, tokenizer: Tokenizer, articles: pa.Table, generation: Generation, seed_set: Path | str
) -> None:
    """Check that blocks and titles leave the model enough positions for their continuations."""
    positions, begin = max_positions(model), len(begin_tokens(tokenizer))
    check_lengths(positions, LanguageModelUse(writing_tokens=generation.positions), begin, "the model")
    titles = encode(tokenizer, articles.column("title").to_pylist())
    for article_id, title in zip(articles.column("article_id").to_pylist(), titles, strict=True):
        if len(title) + generation.new_tokens + begin > positions:
            raise StudyError(
                f"{seed_set}: the title of article {article_id} has {len(title) + begin} tokens, which with "
                f"generation.new_tokens exceed the model's {positions} positions: lower generation.new_tokens or "
                "shorten the title in the corpus."
            )
