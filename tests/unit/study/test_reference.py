"""The config's schema and tables of keys, which are made from the sections."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bias_amplification.study.reference import (
    REPORT_FILE,
    SCHEMA_FILE,
    STRATEGIES_FILE,
    config_keys,
    config_schema,
    references,
    report,
    strategies_manual,
    write_references,
)
from helpers import ROOT

CONFIGS = [*sorted((ROOT / "config").glob("*.yaml")), *sorted((ROOT / "tests" / "workflow").glob("*.yaml"))]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = yaml.safe_load(config_schema())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_all_files_are_up_to_date() -> None:
    for file, text in references(ROOT).items():
        assert (ROOT / file).read_text(encoding="utf-8") == text, f"{file}: run make docs"


def test_all_files_are_written(tmp_path: Path) -> None:
    before = {STRATEGIES_FILE: "A\n<!-- made by make docs -->\nold\n<!-- end -->\nB\n"}
    before[REPORT_FILE] = "A\n\n.. made by make docs\n.. end\n\nB\n"
    for file, text in before.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text, encoding="utf-8")

    write_references(tmp_path)

    texts = {file: (tmp_path / file).read_text(encoding="utf-8") for file in references(tmp_path)}
    assert texts[SCHEMA_FILE] == config_schema()
    table, rows = texts[STRATEGIES_FILE].splitlines(), texts[REPORT_FILE].splitlines()
    assert (table[0], table[-1], rows[0], rows[-1]) == ("A", "B", "A", "B")
    assert "old" not in table
    assert (
        "| `quality_pruning` | What the previous generation wrote, without the articles of the lowest quality. | "
        in (texts[STRATEGIES_FILE])
    )
    assert "- *fixed* (control): The seed set again." in rows
    assert references(tmp_path) == texts


@pytest.mark.parametrize("make", [strategies_manual, report])
def test_a_text_without_a_place_for_the_strategies_is_refused(make: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="made by make docs"):
        make("A text\n.. end\n<!-- end -->\n")


@pytest.mark.parametrize("path", CONFIGS, ids=named)
def test_config_files_name_the_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]

    address = first.removeprefix("# yaml-language-server: $schema=")
    assert address != first
    assert (path.parent / address).resolve() == (ROOT / SCHEMA_FILE).resolve()


@pytest.mark.parametrize("path", CONFIGS, ids=named)
def test_config_files_are_valid_and_typos_are_refused(path: Path, validator: Draft202012Validator) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert [error.message for error in validator.iter_errors(config)] == []
    faulty = list(misspelled(config))
    assert len(faulty) > len(config)
    for other in faulty:
        assert not validator.is_valid(other), other


#: Maps whose keys are the user's own names.
OPEN_MAPS = {"label_map", "label_mix", "columns", "labels", "where"}


def misspelled(config: dict) -> Iterator[dict]:
    """Yield copies of a config with one letter added to the name of one key, for each key in turn."""
    for place in keys(config, ()):
        other = deepcopy(config)
        part = other
        for step in place[:-1]:
            part = part[step]
        part[f"{place[-1]}x"] = part.pop(place[-1])
        yield other


def keys(part: dict | list, place: tuple) -> Iterator[tuple]:
    """Yield the path of every key of the config."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(part, dict):
            yield (*place, key)
        if isinstance(value, dict | list) and key not in OPEN_MAPS:
            yield from keys(value, (*place, key))


@pytest.mark.parametrize(
    ("key", "value"), [("seed", -1), ("seed", "42"), ("rounds", []), ("neurons", {"lags": -1}), ("corpus", "press")]
)
def test_schema_refuses_values(config: dict, validator: Draft202012Validator, key: str, value: object) -> None:
    assert validator.is_valid(config)
    assert not validator.is_valid(config | {key: value})


def test_every_key_has_a_description_in_the_schema(validator: Draft202012Validator) -> None:
    schema = validator.schema
    for part in [schema, *schema["$defs"].values()]:
        for name, field in part["properties"].items():
            described = schema["$defs"][field["$ref"].split("/")[-1]] if "$ref" in field else field
            assert len(described["description"]) > 10, name


@pytest.mark.parametrize(
    "start",
    [
        "| `learning_rate` | number > 0 | `5.0e-5` | ",
        "| `alpha` | number > 0, < 1 | `0.05` | ",
        '| `fixed_effects` | `none`, `rounds`, `both` | `"both"` | ',
        "| `size` | whole number > 0 | *required* | ",
        "| `lags` | whole number ≥ 0 or `plugin`, `newey_west`, `andrews` | `1` | ",
        "| `rounds` | list of maps (1 or more), see `rounds[]` | *required* | ",
        '| `candidates` | list of maps (1 or more), see `classifier.candidates[]` | `[{"name": "small"}, ',
    ],
)
def test_keys_are_listed_with_type_range_and_default(start: str) -> None:
    assert any(line.startswith(start) for line in config_keys().splitlines())


def test_every_key_of_the_schema_is_listed(validator: Draft202012Validator) -> None:
    lines = config_keys().splitlines()
    for part in [validator.schema, *validator.schema["$defs"].values()]:
        for name, field in part["properties"].items():
            headings = [line for line in lines if line.startswith("## ") and line.endswith(f"{name}`")]
            rows = [line for line in lines if line.startswith(f"| `{name}` | ")]
            # A round's `options` are the keys of `strategies`, which are listed once.
            assert headings if "$ref" in field and name != "options" else rows, name


def test_rows_have_four_cells() -> None:
    rows = [line for line in config_keys().splitlines() if line.startswith("|")]

    assert len(rows) > 100
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}
