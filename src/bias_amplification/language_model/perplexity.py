"""Perplexity of synthetic articles (paper, section 4.2 and appendix E)."""

import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from transformers import PreTrainedModel

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import GENERATED_ARTICLES, PERPLEXITY
from bias_amplification.batches import by_length, pad
from bias_amplification.language_model.device import choose_device
from bias_amplification.language_model.head import head_weight, losses
from bias_amplification.language_model.load import end_token, load_model, load_tokenizer
from bias_amplification.language_model.packed import packed
from bias_amplification.language_model.texts import encode

#: Logits held at once, as numbers: bounds memory to about 4 bytes x 2 copies x this.
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
        Tokens a batch may hold, padding included.
    padding
        Token that pads; masked.

    Returns
    -------
    list of float or None
        None for a sequence of fewer than two tokens.
    """
    results: list[float | None] = [None] * len(sequences)
    budget = max(1, min(batch_tokens, _LOGITS // model.config.vocab_size))
    usable = [len(sequence) if len(sequence) > 1 else 0 for sequence in sequences]
    weight = head_weight(model)
    with packed(model):
        for batch in by_length(usable, budget):
            # Padded at the end, where no real token looks: the model needs no mask.
            tokens, mask = (part.to(model.device) for part in pad([sequences[i] for i in batch], padding))
            real, following = mask[:, 1:].bool(), tokens[:, 1:]
            if weight is not None:
                hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1]
                found = losses(hidden[real], weight, following[real])
            else:
                logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
                found = torch.nn.functional.cross_entropy(logits[real].float(), following[real], reduction="none")
            sums = torch.zeros(len(batch), dtype=torch.float64, device=found.device)
            sums = sums.index_add(0, real.nonzero()[:, 0], found.double()).tolist()
            for i, total in zip(batch, sums, strict=True):
                results[i] = math.exp(total / (usable[i] - 1))
    return results


def score_perplexity(
    articles: Path | str,
    base_model: Path | str,
    generating_model: Path | str,
    out: Path | str,
    *,
    max_tokens: int,
    batch_tokens: int,
    device: str,
) -> None:
    """Write perplexity.parquet: each article's perplexity under the frozen base and under the model that wrote it.

    Parameters
    ----------
    articles
        A generation's articles (schema `GENERATED_ARTICLES`); their text is measured, without the title.
    base_model, generating_model
        Folders; the same one for the base model's own articles. The tokenizer is the base model's.
    out
        The table to make (schema `PERPLEXITY`).
    max_tokens
        First tokens of an article that count; the model's context bounds it.
    batch_tokens, device
        Tokens measured at once; where to compute.
    """
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "text"])
    chosen = choose_device(device)
    columns = {}
    for name, folder in (("perplexity_base", base_model), ("perplexity_generating", generating_model)):
        if name == "perplexity_generating" and Path(generating_model) == Path(base_model):
            columns[name] = columns["perplexity_base"]
            continue
        model = load_model(folder, chosen)
        limit = min(max_tokens, getattr(model.config, "max_position_embeddings", max_tokens))
        sequences = encode(load_tokenizer(base_model), table.column("text").to_pylist(), limit)
        columns[name] = perplexities(model, sequences, batch_tokens=batch_tokens, padding=end_token(model))
    write_table(
        pa.table(
            {
                "article_id": table.column("article_id"),
                "tokens": pa.array([len(sequence) for sequence in sequences], pa.int32()),
                **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
            }
        ),
        out,
        PERPLEXITY,
    )
