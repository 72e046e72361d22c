"""Write the config's JSON schema and its tables of keys from the settings (``make docs``).

Run it as ``python -m bias_amplification.study.reference`` in the checkout's root, with ``src`` on the path.
"""

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bias_amplification.artifacts import new_file
from bias_amplification.study.sections import NAME_PATTERN, Section
from bias_amplification.study.settings import Study

SCHEMA_FILE = Path("workflow/schemas/config.schema.yaml")
KEYS_FILE = Path("config/README.md")

INTRODUCTION = """\
# The config

`config.yaml` is the study that a bare `snakemake` runs. Further files lie over it and change what they name:

```
snakemake --configfile config/paper.yaml
snakemake --configfile config/paper.yaml my_changes.yaml
snakemake --config seed=7
```

- Later files win over earlier ones, and `--config` wins over files.
- **Maps are merged key by key.** `finetuning: {epochs: 3}` changes the epochs and keeps the other keys. A key cannot
  be removed by an overlay; where a key of a map should not count, give it `null`.
- **Lists are replaced whole.** An overlay with `rounds:` or `seed_sets:` names all of them.
- Write small numbers with a point, `5.0e-5`: YAML reads `5e-5` as text.
- A key that is not listed here, a value of another type or outside its range stops the run before its first job, with
  a sentence that names the key.
- Changing a key makes the next run redo what depends on it and nothing more.

To run a study of your own, copy the keys that differ into a new file. To add a round, a seed set or a classifier
candidate, add a row to the list. Paths are relative to the folder in which `snakemake` is called.

In the tables below, a default of *required* means that `config.yaml` or an overlay must give the key; types are
YAML's, and "or null" marks keys that may be left empty. Sections with a point in their name, `corpus.press`, are maps
within maps; `[]` stands for one row of a list. `seed_sets` and `rounds` need a row at least.
"""

_END = """
---

This file and `workflow/schemas/config.schema.yaml` are made by `make docs` from
`src/bias_amplification/study/sections.py`.
"""


def config_schema() -> str:
    """Return the JSON schema of a config, as YAML."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
    heading = "# Made by `make docs` from src/bias_amplification/study/sections.py.\n"
    # Through JSON: YAML would tell tuples and shared objects apart.
    return heading + yaml.safe_dump(json.loads(json.dumps(schema)), sort_keys=False, allow_unicode=True, width=120)


def config_keys() -> str:
    """Return the description of all keys, as Markdown."""
    parts = [INTRODUCTION]
    for path, section in _sections("", Study):
        heading = f"## `{path}`" if path else "## The study"
        rows = [_row(name, field) for name, field in section.model_fields.items() if not _parts(field.annotation)]
        parts.append(f"{heading}\n\n{_meaning(section)}\n")
        if rows:
            parts.append("| Key | Type | Default | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts) + _END


def _sections(path: str, section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every part of the config, itself before its parts, with the path of its keys."""
    yield path, section
    for name, field in section.model_fields.items():
        for part in _parts(field.annotation):
            many = "[]" if get_origin(field.annotation) is list else ""
            yield from _sections(f"{path}.{name}{many}".lstrip("."), part)


def _parts(annotation: Any) -> list[type[BaseModel]]:
    candidates = get_args(annotation) if get_origin(annotation) is list else (annotation,)
    return [part for part in candidates if isinstance(part, type) and issubclass(part, Section)]


def _meaning(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _row(name: str, field: FieldInfo) -> str:
    """Format one key as a table row."""
    cells = [f"`{name}`", _type(field.annotation, field.metadata), _default(field), field.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any, limits: list[Any] | tuple[Any, ...] = ()) -> str:
    """Put a type and its range into words."""
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


def _range(limits: list[Any] | tuple[Any, ...]) -> str:
    """Put a range into words, with a space before it; nothing if there is none."""
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
    # YAML would read 5e-05 as text.
    return re.sub(r"\b(\d)e-", r"\1.0e-", f"`{json.dumps(value, ensure_ascii=False)}`")


def write_reference(root: Path | str = ".") -> None:
    """Write both files below a checkout's root."""
    for file, text in ((SCHEMA_FILE, config_schema()), (KEYS_FILE, config_keys())):
        with new_file(Path(root) / file) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_reference()
