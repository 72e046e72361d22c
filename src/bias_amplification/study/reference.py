"""Write the config's JSON schema and tables of keys, and the lists of strategies, from the code (``make docs``).

Run it as ``python -m bias_amplification.study.reference`` in the checkout's root, with ``src`` on the path.
"""

import json
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bias_amplification.artifacts import new_file
from bias_amplification.study.sections import NAME_PATTERN, Section
from bias_amplification.study.sections.section import optional_section
from bias_amplification.study.settings import Study
from bias_amplification.study.strategies import STRATEGIES

SCHEMA_FILE = Path("workflow/schemas/config.schema.yaml")
KEYS_FILE = Path("config/README.md")
STRATEGIES_FILE = Path("docs/strategies.md")
REPORT_FILE = Path("workflow/report/workflow.rst")

_SCHEMA_HEADING = """\
# Made by `make docs` from src/bias_amplification/study/sections/. Editors use it to check and complete config files.
# No key of the first level is required here, because an overlay has only the keys that it changes.
"""

_INTRODUCTION = """\
# The config

`config.yaml` is the study that a bare `snakemake` runs. Further files are overlays: they change some keys of it and
keep the others.

```
snakemake --configfile config/paper.yaml
snakemake --configfile config/paper.yaml my_changes.yaml
snakemake --config seed=7
```

- If a key is in several files, the last file wins. `--config` wins over files.
- **Maps are merged key by key.** `finetuning: {epochs: 3}` changes the epochs and keeps the other keys. An overlay
  cannot remove a key of a map; give it `null` instead.
- **Lists are replaced as a whole.** An overlay with `rounds:` or `seed_sets:` must list all of them.
- Write small numbers with a point, such as `5.0e-5`. YAML reads `5e-5` as text.
- An unknown key, a value of another type or a value outside its range stops the run before its first job. The message
  names the key.
- After a change of a key, the next run makes the results again that depend on the key, and no others.

For a study of your own, write the keys that differ into a new file. To add a round, a seed set or a classifier
candidate, add a row to its list. Paths are relative to the folder in which `snakemake` is started.

Editors that know the [YAML language server](https://github.com/redhat-developer/yaml-language-server) complete keys,
explain them and mark faults, if the file begins with the line

```
# yaml-language-server: $schema=../workflow/schemas/config.schema.yaml
```

with the path of the schema relative to the file.

In the tables below, *required* means that `config.yaml` or an overlay must have the key. Types are those of YAML; "or
null" marks keys that may be empty. A heading such as `corpus.press` is a map within a map, and `rounds[]` is one row of
a list.
"""

_END = """
---

This file and `workflow/schemas/config.schema.yaml` are made by `make docs` from
`src/bias_amplification/study/sections/`.
"""


def config_schema() -> str:
    """Return the JSON schema of config files, as YAML."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
    del schema["required"]
    for part in (schema, *schema["$defs"].values()):
        del part["title"]
        part["description"] = " ".join(part["description"].split())
        for field in part["properties"].values():
            field.pop("title", None)
            if "$ref" in field:
                # The section's own keys have their defaults.
                field.pop("default", None)
    # Through JSON, because YAML would write tuples and repeated objects in a special notation.
    plain = json.loads(json.dumps(schema))
    return _SCHEMA_HEADING + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def config_keys() -> str:
    """Return the description of all keys, as Markdown."""
    parts = [_INTRODUCTION]
    for path, section in _sections("", Study):
        heading = f"## `{path}`" if path else "## The study"
        parts.append(f"{heading}\n\n{' '.join((section.__doc__ or '').split())}\n")
        fields = section.model_fields.items()
        if rows := [_row(path, name, field) for name, field in fields if not _is_own_section(path, field.annotation)]:
            parts.append("| Key | Type | Default | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts) + _END


def _sections(path: str, section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    """Yield a section and all sections within it, each after the one that it is in, with the path of its keys."""
    yield path, section
    for name, field in section.model_fields.items():
        if _is_own_section(path, field.annotation):
            yield from _sections(_join(path, name), field.annotation)
        elif section_or_null := optional_section(field.annotation):
            yield from _sections(_join(path, name), section_or_null)
        elif row := _row_section(field.annotation):
            yield from _sections(f"{_join(path, name)}[]", row)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _is_own_section(path: str, annotation: Any) -> bool:
    """Return whether a key is a section, and no repetition of a section of the first level within another one."""
    repeats = path and any(field.annotation is annotation for field in Study.model_fields.values())
    return _is_section(annotation) and not repeats


def _row_section(annotation: Any) -> type[Section] | None:
    """Return the section that a row of a list is; None if the annotation is not a list of sections."""
    inner = get_args(annotation)
    return inner[0] if get_origin(annotation) is list and _is_section(inner[0]) else None


def _row(path: str, name: str, field: FieldInfo) -> str:
    """Return one key as a row of a table."""
    if _row_section(field.annotation):
        kind = f"list of maps{_range(field.metadata)}, see `{_join(path, name)}[]`"
    elif _is_section(field.annotation):
        kind = "map"
    elif optional_section(field.annotation):
        kind = f"map or null, see `{_join(path, name)}`"
    else:
        kind = _type(field.annotation, field.metadata)
    cells = [f"`{name}`", kind, _default(field), field.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any, limits: Sequence[Any] = ()) -> str:
    """Describe a type and its range."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0], [limit for part in inner[1:] for limit in getattr(part, "metadata", [part])])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        options = [_type(option, () if option is type(None) else limits) for option in inner]
        return " or ".join(options)
    if origin is list:
        return f"list of {_type(inner[0])}{_range(limits)}"
    if origin is dict:
        return f"map from {_type(inner[0])} to {_type(inner[1])}"
    words = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", type(None): "null"}
    return words[annotation] + _range(limits)


def _range(limits: Sequence[Any]) -> str:
    """Describe a range, with a space before it. Return nothing if there is no range."""
    words = []
    for limit in limits:
        if isinstance(limit, Ge):
            words.append(f"≥ {limit.ge}")
        elif isinstance(limit, Gt):
            words.append(f"> {limit.gt}")
        elif isinstance(limit, Le):
            words.append(f"≤ {limit.le}")
        elif isinstance(limit, Lt):
            words.append(f"< {limit.lt}")
        elif isinstance(limit, MinLen):
            words.append(f"({limit.min_length} or more)")
        elif getattr(limit, "pattern", None) == NAME_PATTERN:
            words.append("of letters, digits, `_`, `-`, `.`")
        elif getattr(limit, "pattern", None):
            words.append(f"like `{limit.pattern}`")
    return f" {', '.join(words)}" if words else ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "*required*"
    plain = TypeAdapter(field.annotation).dump_python(value, mode="json", exclude_defaults=True)
    written = json.dumps(plain, ensure_ascii=False)
    # With a point, as YAML needs it: 5.0e-5 for 5e-05.
    written = re.sub(r"(?<![.0-9])([0-9])e-0?", r"\1.0e-", written)
    return f"`{written}`"


def strategies_manual(text: str) -> str:
    """Return the manual of the strategies with a new table of them."""
    rows = [
        f"| `{name}` | {strategy.description} | {', '.join(f'`{option}`' for option in strategy.options)} | "
        f"{'control' if strategy.control else strategy.source} |"
        for name, strategy in STRATEGIES.items()
    ]
    heading = [
        "| `strategy` | Each generation after generation 0 is trained on | Options | Source |",
        "|---|---|---|---|",
    ]
    return _with_part(text, "<!-- made by make docs -->\n", "<!-- end -->\n", "\n".join([*heading, *rows]))


def report(text: str) -> str:
    """Return the introduction of Snakemake's report with a new list of the strategies."""
    rows = [
        f"- *{name}*{' (control)' if strategy.control else ''}: {strategy.description.replace('`', '*')}"
        for name, strategy in STRATEGIES.items()
    ]
    return _with_part(text, ".. made by make docs\n", ".. end\n", "\n".join(rows))


def _with_part(text: str, begin: str, end: str, part: str) -> str:
    """Replace what is between two lines of a text."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the text has no lines {begin.strip()!r} and {end.strip()!r}")
    return f"{before}{begin}\n{part}\n\n{end}{after}"


def references(root: Path) -> dict[Path, str]:
    """Return the contents of all files that are made, some of them around parts written by hand, below a root."""
    by_hand = {file: (root / file).read_text(encoding="utf-8") for file in (STRATEGIES_FILE, REPORT_FILE)}
    return {
        SCHEMA_FILE: config_schema(),
        KEYS_FILE: config_keys(),
        STRATEGIES_FILE: strategies_manual(by_hand[STRATEGIES_FILE]),
        REPORT_FILE: report(by_hand[REPORT_FILE]),
    }


def write_references(root: Path) -> None:
    """Write the files below a checkout's root."""
    for file, text in references(root).items():
        with new_file(root / file) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_references(Path())
