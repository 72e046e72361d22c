"""Fine-tune one generation on its training set (paper, section 3.2)."""

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    GENERATED_ARTICLES,
    TRAINING_LOG,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
)
from bias_amplification.language_model.load import (
    end_token,
    load_model,
    load_tokenizer,
    max_positions,
    save_model,
)
from bias_amplification.language_model.texts import encode, training_texts
from bias_amplification.language_model.training import longer_than_one, train
from bias_amplification.models.device import choose_device
from bias_amplification.models.folders import MODEL_FILES, ModelFolders
from bias_amplification.models.processes import Group, together
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study import strategies
from bias_amplification.study.sections import Finetuning, JobCompute


def finetune_generation(
    training_set: Path | str,
    sources: Mapping[str, Path | str],
    initial: ModelFolders,
    out: Path | str,
    finetuning: Finetuning,
    seed: int,
    compute: JobCompute,
) -> None:
    """Fine-tune a model and write model.safetensors, config.json, training_log.parquet and metadata.json.

    Parameters
    ----------
    training_set
        Names of the texts to train on (schema `TRAINING_SET`).
    sources
        From each origin in the training set to the table that holds its texts: the seed set or other real articles
        (schema `ARTICLES`), or a generation's articles (schema `GENERATED_ARTICLES`).
    initial
        The model to start from, and the folder with tokenizer.json.
    out
        The generation's folder.
    finetuning
        The round's fine-tuning settings.
    seed
        Seed of the order of the examples and of dropout.
    compute
        Where to compute. Several processes have a GPU each and divide each batch, which stays the same.

    Raises
    ------
    StudyError
        If a table lacks a named article, `finetuning.max_tokens` exceeds the model's positions, or a file is damaged.
    """
    if compute.processes > 1 and Group.here().size == 1:
        # At this point the local variables are the arguments: each process makes the same call.
        together(finetune_generation, locals(), compute.processes, choose_device(compute.device))
        return
    model = load_model(initial.model)
    _check_positions(model, finetuning)
    end = end_token(model)
    examples = training_examples(training_set, sources, load_tokenizer(initial.tokenizer), finetuning, end)
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    log, facts = train(
        model,
        examples if finetuning.blank_lines else longer_than_one(examples),
        finetuning,
        pad=end,
        seed=seed,
        compute=compute,
        checkpoint=checkpoint,
        key="finetuning",
    )
    if Group.here().rank:
        return
    out = Path(out)
    write_table(log, out / "training_log.parquet", TRAINING_LOG)
    save_model(model.to("cpu"), out)
    about = {"seed": seed, "initial_model": str(initial.model), "examples": len(examples), "training": facts}
    about |= {"checksums": checksums(out, MODEL_FILES)}
    write_metadata(out / "metadata.json", earlier_cpu_seconds=checkpoint.earlier_cpu_seconds, **about)
    checkpoint.remove()


def _check_positions(model: PreTrainedModel, finetuning: Finetuning) -> None:
    positions = max_positions(model)
    if finetuning.max_tokens > positions:
        raise StudyError(
            f"finetuning.max_tokens is {finetuning.max_tokens}, but the base model has {positions} positions: lower it."
        )


def training_examples(
    training_set: Path | str,
    sources: Mapping[str, Path | str],
    tokenizer: Tokenizer,
    finetuning: Finetuning,
    end: int,
) -> list[list[int]]:
    """Read the texts that a training set names, and encode them as examples.

    Parameters
    ----------
    training_set, sources
        See `finetune_generation`.
    tokenizer
        The base model's. Examples begin with the begin-of-text token if it has that habit.
    finetuning
        What an example is, how many tokens it has at most (special tokens included), and whether the end of a text is
        learned.
    end
        End-of-text token.

    Returns
    -------
    list of list of int
        Token ids, in the order of the training set.
    """
    texts, begin = _texts(training_set, sources, finetuning), begin_tokens(tokenizer)
    encoded = encode(tokenizer, texts, finetuning.max_tokens - finetuning.learn_end - len(begin))
    # An empty text becomes one token, so that it takes its place in a batch.
    return [[*begin, *tokens] + [end] * (finetuning.learn_end or not (begin or tokens)) for tokens in encoded]


def _texts(training_set: Path | str, sources: Mapping[str, Path | str], finetuning: Finetuning) -> list[str]:
    """Read the texts that a training set names, in its order."""
    rows = read_table(training_set, TRAINING_SET, or_schema=TRAINING_SET_WITH_TITLES).to_pylist()
    tables = {origin: _texts_by_id(path, origin) for origin, path in sources.items()}
    texts: list[str] = []
    for row in rows:
        own, origin = row["article_id"], row["origin"]
        title_id = row.get("title_id", own)
        for article_id in (own, title_id):
            if article_id not in tables[origin]:
                raise StudyError(
                    f"{sources[origin]} lacks article {article_id}, which {training_set} names: delete both and run "
                    "snakemake again."
                )
        title, text = tables[origin][title_id][0], tables[origin][own][1]
        texts.extend(training_texts(title, text, finetuning.example, finetuning.blank_lines))
    return texts


def _texts_by_id(path: Path | str, origin: str) -> dict[str, tuple[str, str]]:
    """Read title and text of each article of a table, by article id."""
    real = origin in (strategies.SEED_SET, strategies.REAL)
    schema, body = (ARTICLES, "body") if real else (GENERATED_ARTICLES, "text")
    table = read_table(path, schema, ["article_id", "title", body])
    return {row["article_id"]: (row["title"], row[body]) for row in table.to_pylist()}
