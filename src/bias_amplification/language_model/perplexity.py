"""Perplexity of synthetic articles (paper, section 4.2 and appendix E)."""

import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES, PERPLEXITY
from bias_amplification.language_model.load import end_token, load_model, load_tokenizer, max_positions
from bias_amplification.language_model.texts import encode
from bias_amplification.models.batches import by_length, pad
from bias_amplification.models.device import choose_device, products_in
from bias_amplification.models.output_head import output_weight, token_losses
from bias_amplification.models.packed import packed
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study.sections import JobCompute, Perplexity

#: Largest number of logits of a batch. In float32, with one copy, they take 1 GiB.
_LOGITS = 2**27


@torch.no_grad()
def perplexities(
    model: PreTrainedModel, sequences: Sequence[list[int]], *, batch_tokens: int, padding: int
) -> list[float | None]:
    """Compute exp of the mean negative log-likelihood of each sequence's tokens from the second on.

    Parameters
    ----------
    model
        On its device, in `eval` mode.
    sequences
        Token ids.
    batch_tokens
        Most tokens of a batch, padding included.
    padding
        Padding token; its losses are left out.

    Returns
    -------
    list of float or None
        None for a sequence of fewer than two tokens.
    """
    results: list[float | None] = [None] * len(sequences)
    budget = max(1, min(batch_tokens, _LOGITS // model.config.vocab_size))
    usable = [len(sequence) if len(sequence) > 1 else 0 for sequence in sequences]
    weight = output_weight(model)
    with packed(model):
        for batch in by_length(usable, budget):
            # Padding is at the end, where no real token attends to it, so the model needs no mask.
            tokens, mask = (part.to(model.device) for part in pad([sequences[i] for i in batch], padding))
            real, following = mask[:, 1:].bool(), tokens[:, 1:]
            if weight is not None:
                hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
                losses = token_losses(hidden[real], weight, following[real])
            else:
                logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
                losses = torch.nn.functional.cross_entropy(logits[real].float(), following[real], reduction="none")
            sums = torch.zeros(len(batch), dtype=torch.float64, device=losses.device)
            sums = sums.index_add(0, real.nonzero()[:, 0], losses.double()).tolist()
            for i, total in zip(batch, sums, strict=True):
                results[i] = math.exp(total / (usable[i] - 1))
    return results


def score_perplexity(
    articles: Path | str,
    base_model: Path | str,
    generating_model: Path | str,
    out: Path | str,
    perplexity: Perplexity,
    compute: JobCompute,
) -> None:
    """Write perplexity.parquet: each article's perplexity under the base model and under the model that wrote it.

    Parameters
    ----------
    articles
        A generation's articles (schema `GENERATED_ARTICLES`). Their text is scored without the title.
    base_model, generating_model
        Folders of the models; the same folder for the base model's own articles. The tokenizer is the base model's.
    out
        The table to write (schema `PERPLEXITY`).
    perplexity
        How many tokens of an article count; never more than the base model has positions. If the tokenizer puts a
        begin-of-text token first, the models read it but it is not scored. Without it, the first token of an article is
        not scored.
    compute
        Where to compute, and how many tokens at once.

    Raises
    ------
    StudyError
        If a file is missing or damaged, or if the generating model has fewer positions than an article has tokens.
    """
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "text"])
    device = choose_device(compute.device)
    texts = table.column("text").to_pylist()
    model = load_model(base_model, device)
    padding = end_token(model)
    tokenizer = load_tokenizer(base_model)
    begin = begin_tokens(tokenizer)
    token_lists = encode(tokenizer, texts, min(perplexity.max_tokens, max_positions(model) - len(begin)))
    sequences = [[*begin, *tokens] for tokens in token_lists]

    def score(model: PreTrainedModel) -> list[float | None]:
        with products_in(compute.measuring, device):
            return perplexities(model, sequences, batch_tokens=compute.batch_tokens, padding=padding)

    columns = {"perplexity_base": score(model)}
    columns["perplexity_generating"] = columns["perplexity_base"]
    if Path(generating_model) != Path(base_model):
        model = load_model(generating_model, device)
        longest = max(map(len, sequences), default=0)
        if longest > max_positions(model):
            raise StudyError(
                f"{generating_model} has {max_positions(model)} positions, fewer than the base model, and an article "
                f"has {longest} tokens: lower perplexity.max_tokens."
            )
        columns["perplexity_generating"] = score(model)
    write_table(
        pa.table(
            {
                "article_id": table.column("article_id"),
                "tokens": pa.array([len(tokens) for tokens in token_lists], pa.int32()),
                **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
            }
        ),
        out,
        PERPLEXITY,
    )
