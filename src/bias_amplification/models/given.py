"""Models that a config names: what their files say about them, checked without loading them.

One function, `check_given_model`, checks the base model, given generations, candidates for the leaning classifier and
the quality detector. It reads JSON files, the headers of safetensors files and tokenizer.json, and needs no PyTorch.
"""

import importlib.util
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts import StudyError
from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.models.entries import check_entries, check_plain, check_sizes
from bias_amplification.models.folders import check_model_folder, check_readable, read_json, tensors
from bias_amplification.models.special_tokens import (
    end_ids,
    ids_in,
    named_token,
    new_tokens,
    old_vocabulary,
    read_tokenizer,
    wanted_begin,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Types of models that read a text in both directions, as `model_type` of config.json has them.
_ENCODERS = frozenset(
    {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "esm", "eurobert"}
    | {"flaubert", "funnel", "ibert", "layoutlm", "longformer", "luke", "megatron-bert", "mobilebert", "modernbert"}
    | {"mpnet", "nomic_bert", "rembert", "roberta", "squeezebert", "xlm", "xlm-roberta", "xlm-roberta-xl"}
)

#: Ends of class names in config.json whose models have another head than a causal language model's.
_OTHER_HEADS = ("ForMaskedLM", "Classification", "QuestionAnswering", "MultipleChoice", "ForPreTraining")

#: Types of models that number positions from the padding id plus one, as RoBERTa does.
COUNTS_FROM_PADDING = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer"})

#: Ends of the names of the embeddings of tokens.
_EMBEDDINGS = (
    "wte.weight",
    "embed_tokens.weight",
    "embed_in.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
)

#: Names of the number of positions in config.json; they differ by architecture.
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")


@dataclass(frozen=True)
class LanguageModelUse:
    """What a study does with a language model, as far as the model's files can tell whether it can."""

    architecture: str = "auto"
    """Config key `neurons.architecture`."""
    begin_token: str = "tokenizer"
    """Config key `base_model.begin_token`."""
    training_tokens: int = 0
    """Config key `finetuning.max_tokens`, which includes special tokens; 0 if the model is not trained."""
    writing_tokens: int = 0
    """`generation.block_tokens` + `generation.new_tokens`, without the begin-of-text token; 0 without blocks."""
    own_tokenizer: bool = True
    """Whether the model is used with its own tokenizer; generations are used with the base model's."""


def check_given_model(
    folder: Path | str, key: str, use: LanguageModelUse | None, *, name: str | None = None, whole: bool = True
) -> None:
    """Check whether a model that the config names can be used, by its files alone.

    Parameters
    ----------
    folder
        The model's folder, in Hugging Face format.
    key
        The config key that names it, for messages.
    use
        What it is used for; None for a text classifier. A text classifier may have fewer positions than a text has
        tokens: it reads the beginning. Of the special tokens in its config.json, only the padding is used.
    name
        The model in words, for messages: the folder if None.
    whole
        Whether missing files are a fault. They are not where a download may still bring them.

    Raises
    ------
    StudyError
        If the model cannot be used. Either its files are not a whole model that transformers knows (files are missing,
        an adapter, quantised weights, code of its own), or it is of the wrong kind, or it does not fit the study: its
        neurons are not known, it has too few positions, or a special token has no row in the embeddings. The message
        names the model, the fault and the remedy.
    """
    folder, name = Path(folder), name or str(folder)
    check_readable(folder, key)
    if (folder / "adapter_config.json").exists():
        kind = read_json(folder / "adapter_config.json", key).get("peft_type", "adapter")
        raise StudyError(
            f"{name} holds an adapter ({kind}, adapter_config.json), which would not be used: merge it into its base "
            f"model with peft's merge_and_unload, save the result with its tokenizer, and name that folder in {key}."
        )
    if whole:
        check_model_folder(folder, key, tokenizer=use is None or use.own_tokenizer)
    config = read_json(folder / "config.json", key)
    if not config:
        if whole:
            raise StudyError(f"{folder}/config.json is empty: give {key} a model in Hugging Face format.")
        return
    check_entries(config, key, name)
    _check_kind(config, key, name, use)
    text = config.get("text_config")
    sizes = text if isinstance(text, dict) else config
    if sizes is not config:
        check_entries(sizes, key, name, "text_config of config.json")
    stored = tensors(folder)
    check_plain(stored, key, name)
    if config["model_type"] in ARCHITECTURES or config["model_type"] in _ENCODERS:
        check_sizes(config, stored, key, name)
    generation = read_json(folder / "generation_config.json", key) if use is not None else {}
    check_entries(generation, key, name, "generation_config.json")
    tokenizer, tokens = None, []
    if use is None or use.own_tokenizer:
        if (folder / "tokenizer.json").exists():
            tokenizer = read_tokenizer(folder / "tokenizer.json", key)
            if not tokenizer.get_vocab_size(with_added_tokens=False):
                raise StudyError(f"{folder / 'tokenizer.json'} has an empty vocabulary: correct {key}.")
            tokens = [*token_ids(tokenizer), *new_tokens(folder, tokenizer, key, name, writes=use is not None)]
        else:
            tokens = list(old_vocabulary(folder, key, name))
    rows = _embedding_rows(stored, sizes, key, name)
    if rows is not None:
        _check_ids([*_named_ids(sizes, generation, use), *tokens], rows, name)
    if use is None:
        return
    # The begin and end tokens are the base model's for every generation.
    begin: list[int] = []
    if tokenizer is not None:
        begin = wanted_begin(folder, tokenizer, use.begin_token, name, key)
        if sizes.get("eos_token_id", 0) is None and not end_ids(
            [sizes, generation], named_token(folder, "eos_token", tokenizer, key)
        ):
            # A config.json that leaves the entry out has its class's own token.
            raise StudyError(
                f"{name} has no end-of-text token (eos_token_id of config.json or generation_config.json, eos_token of "
                "tokenizer_config.json): add it, because this token ends texts and pads batches."
            )
    check_lengths(positions_of(sizes), use, len(begin), name)


def _check_kind(config: Mapping[str, Any], key: str, name: str, use: LanguageModelUse | None) -> None:
    """Check that transformers has the model's class, and that this is a class of the right kind."""
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise StudyError(f"{name} has a config.json without model_type: give {key} a model in Hugging Face format.")
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise StudyError(
            f"{name} is quantised (quantization_config in config.json{f': {method}' if method else ''}), and such "
            f"weights cannot be trained: give {key} the model in float32, float16 or bfloat16."
        )
    if use is not None:
        _check_causal(config, key, name)
    if kind not in ARCHITECTURES and not _is_known(kind):
        if "auto_map" in config:
            raise StudyError(
                f"{name} needs code of its own (auto_map in config.json), which is never run: give {key} a model of a "
                "type that transformers has itself."
            )
        raise StudyError(
            f"{name} is a model of type {kind!r}, which the installed transformers does not know: install a newer "
            f"version, or give {key} another model."
        )
    if use is not None and (kind if use.architecture == "auto" else use.architecture) not in ARCHITECTURES:
        raise StudyError(
            f"{name} is a model of type {kind!r}, whose layout the analysis of neurons does not know: set "
            f"neurons.architecture to the one with the same layout of {', '.join(sorted(ARCHITECTURES))}, or give "
            f"{key} another model."
        )


def _check_causal(config: Mapping[str, Any], key: str, name: str) -> None:
    kind, classes = config["model_type"], config.get("architectures") or []
    what = None
    if config.get("is_encoder_decoder"):
        what = "an encoder-decoder"
    elif kind in _ENCODERS and not config.get("is_decoder"):
        what = "an encoder, which reads a text in both directions"
    elif classes and all(one.endswith(_OTHER_HEADS) for one in classes):
        what = "a model with another output head"
    if what:
        raise StudyError(
            f"{name} is no causal language model but {what} (config.json: {', '.join([kind, *classes])}): give {key} a "
            "model that writes texts, such as GPT-2, OPT or Llama."
        )


def _is_known(kind: str) -> bool:
    """Return whether transformers has models of a type."""
    if not re.fullmatch(r"[\w-]+", kind):
        return False
    found = importlib.util.find_spec("transformers")
    places = (found and found.submodule_search_locations) or ()
    if any((Path(place) / "models" / kind.replace("-", "_")).is_dir() for place in places):
        return True
    # Some types share the folder of another. The table of types is imported for these alone, because it takes seconds.
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return kind in CONFIG_MAPPING_NAMES


def _embedding_rows(
    stored: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any], key: str, name: str
) -> int | None:
    """Return how many tokens the embeddings have; None if neither the weights nor config.json tell."""
    stated = config.get("vocab_size")
    found = [one["shape"][0] for tensor, one in stored.items() if tensor.endswith(_EMBEDDINGS) and one["shape"]]
    if not found:
        return stated if type(stated) is int else None
    if type(stated) is int and stated != found[0]:
        raise StudyError(
            f"{name} has {found[0]} rows in its embeddings, but its config.json says vocab_size {stated}: give {key} "
            "the config.json that belongs to the weights."
        )
    return found[0]


def _named_ids(
    config: Mapping[str, Any], generation: Mapping[str, Any], use: LanguageModelUse | None
) -> Iterator[tuple[str, int]]:
    """Yield the ids of tokens that config.json and generation_config.json name, each with words that say where."""
    names = ("pad_token_id",) if use is None else ("eos_token_id", "bos_token_id", "pad_token_id")
    for file, content in (("config.json", config), ("generation_config.json", generation)):
        for entry in names:
            for token in ids_in(content.get(entry)):
                # Some models say -1 for no padding.
                if entry != "pad_token_id" or token != -1:
                    yield f"{entry} of {file} is {token}", token


def token_ids(tokenizer: "Tokenizer | None") -> Iterator[tuple[str, int]]:
    """Yield a tokenizer's added tokens and its last token, in words, each with its id."""
    if tokenizer is None:
        return
    added = {one.content: token for token, one in tokenizer.get_added_tokens_decoder().items()}
    last = max(tokenizer.get_vocab(with_added_tokens=False).items(), key=lambda item: item[1], default=None)
    for content, token in [*added.items(), *([last] if last else [])]:
        yield f"the token {content!r} of its tokenizer has the id {token}", token


def _check_ids(named: Iterable[tuple[str, int]], rows: int, name: str) -> None:
    for words, token in named:
        if not 0 <= token < rows:
            raise StudyError(
                f"{name} has embeddings of {rows} tokens, but {words}: use the files that belong to the weights, or "
                "resize the embeddings (resize_token_embeddings) and save the model again."
            )


def check_tokens(tokenizer: "Tokenizer", ends: list[int], rows: int, name: str) -> None:
    """Check that every token of a tokenizer and every end token has a row in the embeddings.

    Parameters
    ----------
    tokenizer, ends
        As they are used in the run.
    rows
        Number of rows of the embeddings.
    name
        The model in words, for messages.

    Raises
    ------
    StudyError
        If a token has none.
    """
    named = [*token_ids(tokenizer), *((f"an end token is {token}", token) for token in ends)]
    _check_ids(named, rows, name)


def positions_of(config: Mapping[str, Any]) -> float:
    """Return the largest number of tokens that a model can read at once, from the content of its config.json.

    Infinity if the config sets no limit.
    """
    found = next((config[name] for name in _POSITIONS if type(config.get(name)) is int), 0)
    if found > 0 and config.get("model_type") in COUNTS_FROM_PADDING:
        padding = config.get("pad_token_id")
        found -= (padding if type(padding) is int else 1) + 1
    return found if found > 0 else math.inf


def check_lengths(positions: float, use: LanguageModelUse, begin: int, name: str) -> None:
    """Check that a language model has positions for the lengths that the config asks for.

    Parameters
    ----------
    positions
        The most tokens that the model can read at once.
    use
        What it is used for.
    begin
        Number of begin-of-text tokens before a text.
    name
        The model in words, for messages.

    Raises
    ------
    StudyError
        Naming the config key of the length.
    """
    beside = " with the begin-of-text token" if begin else ""
    for key, tokens, note, remedy in (
        ("finetuning.max_tokens", use.training_tokens, "", "lower it"),
        (
            "generation.block_tokens + generation.new_tokens",
            use.writing_tokens and use.writing_tokens + begin,
            beside,
            "lower one of them",
        ),
    ):
        if tokens > positions:
            raise StudyError(f"{key} is {tokens}{note}, but {name} has {positions} positions: {remedy}.")
