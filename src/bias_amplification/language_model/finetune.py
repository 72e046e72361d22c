"""Fine-tune one generation on its training set (paper, section 3.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from bias_amplification import strategies
from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, TRAINING_LOG, TRAINING_SET
from bias_amplification.language_model.device import choose_device
from bias_amplification.language_model.load import MODEL_FILES, end_token, load_model, load_tokenizer, save_model
from bias_amplification.language_model.texts import encode, training_texts
from bias_amplification.language_model.training import train
from bias_amplification.learning import Recipe
from bias_amplification.processes import Group, together

Texts = dict[str, tuple[str, str]]


def finetune_generation(
    training_set: Path | str,
    sources: Mapping[str, Path | str],
    initial_model: Path | str,
    tokenizer: Path | str,
    out: Path | str,
    *,
    recipe: Mapping[str, Any],
    max_tokens: int,
    example: str,
    learn_end: bool,
    seed: int,
    device: str,
    precision: str,
    blank_lines: bool = False,
    processes: int = 1,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Fine-tune a model and write model.safetensors, config.json, training_log.parquet and metadata.json.

    Parameters
    ----------
    training_set
        Which texts to train on (schema `TRAINING_SET`).
    sources
        For each origin that it names, the table that holds the texts: the seed set (schema `ARTICLES`) or a
        generation's articles (schema `GENERATED_ARTICLES`).
    initial_model
        Folder of the model to start from.
    tokenizer
        Folder with tokenizer.json.
    out
        The generation's folder.
    recipe
        Fields of `training.Recipe`.
    max_tokens
        Examples are cut to their first tokens.
    example
        "article" or "line".
    learn_end
        Whether the end-of-text token after an example is learned.
    blank_lines
        Whether lines that teach nothing are examples too, with "line".
    seed
        Order of examples and dropout.
    device, precision
        As in the config's `compute`.
    processes
        Processes that share each batch, a GPU each; the batches are the same for any number.
    state
        Arguments of `Checkpoint`: where the state of the unfinished training is kept.

    Raises
    ------
    StudyError
        If a table lacks an article that the training set names, or a file is damaged.
    """
    if processes > 1 and Group.here().size == 1:
        same = {name: value for name, value in locals().items() if name != "processes"}
        together(finetune_generation, same, processes, choose_device(device))
        return
    model = load_model(initial_model)
    limit = getattr(model.config, "max_position_embeddings", None) or max_tokens
    if max_tokens > limit:
        raise StudyError(f"finetuning.max_tokens is {max_tokens}, but the base model has {limit} positions: lower it.")
    end = end_token(model)
    texts = _training_texts(training_set, sources, example, blank_lines)
    encoded = encode(load_tokenizer(tokenizer), texts, max_tokens - learn_end)
    # What has no token is padding alone.
    examples = [tokens + [end] * (learn_end or not tokens) for tokens in encoded]
    checkpoint = Checkpoint(**(state or {}))
    log, figures = train(
        model,
        examples,
        Recipe(**recipe),
        pad=end,
        seed=seed,
        device=device,
        precision=precision,
        keep_short=blank_lines,
        checkpoint=checkpoint,
    )
    if Group.here().rank:
        return
    out = Path(out)
    write_table(log, out / "training_log.parquet", TRAINING_LOG)
    save_model(model.to("cpu"), out)
    write_metadata(
        out / "metadata.json",
        seed=seed,
        initial_model=str(initial_model),
        examples=len(examples),
        training=figures,
        checksums=checksums(out, MODEL_FILES),
    )
    checkpoint.remove()


def _training_texts(
    training_set: Path | str, sources: Mapping[str, Path | str], example: str, blank_lines: bool
) -> list[str]:
    rows = read_table(training_set, TRAINING_SET)
    tables = {origin: _texts_by_id(path, origin) for origin, path in sources.items()}
    texts: list[str] = []
    for origin, article_id in zip(*(rows.column(name).to_pylist() for name in ("origin", "article_id")), strict=True):
        if article_id not in tables[origin]:
            raise StudyError(
                f"{sources[origin]} lacks article {article_id}, which {training_set} names: delete both and run "
                "snakemake again."
            )
        texts.extend(training_texts(*tables[origin][article_id], example, blank_lines))
    return texts


def _texts_by_id(path: Path | str, origin: str) -> Texts:
    schema, body = (ARTICLES, "body") if origin == strategies.SEED_SET else (GENERATED_ARTICLES, "text")
    table: pa.Table = read_table(path, schema, ["article_id", "title", body])
    return {row["article_id"]: (row["title"], row[body]) for row in table.to_pylist()}
