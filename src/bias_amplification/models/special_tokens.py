"""Special tokens of a model's folder: the tokens that begin and end a text. Read without PyTorch."""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import one_line
from bias_amplification.models.folders import TOKENIZERS, read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Files that may name a tokenizer's special tokens; older models have the second.
_NAMES = ("tokenizer_config.json", "special_tokens_map.json")


#: Entries of those files that name one token, and several.
_ONE = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_SEVERAL = ("additional_special_tokens", "extra_special_tokens")


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


def named_token(folder: Path, name: str, tokenizer: "Tokenizer | None", key: str | None = None) -> int | None:
    """Return the id of a special token such as "eos_token" that a folder's tokenizer files name; None if none does.

    `key` is the config key that names the folder, None for a folder of the run.
    """
    for file in _NAMES:
        token = read_json(folder / file, key).get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and tokenizer is not None:
            return tokenizer.token_to_id(token)
    return None


def new_tokens(folder: Path, tokenizer: "Tokenizer", key: str, name: str, *, writes: bool) -> Iterator[tuple[str, int]]:
    """Yield the tokens that a folder names beside its tokenizer.json, in words, each with the id that it will have.

    Parameters
    ----------
    folder
        Folder of the tokenizer.
    tokenizer
        From its tokenizer.json.
    key
        The config key that names the folder.
    name
        The model in words.
    writes
        Whether the model writes texts.

    Raises
    ------
    StudyError
        If a file cannot be read, an entry is no token, or the end-of-text token of a model that writes is not in the
        vocabulary: the model has not learned to end its texts with a token that is added now.
    """
    added: dict[str, int] = {}
    for file in _NAMES:
        content = read_json(folder / file, key)
        decoder = content.get("added_tokens_decoder")
        for number, token in (decoder if isinstance(decoder, dict) else {}).items():
            text = token.get("content") if isinstance(token, dict) else token
            if isinstance(text, str) and str(number).isdecimal() and tokenizer.token_to_id(text) is None:
                added[text] = int(number)
                yield f"the token {text!r} of {file} has the id {number}", int(number)
        named = [(entry, content.get(entry)) for entry in _ONE]
        for entry in _SEVERAL:
            several = content.get(entry) or []
            several = list(several.values()) if isinstance(several, dict) else several
            named += [(entry, token) for token in (several if isinstance(several, list) else [several])]
        for entry, token in named:
            text = token.get("content") if isinstance(token, dict) else token
            if token is None or (isinstance(text, str) and (tokenizer.token_to_id(text) is not None or text in added)):
                continue
            # transformers adds no token without a text.
            if text == "" and not (entry == "eos_token" and writes):
                continue
            if not isinstance(text, str):
                raise StudyError(f"{folder / file} has no token as {entry} but {token!r}: correct it, or {key}.")
            if entry == "eos_token" and writes:
                raise StudyError(
                    f"{name} has {text!r} as eos_token in {file}, but its tokenizer has no such token: name the "
                    f"token that ends its texts, or correct {key}."
                )
            added[text] = tokenizer.get_vocab_size() + sum(one >= tokenizer.get_vocab_size() for one in added.values())
            yield f"the token {text!r} of {file} will have the id {added[text]}", added[text]


def old_vocabulary(folder: Path, key: str, name: str) -> Iterator[tuple[str, int]]:
    """Yield the last token of a tokenizer without tokenizer.json, in words, with its id.

    The parameters are those of `new_tokens`.

    Raises
    ------
    StudyError
        If the vocabulary is empty or incomplete, or needs a package that is not installed.
    """
    remedy = f"save the tokenizer with transformers, so that it has a tokenizer.json, or correct {key}"
    found = [file for file in TOKENIZERS if (folder / file).is_file()]
    packages = [package for package in ("sentencepiece", "tiktoken") if importlib.util.find_spec(package)]
    if found and not packages and all(file.endswith(".model") for file in found):
        raise StudyError(
            f"{name} has its tokenizer as {found[0]} alone, which needs the package sentencepiece or tiktoken: "
            f"{remedy}."
        )
    for file in found:
        vocabulary: Mapping[str, Any] = {}
        if file == "vocab.json":
            vocabulary = read_json(folder / file, key)
            if not (folder / "merges.txt").is_file():
                raise StudyError(f"{name} has a {file} but no merges.txt beside it: {remedy}.")
        elif file == "vocab.txt":
            try:
                # Tokens may be characters that other functions take for line ends.
                lines = (folder / file).read_bytes().decode().split("\n")
            except (OSError, ValueError) as error:
                raise StudyError(f"{folder / file} cannot be read ({one_line(error)}): {remedy}.") from error
            vocabulary = {line: number for number, line in enumerate(lines) if line.strip()}
        else:
            continue
        if not vocabulary or not all(type(number) is int for number in vocabulary.values()):
            raise StudyError(f"{folder / file} has no tokens with their numbers: {remedy}.")
        token = max(vocabulary, key=vocabulary.__getitem__)
        yield f"the token {token!r} of {file} has the id {vocabulary[token]}", vocabulary[token]


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


def wanted_begin(
    folder: Path, tokenizer: "Tokenizer", begin_token: str, name: str, key: str | None = None
) -> list[int]:
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
    key
        The config key that names the folder; None for a folder of the run.

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
    token = named_token(folder, "bos_token", tokenizer, key)
    found = ids_in(read_json(folder / "config.json", key).get("bos_token_id")) if token is None else [token]
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
