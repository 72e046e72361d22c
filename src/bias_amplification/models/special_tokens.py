"""Special tokens of a model's folder: the tokens that begin and end a text. Read without PyTorch."""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.models.folders import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Files that may name a tokenizer's special tokens; older models have the second.
_NAMES = ("tokenizer_config.json", "special_tokens_map.json")


def read_tokenizer(file: Path, key: str | None = None) -> "Tokenizer":
    """Read a tokenizer.json, without the truncation and padding that it may store.

    Raises
    ------
    StudyError
        If the installed version of tokenizers cannot read it. `key` is the config key that names its folder, None for a
        folder of the run.
    """
    import tokenizers

    version = tokenizers.__version__
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        remedy = f"save it with this version, or correct {key}" if key else "delete it and run snakemake again"
        raise StudyError(
            f"{file} is not a tokenizer that tokenizers {version} can read ({one_line(error)}): {remedy}."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def named_token(folder: Path, name: str, tokenizer: "Tokenizer | None") -> int | None:
    """Return the id of a special token such as "eos_token" that a folder's tokenizer files name; None if none does."""
    for file in _NAMES:
        token = read_json(folder / file).get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and tokenizer is not None:
            return tokenizer.token_to_id(token)
    return None


def ids_in(value: Any) -> list[int]:
    """Return the ids of an entry such as `eos_token_id`, which is a number, a list of numbers or null."""
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


def end_ids(configs: Iterable[Mapping[str, Any]], own: int | None) -> list[int]:
    """Return all ids that end a text.

    Parameters
    ----------
    configs
        The contents of config.json and generation_config.json.
    own
        The tokenizer's own end token.

    Returns
    -------
    list of int
        The tokenizer's own end token is first if the configs have it too, and last otherwise. The first id is the one
        that is learned and pads batches.
    """
    named = [token for config in configs for token in ids_in(config.get("eos_token_id"))]
    found = [own, *named] if own in named else [*named, own]
    return list(dict.fromkeys(token for token in found if token is not None))


def begin_tokens(tokenizer: "Tokenizer") -> list[int]:
    """Return the ids that a tokenizer by itself puts before a text.

    For the tokenizer in the run's folder of the base model, this is what every sequence begins with: the id of the
    begin-of-text token, or nothing, as `base_model.begin_token` asks for.
    """
    encoding = tokenizer.encode("a")
    # The mask has 1 for tokens that the tokenizer adds, and 0 for those of the text.
    added = list(takewhile(bool, encoding.special_tokens_mask))
    return encoding.ids[: len(added)]


def wanted_begin(folder: Path, tokenizer: "Tokenizer", begin_token: str, name: str) -> list[int]:
    """Return what every sequence begins with: the id of the begin-of-text token, or nothing.

    Parameters
    ----------
    folder
        Folder of the tokenizer. Its tokenizer_config.json, and then its config.json, name the token.
    tokenizer
        From its tokenizer.json.
    begin_token
        Config key `base_model.begin_token`: "tokenizer" as the tokenizer does by itself, "always" or "never".
    name
        The model in words, for messages.

    Raises
    ------
    StudyError
        If a token is wanted and there is none, or if the tokenizer puts several before a text.
    """
    if begin_token == "never":
        return []
    found = begin_tokens(tokenizer)
    if len(found) > 1:
        raise StudyError(
            f"The tokenizer of {name} puts {len(found)} tokens before a text, but one is the most that can be: set "
            "base_model.begin_token to never."
        )
    if found or begin_token == "tokenizer":
        return found
    token = named_token(folder, "bos_token", tokenizer)
    found = ids_in(read_json(folder / "config.json").get("bos_token_id")) if token is None else [token]
    if not found:
        raise StudyError(
            f"{name} has no begin-of-text token (bos_token of tokenizer_config.json, bos_token_id of config.json): add "
            "it, or set base_model.begin_token to tokenizer or never."
        )
    return found[:1]


def set_begin(tokenizer: "Tokenizer", begin: list[int]) -> bool:
    """Make a tokenizer put exactly the begin-of-text token, or nothing, around a text.

    Returns
    -------
    bool
        Whether the tokenizer was changed. One that does so already is left as it is.
    """
    from tokenizers import processors

    plain = tokenizer.encode("a", add_special_tokens=False).ids
    if tokenizer.encode("a").ids == begin + plain:
        return False
    if begin:
        token = tokenizer.id_to_token(begin[0])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[token, "$A"], pair=[token, "$A", "$B:1"], special_tokens=[(token, begin[0])]
        )
    else:
        tokenizer.post_processor = None
    return True
