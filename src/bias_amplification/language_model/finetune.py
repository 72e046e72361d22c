"""Fine-tune one generation on its training set (paper, section 3.2)."""

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedModel

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.notices import warn
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.artifacts.schemas import TRAINING_LOG
from bias_amplification.language_model.adapter import LowRankAdapter
from bias_amplification.language_model.load import (
    end_token,
    load_model,
    load_tokenizer,
    max_positions,
    save_model,
)
from bias_amplification.language_model.texts import encode, read_training_texts, training_texts
from bias_amplification.language_model.training import longer_than_one, train
from bias_amplification.models.device import choose_device
from bias_amplification.models.folders import MODEL_FILES
from bias_amplification.models.held import Held, check_units, read_units
from bias_amplification.models.launch import together
from bias_amplification.models.processes import Group
from bias_amplification.models.special_tokens import begin_tokens
from bias_amplification.study.sections import Finetuning, JobCompute


class Examples(NamedTuple):
    """What a training set gives to learn from.

    Attributes
    ----------
    tokens
        Token ids of each example, in the order of the training set.
    texts
        Number of texts of the training set.
    lost
        Number of those that give no example, because they have fewer than two tokens.
    """

    tokens: list[list[int]]
    texts: int
    lost: int

    def steps(self, finetuning: Finetuning) -> tuple[int, int]:
        """Return the number of training steps, and of those planned: with an example of each lost text."""
        taken, planned = (
            finetuning.epochs * math.ceil(count / finetuning.batch_size)
            for count in (len(self.tokens), len(self.tokens) + self.lost)
        )
        return taken, planned


class InitialModel(NamedTuple):
    """The model that training starts from.

    Attributes
    ----------
    model
        Its folder.
    tokenizer
        The folder of the base model, which has the tokenizer, and the weights to which neurons are pulled.
    held
        The neurons that are held (schema `HELD_UNITS`): frozen as they are in this model, or pulled; None: none.
    architecture
        Config key `neurons.architecture`, which is read if neurons are held.
    """

    model: Path | str
    tokenizer: Path | str
    held: Path | str | None = None
    architecture: str = "auto"


def finetune_generation(
    training_set: Path | str,
    sources: Mapping[str, Path | str],
    initial: InitialModel,
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
        The model to start from, the folder with tokenizer.json, and neurons that are held.
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
        If a table lacks a named article, `finetuning.max_tokens` exceeds the model's positions, the model lacks a held
        neuron, or a file is damaged.
    """
    if compute.processes > 1 and Group.here().size == 1:
        # At this point the local variables are the arguments: each process makes the same call.
        given = locals()
        together(
            finetune_generation, given, compute.processes, choose_device(compute.device), compute.accelerate_config
        )
        return
    model = load_model(initial.model)
    _check_positions(model, finetuning)
    end = end_token(model)
    examples = training_examples(training_set, sources, load_tokenizer(initial.tokenizer), finetuning, end)
    _report(examples, finetuning, out)
    held = _hold(initial, model) if initial.held else None
    adapter = LowRankAdapter(model, finetuning.adapter, seed) if finetuning.adapter else None
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    log, facts = train(
        model,
        examples.tokens,
        finetuning,
        pad=end,
        seed=seed,
        compute=compute,
        checkpoint=checkpoint,
        held=held,
        key="finetuning",
    )
    if Group.here().rank:
        return
    out, model = Path(out), model.to("cpu")
    if adapter:
        adapter.merge()
    write_table(log, out / "training_log.parquet", TRAINING_LOG)
    save_model(model, out)
    sharded = {"sharded": True} if Group.here().sharded else {}
    write_metadata(
        out / "metadata.json",
        earlier_cpu_seconds=checkpoint.earlier_cpu_seconds,
        seed=seed,
        initial_model=str(initial.model),
        texts=examples.texts,
        texts_lost=examples.lost,
        examples=len(examples.tokens),
        training=facts | {"steps_planned": examples.steps(finetuning)[1]} | sharded,
        checksums=checksums(out, MODEL_FILES),
        **({"held": held.describe()} if held else {}),
        **({"adapter": adapter.describe()} if adapter else {}),
    )
    checkpoint.remove()


def _hold(initial: InitialModel, model: PreTrainedModel) -> Held:
    """Hold neurons of the initial model, which is about to be trained, and say so in the log."""
    if Group.here().sharded:
        raise StudyError(
            "The round holds neurons, but compute.accelerate_config divides the weights among GPUs (FSDP): use a file "
            "with distributed_type: MULTI_GPU, or remove the round's held."
        )
    units, penalty = read_units(initial.held)
    check_units(units, model, initial.held, initial.architecture)
    found = Held(model if penalty is None else load_model(initial.tokenizer), units, penalty, initial.architecture)
    if Group.here().rank == 0:
        said = found.describe()
        print(f"{said['neurons']} neurons are {said['how']}{f', penalty {penalty:g}' if penalty else ''}", flush=True)
    return found


def _report(examples: Examples, finetuning: Finetuning, out: Path | str) -> None:
    """Write into the log how many texts give examples, with a warning if some give none."""
    if Group.here().rank:
        return
    taken, planned = examples.steps(finetuning)
    count, used = len(examples.tokens), examples.texts - examples.lost
    print(f"{count} examples from {used} of {examples.texts} texts, {taken} steps of {planned} planned", flush=True)
    if examples.lost:
        warn(
            f"{examples.lost} of the {examples.texts} texts that {out} is trained on have fewer than two tokens and "
            f"teach nothing: its training has {taken} steps of {planned} planned."
        )


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
) -> Examples:
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
    Examples
        Those of fewer than two tokens are left out unless `finetuning.blank_lines` is set.
    """
    begin = begin_tokens(tokenizer)
    texts = [
        training_texts(title, body, finetuning.example, finetuning.blank_lines)
        for title, body in read_training_texts(training_set, sources)
    ]
    most = finetuning.max_tokens - finetuning.learn_end - len(begin)
    encoded = iter(encode(tokenizer, [part for parts in texts for part in parts], most))
    found: list[list[int]] = []
    lost = 0
    for parts in texts:
        # A blank line becomes one token, so that it takes its place in a batch.
        own = [
            [*begin, *tokens] + [end] * (finetuning.learn_end or not (begin or tokens))
            for tokens in islice(encoded, len(parts))
        ]
        kept = own if finetuning.blank_lines else longer_than_one(own)
        found += kept
        lost += not kept
    return Examples(found, len(texts), lost)
