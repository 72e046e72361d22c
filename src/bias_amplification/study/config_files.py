"""Config files as the user wrote them: the line of each key, invalid YAML, and keys that are set twice.

Snakemake merges all files into one mapping, which knows neither files nor lines.
"""

import json
import os
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bias_amplification.artifacts.atomic import StudyError

#: A key of the config: the names and row numbers that lead to it.
Key = tuple[Hashable, ...]

_SINGLE_QUOTES = (
    "a backslash in double quotes begins an escape sequence, and this one does not exist: write the value in single "
    "quotes"
)

#: What PyYAML says of a fault (a pattern), and what it means for the author of the file.
_FAULTS = {
    r"found character '\\t'": "a tab is used for indentation: use spaces",
    r"unknown escape character|escape sequence of \d": _SINGLE_QUOTES,
    r"mapping values are not allowed": "a colon is not possible here: write a space after the colon of the key above, "
    "or put a value with a colon in quotes",
    r"could not find expected ':'": "the line before has a key without a colon: add the colon and a space",
    r"expected <block end>": "the indentation or the brackets fit no line above: correct them",
    r"expected ',' or": "a comma or a closing bracket is missing: add it",
    r"unexpected end of stream|<stream end>": "a quote or a bracket is not closed: close it",
    r"expected a single document": "a second document begins here: remove the line with ---",
    r"unhashable key": "the key is a list or a map, but must be text: put it in quotes",
    r"undefined alias": "the value begins with *, which in YAML refers to an anchor: put the value in quotes",
    r"constructor for the tag": "the value begins with !, which in YAML names a type: put the value in quotes",
    r"that cannot start any token": "the value begins with a character that has a meaning in YAML: put it in quotes",
    r"special characters are not allowed": "the file has a control character: remove it",
}

#: Numbers that YAML does not read as decimal: 010 is octal, and 1:30 is ninety.
_OTHER_BASE = r"[-+]?0[\d_]+|[-+]?[\d_]+(:[\d_]+)+(\.[\d_]*)?"


def with_types(value: Any) -> Any:
    """Return a value with the numbers, truth values and nulls that YAML reads in its texts."""
    if isinstance(value, dict):
        return {key: with_types(one) for key, one in value.items()}
    if isinstance(value, list):
        return [with_types(one) for one in value]
    try:
        # Numbers that are not decimal stay texts, which are refused where numbers belong.
        readable = isinstance(value, str) and not re.fullmatch(_OTHER_BASE, value)
        read = yaml.safe_load(value) if readable else value
    except yaml.YAMLError:
        return value
    return read if read is None or isinstance(read, int | float) else value


class ConfigFiles:
    """The config files of a run, and the values of `--config`.

    Parameters
    ----------
    files
        Paths. A later file wins over an earlier one, as in Snakemake.
    given
        The values of `--config`, which win over all files.

    Raises
    ------
    StudyError
        If a file is not valid YAML or sets a key twice. The message names the file and the line.
    """

    def __init__(self, files: Iterable[Path | str] = (), given: Mapping[str, Any] | None = None) -> None:
        read = [(_shown(file), _read(Path(file))) for file in files]
        self._roots = [_Found(file, 0, root) for file, root in read if root]
        if given:
            self._roots.append(_Found("", 0, yaml.compose(yaml.dump(dict(given)))))

    def place(self, key: Key) -> str:
        """Return "FILE, line LINE: " for a key, or for the nearest key above it if no file has it.

        It is empty if no file has any part of the key, or if `--config` gave its value.
        """
        found, last = self._roots, None
        for part in key:
            found = _below(found, part)
            if not found:
                break
            last = found[-1]
        return f"{last.file}, line {last.line}: " if last and last.file else ""

    def rank(self, key: Key) -> int:
        """Return the number of the last file that has a key, or of `--config` after all files; -1 if none has it."""
        for number, root in reversed(list(enumerate(self._roots))):
            found = [root]
            for part in key:
                found = _below(found, part)
            if found:
                return number
        return -1

    def place_of(self, sentence: str) -> str:
        """Return the place of the key that a sentence begins with, such as `corpus.path` or `rounds NAME: seed_set`."""
        return self.place(self._key_of(sentence.removeprefix("config key ")))

    def _key_of(self, sentence: str) -> Key:
        key: Key = ()
        found = self._roots
        while found:
            row = _row(found[-1].value, sentence)
            name = re.match(r"\w+", sentence)
            part: Hashable = row[0] if row else int(name[0]) if name and name[0].isdecimal() else name and name[0]
            found = _below(found, part)
            if found:
                key = (*key, part)
                sentence = sentence[len(row[1]) if row else name.end() :]
                # What stands between two parts: `corpus.path`, `rounds NAME`, `rounds NAME: models`.
                sentence = re.sub(r"^(\.|: | )", "", sentence)
        return key


class _Found(NamedTuple):
    """A value in one of the files, and the line of its key or row."""

    file: str
    line: int
    value: yaml.Node


def _below(found: Sequence[_Found], part: Hashable) -> list[_Found]:
    """Return what the files have below a key, the winning file last; of maps all that are merged."""
    children = [_Found(f.file, *child) for f in found if (child := _child(f.value, part))]
    merged: list[_Found] = []
    for child in children:
        maps = isinstance(child.value, yaml.MappingNode) and merged and isinstance(merged[-1].value, yaml.MappingNode)
        merged = [*merged, child] if maps else [child]
    return merged


def _child(node: yaml.Node, part: Hashable) -> tuple[int, yaml.Node] | None:
    """Return the line and the value of a map's key or a list's row."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    if isinstance(node, yaml.MappingNode):
        # Keys that `<<` merges into the map stand before its own, which win.
        for key, value in reversed(node.value):
            if key.value == str(part):
                return key.start_mark.line + 1, value
    return None


def _row(node: yaml.Node, sentence: str) -> tuple[int, str] | None:
    """Return the number and the name of the row of a list whose name a sentence begins with."""
    if not isinstance(node, yaml.SequenceNode):
        return None
    names = [child[1].value if (child := _child(row, "name")) else None for row in node.value]
    matching = [
        (number, name)
        for number, name in enumerate(names)
        if isinstance(name, str) and re.match(rf"{re.escape(name)}(?![\w-])", sentence)
    ]
    return max(matching, key=lambda row: len(row[1]), default=None)


def _shown(file: Path | str) -> str:
    """Return a path as a user would write it: relative to the current folder, or absolute if that is shorter."""
    return min(os.path.relpath(file), os.path.abspath(file), key=len)


def _read(file: Path) -> yaml.Node | None:
    """Return the nodes of a config file; None for a file that only JSON can read, and for what is no file.

    A pipe can be read only once, and Snakemake has to.

    Raises
    ------
    StudyError
        If the file is not valid YAML, has no keys, or sets a key twice.
    """
    if not file.is_file():
        return None
    name = _shown(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StudyError(f"{name} cannot be read ({error.strerror}): change its access rights.") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StudyError(f"{name}, line {line}: the file is not UTF-8: save it as UTF-8.") from None
    try:
        loader = yaml.FullLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise _no_map(name, root)
        for path, line, before in _set_twice(root):
            places = "twice on this line" if before == line else f"here and on line {before}"
            raise StudyError(
                f"{name}, line {line}: {path} is set {places}, and only one of them would count: write it once, with "
                "all that belongs to it."
            )
        for path, line, number in _numbers_of_other_bases(root):
            decimal = re.sub(r"^([-+]?)[0_]+(?=\d)", r"\1", number)
            remedy = "write it without colons" if ":" in number else f"write {decimal}"
            raise StudyError(
                f"{name}, line {line}: {path} is {number}, which YAML reads as {yaml.safe_load(number)}: {remedy}, or "
                "put it in quotes if it is text."
            )
        # It finds faults that nodes do not show, and merges maps that `<<` names into the nodes.
        loader.construct_document(root)
    except yaml.YAMLError as error:
        with suppress(ValueError, RecursionError):
            json.loads(text, object_pairs_hook=_once(name))
            return None
        raise StudyError(f"{name}, line {_line(error, text)}: {_in_words(error)}.") from None
    except (ValueError, OverflowError):
        # Python cannot hold a value that YAML's patterns take for a date or a number, such as 2024-13-01.
        line, value = _impossible(text)
        raise StudyError(f"{name}, line {line}: {value} is no possible date or number: put it in quotes.") from None
    except RecursionError:
        raise StudyError(f"{name} has lists or maps that are nested too deeply: correct its brackets.") from None
    return root


def _no_map(name: str, root: yaml.Node | None) -> StudyError:
    """Return the fault of a file whose top level is no map."""
    if root is None:
        return StudyError(f"{name} has no keys: write at least one, such as `seed: 42`, or leave the file out.")
    kind = "a list" if isinstance(root, yaml.SequenceNode) else "text"
    remedy = "remove the dashes" if kind == "a list" else "write a space after each colon"
    return StudyError(
        f"{name}, line {root.start_mark.line + 1}: the file is {kind}, but must have keys, such as `seed: 42`: "
        f"{remedy}."
    )


def _once(name: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return a function that makes a map of a JSON object's keys and values, and refuses a key that is set twice."""

    def as_map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in pairs).items():
            if times > 1:
                raise StudyError(
                    f"{name}: {key} is set {times} times in the same map, and only one of them would count: write it "
                    "once, with all that belongs to it."
                )
        return dict(pairs)

    return as_map


def _nodes(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Yield every value and its dotted key."""
    known: set[int] = set()
    waiting = [("", root)]
    while waiting:
        path, node = waiting.pop()
        # An alias leads to the same node again.
        if id(node) in known:
            continue
        known.add(id(node))
        yield path, node
        before = f"{path}." if path else ""
        if isinstance(node, yaml.SequenceNode):
            waiting += [(f"{before}{number}", row) for number, row in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            waiting += [(f"{before}{key.value}", row) for key, row in node.value if isinstance(key, yaml.ScalarNode)]


def _set_twice(root: yaml.Node) -> Iterator[tuple[str, int, int]]:
    """Yield the dotted key, its line and the earlier line for every key that a map sets twice."""
    for path, node in _nodes(root):
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                line, same = key.start_mark.line + 1, (key.tag, key.value)
                if same in lines:
                    yield f"{path}.{key.value}" if path else key.value, line, lines[same]
                lines[same] = line


def _numbers_of_other_bases(root: yaml.Node) -> Iterator[tuple[str, int, str]]:
    """Yield the dotted key, the line and the text of every number, as key or value, that is not read as decimal."""
    for path, node in _nodes(root):
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for part, place in ((node, path), *((key, f"a key of {path or 'the file'}") for key in keys)):
            is_number = part.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
            if is_number and re.fullmatch(_OTHER_BASE, part.value):
                yield place, part.start_mark.line + 1, part.value


def _line(error: yaml.YAMLError, text: str) -> int:
    """Return the line of an error, counted from 1."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark:
        # At the end of the file, the line of what is not closed helps more.
        begun = getattr(error, "context_mark", None)
        return 1 + (begun.line if begun and mark.index >= len(text.rstrip()) else mark.line)
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _in_words(error: yaml.YAMLError) -> str:
    """Return what is wrong and what to do, in the words of the file's author."""
    said = " ".join(str(getattr(error, name, None) or "") for name in ("context", "problem", "reason"))
    for pattern, words in _FAULTS.items():
        if re.search(pattern, said):
            return words
    return f"this is not valid YAML ({said.strip()}): correct it"


def _impossible(text: str) -> tuple[int, str]:
    """Return the line and the text of the first value that has no Python value."""
    loader = yaml.FullLoader(text)
    waiting = [loader.get_single_node()]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        else:
            try:
                loader.construct_object(node)
            except (ValueError, OverflowError):
                return node.start_mark.line + 1, reprlib.repr(node.value)
    return 1, "a value"
