"""Pretrain the base model: a small GPT-2 with its byte-level BPE, on articles of a given label mix."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from bias_amplification.artifacts import StudyError, new_file, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.provenance import checksums, write_metadata
from bias_amplification.artifacts.schemas import ARTICLES, TRAINING_LOG
from bias_amplification.language_model.load import load_tokenizer, save_model
from bias_amplification.language_model.texts import cut_blocks, encode, training_texts
from bias_amplification.language_model.training import longer_than_one, train
from bias_amplification.models.byte_level import train_byte_level_bpe
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES
from bias_amplification.models.special_tokens import set_begin, wanted_begin
from bias_amplification.study.sections import JobCompute, Pretraining

END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Train a tokenizer of GPT-2's kind: byte-level BPE with one special token, end of text, as id 0.

    Parameters
    ----------
    texts
        Texts to train on.
    vocabulary
        Number of tokens. The 256 bytes and the special token are always among them.
    """
    return train_byte_level_bpe(texts, vocabulary, [END_OF_TEXT], prefix_space=False)


def save_tokenizer(tokenizer: Tokenizer, folder: Path | str, begin: Sequence[int] = ()) -> None:
    """Write tokenizer.json, and the tokenizer_config.json that transformers' AutoTokenizer needs.

    `begin` is the id of the begin-of-text token, if the tokenizer puts one before a text.
    """
    folder = Path(folder)
    with new_file(folder / "tokenizer.json") as file:
        tokenizer.save(str(file))
    names = {key: END_OF_TEXT for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
    if begin:
        names["bos_token"] = tokenizer.id_to_token(begin[0])
    with new_file(folder / "tokenizer_config.json") as file:
        file.write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}, indent=2) + "\n")


def new_model(
    *, layers: int, width: int, heads: int, context: int, vocabulary: int, end: int, seed: int
) -> GPT2LMHeadModel:
    """Make a GPT-2 with random weights.

    Dropout is zero, and the activation is PyTorch's implementation of GPT-2's GELU, which computes the same function.
    On a CPU, GPT-2's dropout and its own implementation of GELU each cost about as much as the matrix products of so
    small a model.

    Parameters
    ----------
    layers, width, heads, context, vocabulary
        Size of the model. An FFN has `width` output units in each block.
    end
        Id of the end-of-text token.
    seed
        Seed of the weights.
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


def concatenate_and_cut(sequences: Sequence[list[int]], end: int, length: int) -> list[list[int]]:
    """Join token sequences, each followed by the end token, and cut the result into rows; the last may be shorter."""
    stream = [token for sequence in sequences for token in (*sequence, end)]
    return cut_blocks(stream, length)


def pretrain_base_model(
    articles: Path | str,
    out: Path | str,
    pretraining: Pretraining,
    seed: int,
    compute: JobCompute,
    begin_token: str = "tokenizer",
) -> None:
    """Train the tokenizer and the model, and write the base model's folder.

    Parameters
    ----------
    articles
        Pretraining articles (schema `ARTICLES`).
    out
        Folder to write model.safetensors, config.json, tokenizer.json, tokenizer_config.json, training_log.parquet and
        metadata.json into.
    pretraining
        The config's `base_model.pretraining`. Its label mix and its number of articles are not read here: the articles
        are drawn by another rule.
    seed
        Seed of the weights and of the order of the examples.
    compute
        Where to compute.
    begin_token
        The config's `base_model.begin_token`. If there is a begin-of-text token, it precedes each article. Articles are
        joined and then cut, so a row may begin within an article.

    Raises
    ------
    StudyError
        If a given tokenizer has no end-of-text token, or no begin-of-text token where one is wanted.
    """
    table = read_table(articles, ARTICLES, ["title", "body"])
    texts = [text for row in table.to_pylist() for text in training_texts(row["title"], row["body"], "article")]
    if pretraining.tokenizer:
        tokenizer = load_tokenizer(pretraining.tokenizer, "base_model.pretraining.tokenizer")
    else:
        tokenizer = train_tokenizer(texts, pretraining.vocabulary)
    end = tokenizer.token_to_id(END_OF_TEXT)
    if end is None:
        raise StudyError(
            f"{pretraining.tokenizer}/tokenizer.json has no token {END_OF_TEXT}: give base_model.pretraining.tokenizer "
            "a GPT-2 tokenizer, or null to train one."
        )
    begin = [end] if begin_token == "always" and not pretraining.tokenizer else []
    if pretraining.tokenizer:
        begin = wanted_begin(Path(pretraining.tokenizer), tokenizer, begin_token, pretraining.tokenizer)
    set_begin(tokenizer, begin)
    model = new_model(
        layers=pretraining.layers,
        width=pretraining.width,
        heads=pretraining.heads,
        context=pretraining.context,
        vocabulary=tokenizer.get_vocab_size(),
        end=end,
        seed=seed,
    )
    sequences = [[*begin, *tokens] for tokens in encode(tokenizer, texts)]
    rows = longer_than_one(concatenate_and_cut(sequences, end, pretraining.context))
    checkpoint = Checkpoint(compute.state, compute.checkpoint_seconds)
    key = "base_model.pretraining"
    log, facts = train(model, rows, pretraining, pad=end, seed=seed, compute=compute, checkpoint=checkpoint, key=key)
    out = Path(out)
    save_tokenizer(tokenizer, out, begin)
    write_table(log, out / "training_log.parquet", TRAINING_LOG)
    save_model(model.to("cpu"), out)
    about = {"seed": seed, "articles": len(texts), "training": facts}
    about |= {"checksums": checksums(out, MODEL_AND_TOKENIZER_FILES)}
    write_metadata(out / "metadata.json", earlier_cpu_seconds=checkpoint.earlier_cpu_seconds, **about)
    checkpoint.remove()
