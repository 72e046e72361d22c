"""Let a model write one synthetic article per real article (paper, section 3.3)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer
from transformers import PretrainedConfig, PreTrainedModel

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.batches import fill
from bias_amplification.language_model.decoding import decode_greedily
from bias_amplification.language_model.device import choose_device, device_memory
from bias_amplification.language_model.load import end_token, load_model, load_tokenizer
from bias_amplification.language_model.packed import packed
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.study.sections import usual_prompts

#: Fewer leave a GPU idle; what does not fit then, fails and says so.
_FEWEST_AT_ONCE = 32
#: More keep no GPU busier, and would make the last batches of a generation uneven.
_MOST_AT_ONCE = 8192
#: Jobs that share a GPU each take this part of its memory for what they decode.
_PART_OF_MEMORY = 0.25


def prompts_at_once(config: PretrainedConfig, places: int, memory: int | None, beams: int = 1) -> int:
    """Tell how many prompts are decoded at once on a device.

    Parameters
    ----------
    config
        The model's.
    places
        Tokens of a prompt and its continuation at most.
    memory
        The device's memory in bytes, whether free or not, so that a job that is run again has the same batches; None
        for a CPU, where larger batches gain nothing, and for anything but greedy decoding.
    beams
        Rows of each prompt.

    Returns
    -------
    int
        256, divided by the beams, without a memory; else the largest power of two from 32 to 8,192 whose keys, values,
        logits and activations in float32 take a quarter of the memory.
    """
    if memory is None:
        return usual_prompts(beams)
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    kept = 2 * text.num_hidden_layers * places * heads * head
    # The first step's widest activation, three of which live at once, and twice the logits.
    passing = 3 * places * 4 * text.hidden_size + 2 * text.vocab_size
    fitting = int(_PART_OF_MEMORY * memory / (4 * (kept + passing)))
    return min(_MOST_AT_ONCE, max(_FEWEST_AT_ONCE, 2 ** int(math.log2(max(1, fitting)))))


def batches_of_prompts(lengths: Sequence[int], size: int, *, block_tokens: int, new_tokens: int) -> list[list[int]]:
    """Group prompts for decoding: longest first, at most `size` in a batch, and of long titles fewer.

    Parameters
    ----------
    lengths
        Tokens of each prompt; an empty prompt is in no batch.
    size
        Most prompts in a batch.
    block_tokens
        Length of a whole block of a body. Whole blocks, which are the most, and all lengths that fill an eighth of a
        batch share batches without padding. The few shorter ones are padded together, like lengths beside each other.
        Titles that are longer keep to themselves, and as few of them share a batch as take no more room than `size`
        whole blocks.
    new_tokens
        Most tokens that are written for each.
    """
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i))
    alike: dict[int, list[int]] = {}
    for i in order:
        alike.setdefault(lengths[i], []).append(i)
    many = [n for n, group in alike.items() if n <= block_tokens and (n == block_tokens or 8 * len(group) >= size)]
    batches: list[list[int]] = []
    for group in (
        [i for i in order if lengths[i] > block_tokens],
        *(alike[length] for length in many),
        [i for i in order if lengths[i] <= block_tokens and lengths[i] not in many],
    ):
        start = 0
        while start < len(group):
            widest = max(lengths[group[start]], block_tokens) + new_tokens
            rows = max(1, size * (block_tokens + new_tokens) // widest)
            batches.append(group[start : start + rows])
            start += rows
    return sorted(batches, key=lambda batch: -lengths[batch[0]])


@torch.no_grad()
def continue_prompts(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    block_tokens: int,
    new_tokens: int,
    decoding: Mapping[str, Any],
    batch_prompts: int,
    end: int,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> list[list[int]]:
    """Continue each prompt by at most `new_tokens` tokens, stopping at the end token.

    Parameters
    ----------
    model
        On its device, in `eval` mode.
    prompts
        Token ids; an empty prompt gets an empty continuation.
    block_tokens
        Length of a whole block, which most prompts have.
    new_tokens
        Most tokens per prompt.
    decoding
        `method` "greedy", "beam" (with `beams`) or "nucleus" (with `top_p`, `temperature`).
    batch_prompts
        Whole blocks decoded at once.
    end
        End-of-text token; it is left out of the continuation.
    seed
        For nucleus sampling; each batch draws from a stream of its own.
    checkpoint
        Where what is done is kept, and found. The caller removes it.

    Returns
    -------
    list of list of int
        In the order of `prompts`.
    """
    lengths = [len(prompt) for prompt in prompts]
    batches = batches_of_prompts(lengths, batch_prompts, block_tokens=block_tokens, new_tokens=new_tokens)
    written = 0

    def decode(number: int, batch: Sequence[int]) -> torch.Tensor:
        nonlocal written
        longest = len(prompts[batch[0]])
        # Left padding: every row's last real token is where the continuation starts.
        tokens = torch.full((len(batch), longest), end)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, i in enumerate(batch):
            tokens[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, longest - len(prompts[i]) :] = 1
        tokens, mask = tokens.to(model.device), mask.to(model.device)
        if decoding["method"] == "greedy":
            found = decode_greedily(model, tokens, mask, new_tokens=new_tokens, end=end)
        else:
            torch.manual_seed(seed + number)
            found = _decode_with_transformers(model, tokens, mask, decoding, new_tokens=new_tokens, end=end)
        written += int((found != end).sum())
        # A batch in which every row has ended is shorter.
        return torch.nn.functional.pad(found, (0, new_tokens - found.shape[1]), value=end)

    facts = {"decoding": dict(decoding), "end": end, "seed": seed, "device": str(model.device)}
    with packed(model):
        rows = fill(
            torch.full((len(prompts), new_tokens), end),
            batches,
            decode,
            checkpoint=checkpoint,
            key=(model, list(prompts), facts, torch.get_num_threads()),
            says=lambda _batches, seconds: f"{written:,} tokens written, {written / seconds:,.0f} tokens/s",
        ).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def _decode_with_transformers(
    model: PreTrainedModel,
    tokens: torch.Tensor,
    mask: torch.Tensor,
    decoding: Mapping[str, Any],
    *,
    new_tokens: int,
    end: int,
) -> torch.Tensor:
    """Beams and samples: arguments and result as of `decode_greedily`, but the result may be narrower."""
    options: dict[str, Any] = {"do_sample": False, "num_beams": decoding.get("beams")}
    if decoding["method"] == "nucleus":
        options = {"do_sample": True, "top_p": decoding["top_p"], "top_k": 0, "temperature": decoding["temperature"]}
    return model.generate(
        tokens,
        attention_mask=mask,
        max_new_tokens=new_tokens,
        # Said outright: training leaves it off in the model's config.
        use_cache=True,
        eos_token_id=end,
        pad_token_id=end,
        **options,
    )[:, tokens.shape[1] :]


def write_articles(
    model: PreTrainedModel, tokenizer: Tokenizer, articles: pa.Table, *, block_tokens: int, **options: Any
) -> pa.Table:
    """Write one synthetic article per real article.

    The title and the body's blocks are prompts of their own, always the real ones; all continuations of an article
    are joined as tokens and then decoded.

    Parameters
    ----------
    model, tokenizer
        The writer.
    articles
        The seed set (schema `ARTICLES`).
    block_tokens
        Length of a body block.
    options
        For `continue_prompts`.

    Returns
    -------
    pa.Table
        Schema `GENERATED_ARTICLES`, in the seed set's order.
    """
    titles = articles.column("title").to_pylist()
    bodies = articles.column("body").to_pylist()
    per_article = [
        article_prompts(title, body, block_tokens)
        for title, body in zip(encode(tokenizer, titles), encode(tokenizer, bodies), strict=True)
    ]
    continuations = iter(
        continue_prompts(model, [p for prompts in per_article for p in prompts], block_tokens=block_tokens, **options)
    )
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
    model: Path | str,
    tokenizer: Path | str,
    seed_set: Path | str,
    out: Path | str,
    *,
    generation: Mapping[str, Any],
    decoding: Mapping[str, Any],
    seed: int,
    device: str,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a generation's articles.parquet.

    Parameters
    ----------
    model, tokenizer
        Folders.
    seed_set
        The round's real articles (schema `ARTICLES`).
    out
        The table to make (schema `GENERATED_ARTICLES`).
    generation, decoding
        The config's `generation` section and the round's `decoding`.
    seed, device
        For nucleus sampling; where to compute.
    state
        Arguments of `Checkpoint`: where what is done is kept while it goes on.

    Raises
    ------
    StudyError
        If a prompt and its continuation exceed the model's context.
    """
    language_model = load_model(model, choose_device(device))
    articles = read_table(seed_set, ARTICLES)
    needed = generation["block_tokens"] + generation["new_tokens"]
    context = getattr(language_model.config, "max_position_embeddings", math.inf)
    if needed > context:
        raise StudyError(
            f"generation.block_tokens + generation.new_tokens is {needed}, but the model has {context} positions: "
            "lower one of them."
        )
    words = load_tokenizer(tokenizer)
    titles = encode(words, articles.column("title").to_pylist())
    for article_id, title in zip(articles.column("article_id").to_pylist(), titles, strict=True):
        if len(title) + generation["new_tokens"] > context:
            raise StudyError(
                f"{seed_set}: the title of article {article_id} has {len(title)} tokens, which with "
                f"generation.new_tokens exceed the model's {context} positions: lower generation.new_tokens or mend "
                "the article in the corpus."
            )
    # Beams are rows of their own, and a nucleus's draws go by the batch.
    memory = device_memory(language_model.device) if decoding["method"] == "greedy" else None
    beams = decoding["beams"] if decoding["method"] == "beam" else 1
    at_once = generation["batch_prompts"] or prompts_at_once(language_model.config, needed, memory, beams)
    checkpoint = Checkpoint(**(state or {}))
    table = write_articles(
        language_model,
        words,
        articles,
        block_tokens=generation["block_tokens"],
        new_tokens=generation["new_tokens"],
        batch_prompts=at_once,
        decoding=decoding,
        end=end_token(language_model),
        seed=seed,
        checkpoint=checkpoint,
    )
    if table.column("article_id").to_pylist() != articles.column("article_id").to_pylist():
        raise ValueError(f"{out}: the synthetic articles are not the seed set's, one for one")
    write_table(table, out, GENERATED_ARTICLES)
    checkpoint.remove()
