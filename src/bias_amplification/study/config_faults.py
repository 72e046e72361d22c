"""Faults of the config in the words of its author: what is wrong, where, and what to write instead."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, get_args, get_origin

import yaml

from bias_amplification.study import sections
from bias_amplification.study.config_files import ConfigFiles, Key
from bias_amplification.study.sections.section import (
    COMMIT_PATTERN,
    LANGUAGE_PATTERN,
    NAME_PATTERN,
    NOUN_PATTERN,
    UNMET_DEMAND,
    Section,
    optional_section,
)

#: What a value of a type must be, in the words of config/README.md, by the type of pydantic's error.
_MUST_BE = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "string_unicode": "text of whole characters",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}

#: What a text must be, by the pattern that it does not match.
PATTERNS = {
    NAME_PATTERN: "must consist of at most 100 letters, digits, _, - and ., and must begin with a letter or digit",
    COMMIT_PATTERN: "must be a commit (40 hex digits), because a branch or a tag can change",
    NOUN_PATTERN: "must be an English noun of letters in the singular, such as article, post or user comment",
    LANGUAGE_PATTERN: "must be an ISO 639 code of two or three small letters, such as en",
}

#: Longest value in a message, in characters.
_LONGEST = 80

#: pydantic's name, in the place of a fault, for a key of a map.
_KEY = "[key]"


def in_words(faults: Sequence[Mapping[str, Any]], config: type[Section], files: ConfigFiles) -> list[str]:
    """Put pydantic's errors into sentences, one for each kind of fault of a list's rows or a map's keys.

    Parameters
    ----------
    faults
        Of `ValidationError.errors()`.
    config
        The section that was validated.
    files
        The files that the config comes from.

    Returns
    -------
    list of str
        The sentences. Each begins with file and line if they are known.
    """
    told: dict[Any, str] = {}
    others: dict[Any, list[str]] = {}
    for fault in faults:
        loc = tuple(fault["loc"])
        is_key = loc[-1:] == (_KEY,)
        key = loc[:-2] if is_key else loc
        if fault["type"] == "invalid_key":
            # pydantic writes a key that is no text, such as a date, as Python does.
            key = (*key[:-1], fault["input"])
        in_list = bool(key) and isinstance(key[-1], int)
        value = fault["input"]
        group = (is_key, key[:-1] if in_list else key, fault["type"], type(value)) if is_key or in_list else loc
        if fault["type"] in ("value_error", "missing") or group not in told:
            sentence = _sentence(fault, key, is_key, config)
            place = (files.place_of(sentence) if fault["type"] == "value_error" else "") or files.place(key)
            told[group if group not in told else (group, len(told))] = f"{place}{sentence}."
        else:
            others.setdefault(group, []).append(f"the key {as_in_yaml(value)}" if is_key else _dotted(key))
    return [
        f"{sentence} The same holds for {_listed(others[group])}." if group in others else sentence
        for group, sentence in told.items()
    ]


def _sentence(fault: Mapping[str, Any], key: Key, is_key: bool, config: type[Section]) -> str:
    """Put one of pydantic's errors into a sentence, without its period."""
    name = _dotted(key)
    kind, value, message = fault["type"], fault["input"], fault["msg"].removeprefix("Value error, ")
    if kind in ("extra_forbidden", "invalid_key"):
        return f"{name} is not a key of the config: {_right_key(key, config)}"
    if kind == "missing":
        return f"{name} is missing: add it (config/README.md explains it)"
    if kind == "value_error":
        # A section that occurs in several places does not know its key. Its message begins without one.
        named = not name or message.startswith(str(key[0]))
        return message if named else f"{name}: {message}"
    if kind == "recursion_loop":
        return f"{name} contains itself: remove the alias (*) within it"
    if value is None and kind in ("list_type", "dict_type", "model_type"):
        parts = "rows" if kind == "list_type" else "keys"
        return f"{name} is empty: remove the line, or add its {parts} below it"
    if kind == "string_too_short":
        return f"{name} is empty: give a value, or remove the line"
    if kind in _MUST_BE:
        demand = f"must be {_MUST_BE[kind]}"
    elif kind == UNMET_DEMAND:
        demand = f"must be {message}"
    elif kind == "string_pattern_mismatch":
        demand = PATTERNS[fault["ctx"]["pattern"]]
    else:
        demand = re.sub(r"^\w+ should ", "must ", message)
    remedy = _remedy(fault, key, config)
    hint = f" ({remedy})" if remedy else ""
    if is_key:
        return f"{name} has the key {as_in_yaml(value)}, but its keys {demand}{hint}"
    return f"{name} is {as_in_yaml(value)}, but {demand}{hint}"


def _remedy(fault: Mapping[str, Any], key: Key, config: type[Section]) -> str:
    """Say what to write instead of a value, as far as the value shows what its author meant."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if key[:2] == ("corpus", "labels") and kind == "string_pattern_mismatch":
        label = re.sub(r"[^A-Za-z0-9_.-]+", "_", value).strip("_") or "a"
        return f"write a name such as {label} here, and map the source's value to it in corpus.label_map"
    if isinstance(value, bool) and kind in ("string_type", "literal_error", UNMET_DEMAND):
        quotes = ": put them in quotes" if kind == "string_type" else ""
        return f"YAML reads the words no, off, yes and on as false and true{quotes}"
    if value is None and kind in _MUST_BE:
        return "give a value, or remove the line"
    if kind == "string_type" and isinstance(value, int | float | date):
        return f"put it in quotes: '{as_in_yaml(value)}'"
    if kind == "string_type" and isinstance(value, list):
        return "write one, without brackets or dashes"
    if kind in ("int_type", "float_type"):
        return _number(value, whole=kind == "int_type")
    if kind == "less_than_equal" and context["le"] == 1 and 1 < value <= 100:
        return f"write {value / 100:g} for {value:g}%"
    if kind == "bool_type" and isinstance(value, str):
        meant = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
        return f"write {meant[value.lower()]}, without quotes" if value.lower() in meant else ""
    if kind == "literal_error" and isinstance(value, str):
        close = difflib.get_close_matches(value.lower(), re.findall(r"'([^']*)'", context["expected"]), 1, 0.75)
        return f"write {close[0]}" if close else ""
    if kind == "list_type":
        return _list(value, of_maps=_section_at(config, (*key, 0)) is not None)
    if kind in ("dict_type", "model_type"):
        return _map(value, getattr(sections, context.get("class_name", ""), None))
    return ""


def _number(value: Any, *, whole: bool) -> str:
    """Say how YAML wants a number to be written, if a text or a fraction is one."""
    if isinstance(value, float) and value.is_integer():
        return f"write {value:.0f}"
    if not isinstance(value, str):
        return ""
    grouped = re.fullmatch(r"\s*[-+]?[1-9]\d{0,2}(?:([.,'])\d{3})(?:\1\d{3})*\s*", value)
    if grouped and not whole and value.count(grouped[1]) == 1:
        # 1,000 is one in some countries and a thousand in others.
        return f"YAML reads {value} as text: write {value.replace(grouped[1], '')} or {value.replace(grouped[1], '.')}"
    text = value.replace(grouped[1], "") if grouped else value
    found = re.fullmatch(r"\s*([-+]?[\d_ ]*[.,]?\d+(?:[eE][-+]?\d+)?)\s*(%?)\s*", text)
    if not found:
        return ""
    number = float(re.sub(r"[_ ]", "", found[1]).replace(",", ".")) / (100 if found[2] else 1)
    if whole and not number.is_integer():
        return ""
    written = f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else _as_float(number)
    is_number = isinstance(yaml.safe_load(value), int | float)
    if is_number:
        return f"write {written}, without quotes"
    return f"write {written}" if found[2] else f"YAML reads {value} as text: write {written}"


def _as_float(number: float) -> str:
    """Write a number such that YAML reads it as one: an exponent needs a point before it and a sign."""
    mantissa, _, exponent = f"{number:g}".partition("e")
    if not exponent:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"


def _list(value: Any, *, of_maps: bool) -> str:
    """Say how a list is written, if another value stands where it belongs."""
    if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
        return f"write its rows with dashes: - {{name: {next(iter(value))}, ...}}"
    if isinstance(value, dict):
        return "put a dash before each row"
    if of_maps or isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > _LONGEST:
        return ""
    return f"write [{value}]"


def _map(value: Any, section: type[Section] | None) -> str:
    """Say how a map is written, if a text stands where it belongs."""
    if isinstance(value, list):
        return "write its keys without dashes"
    if not isinstance(value, str):
        return ""
    unspaced = re.fullmatch(r"(\w+):(\S.*)", value)
    if unspaced:
        return f"write a space after the colon: {unspaced[1]}: {unspaced[2]}"
    for name, field in section.model_fields.items() if section else ():
        if value in get_args(field.annotation):
            return f"write {{{name}: {value}}}"
    return ""


def _right_key(key: Key, config: type[Section]) -> str:
    """Say what to write instead of a key that does not exist."""
    known = _section_at(config, key[:-1])
    wrong = str(key[-1])
    close = difflib.get_close_matches(wrong.lower(), list(known.model_fields) if known else [], n=1)
    if close:
        return f"write {close[0]}, or remove it"
    homes = [
        name for name, field in config.model_fields.items() if wrong in getattr(field.annotation, "model_fields", ())
    ]
    if homes:
        return f"it is a key of {' and of '.join(homes)}, so indent it below"
    return "correct its spelling or remove it (config/README.md lists all keys)"


def _section_at(config: type[Section], key: Key) -> type[Section] | None:
    """Return the section that a key leads to; None if it leads to something else."""
    found: Any = config
    for part in key:
        if isinstance(part, int):
            found = next(iter(get_args(found)), None) if get_origin(found) is list else None
        else:
            field = getattr(found, "model_fields", {}).get(part)
            found = field and (optional_section(field.annotation) or field.annotation)
    return found if isinstance(found, type) and issubclass(found, Section) else None


def _dotted(key: Key) -> str:
    return ".".join(str(part) for part in key)


def _listed(names: Sequence[str]) -> str:
    """List names; of many the first three."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def as_in_yaml(value: Any) -> str:
    """Write a value as a config has it, the first part of a long one."""
    text = ""
    for part in _parts(value):
        text += part
        if len(text) > _LONGEST:
            return f"{text[: _LONGEST - 4].rstrip()} ..."
    return text


def _parts(value: Any) -> Iterator[str]:
    """Yield the text of a value piece by piece: a value that contains itself has no end."""
    if isinstance(value, Mapping):
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield ", " if number else ""
            yield from [key] if key and isinstance(key, str) else _parts(key)
            yield ": "
            yield from _parts(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield ", " if number else ""
            yield from _parts(item)
        yield "]"
    elif value is None or isinstance(value, bool):
        yield "null" if value is None else str(value).lower()
    else:
        endless = isinstance(value, float) and not math.isfinite(value)
        yield f".{value}" if endless else str(value) if isinstance(value, date) else repr(value)
