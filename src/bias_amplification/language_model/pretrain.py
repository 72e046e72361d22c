"""Pretrain a small GPT-2 and its byte-level BPE on articles of a set label mix."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

from bias_amplification.artifacts import StudyError, new_file, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_LOG
from bias_amplification.language_model.load import BASE_FILES, load_tokenizer, save_model
from bias_amplification.language_model.texts import encode, training_texts
from bias_amplification.language_model.training import train
from bias_amplification.learning import Recipe

END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Train GPT-2's kind of tokenizer: byte-level BPE with one special token, end of text, as id 0.

    Parameters
    ----------
    texts
        What it is trained on.
    vocabulary
        Tokens in all; the 256 bytes and the special token are always there.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path | str) -> None:
    """Write tokenizer.json and the tokenizer_config.json that transformers' AutoTokenizer wants."""
    folder = Path(folder)
    with new_file(folder / "tokenizer.json") as file:
        tokenizer.save(str(file))
    names = {key: END_OF_TEXT for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
    with new_file(folder / "tokenizer_config.json") as file:
        file.write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}, indent=2) + "\n")


def new_model(
    *, layers: int, width: int, heads: int, context: int, vocabulary: int, end: int, seed: int
) -> GPT2LMHeadModel:
    """Make a GPT-2 with random weights.

    Dropout is zero and the activation is the fused form of GPT-2's own GELU: on a CPU either of the usual choices
    costs about as much as the matrix products of so small a model. The function computed is the same.

    Parameters
    ----------
    layers, width, heads, context, vocabulary
        Its size; FFN output units per block equal `width`.
    end
        Id of the end-of-text token.
    seed
        For the weights.
    """
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_positions=context,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=end,
            eos_token_id=end,
        )
    )


def pack(sequences: Sequence[list[int]], end: int, length: int) -> list[list[int]]:
    """Join texts with the end token between them and cut the stream into rows of `length`; the rest is a short row."""
    stream = [token for sequence in sequences for token in (*sequence, end)]
    return [stream[start : start + length] for start in range(0, len(stream), length)]


def pretrain_base_model(
    articles: Path | str,
    out: Path | str,
    *,
    settings: Mapping[str, Any],
    seed: int,
    device: str,
    precision: str,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Train tokenizer and model and write the base model's folder.

    Parameters
    ----------
    articles
        Pretraining articles (schema `ARTICLES`).
    out
        Folder for model.safetensors, config.json, tokenizer.json, tokenizer_config.json, training_log.parquet and
        metadata.json.
    settings
        The config's `base_model.pretraining`.
    seed, device, precision, state
        As for fine-tuning.
    """
    table = read_table(articles, ARTICLES, ["title", "body"])
    texts = [text for row in table.to_pylist() for text in training_texts(row["title"], row["body"], "article")]
    if settings["tokenizer"]:
        tokenizer = load_tokenizer(settings["tokenizer"])
    else:
        tokenizer = train_tokenizer(texts, settings["vocabulary"])
    end = tokenizer.token_to_id(END_OF_TEXT)
    if end is None:
        raise StudyError(
            f"{settings['tokenizer']}/tokenizer.json has no token {END_OF_TEXT}: give base_model.pretraining.tokenizer "
            "a GPT-2 tokenizer, or null to train one."
        )
    model = new_model(
        **{key: settings[key] for key in ("layers", "width", "heads", "context")},
        vocabulary=tokenizer.get_vocab_size(),
        end=end,
        seed=seed,
    )
    recipe = Recipe(
        **{key: settings[key] for key in ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup")}
    )
    rows = pack(encode(tokenizer, texts), end, settings["context"])
    checkpoint = Checkpoint(**(state or {}))
    log, figures = train(
        model, rows, recipe, pad=end, seed=seed, device=device, precision=precision, checkpoint=checkpoint
    )
    out = Path(out)
    save_tokenizer(tokenizer, out)
    write_table(log, out / "training_log.parquet", TRAINING_LOG)
    save_model(model.to("cpu"), out)
    write_metadata(
        out / "metadata.json",
        seed=seed,
        articles=len(texts),
        training=figures,
        checksums=checksums(out, BASE_FILES),
    )
    checkpoint.remove()
