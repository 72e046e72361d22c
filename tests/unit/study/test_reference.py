"""The config's schema and its tables of keys are made from the settings."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from bias_amplification.study.reference import KEYS_FILE, SCHEMA_FILE, config_keys, config_schema, write_reference

ROOT = Path(__file__).parents[3]


def test_both_files_are_up_to_date() -> None:
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == config_schema(), "run make docs"
    assert (ROOT / KEYS_FILE).read_text(encoding="utf-8") == config_keys(), "run make docs"


def test_writing_makes_both_files(tmp_path: Path) -> None:
    write_reference(tmp_path)

    assert (tmp_path / SCHEMA_FILE).read_text(encoding="utf-8") == config_schema()
    assert (tmp_path / KEYS_FILE).read_text(encoding="utf-8") == config_keys()


@pytest.mark.parametrize(
    "row",
    [
        "| `learning_rate` | number > 0 | `5.0e-05` | Peak of a linear decay without warm-up, AdamW. |",
        "| `alpha` | number > 0, < 1 | `0.05` | Significance threshold. |",
        "| `fixed_effects` | `true`, `false` | `false` | A constant for each round instead of one for all. |",
        "| `size` | whole number > 0 | *required* | Articles in all; with one label, or as many as exist if fewer. |",
    ],
)
def test_a_key_is_told_with_type_range_and_default(row: str) -> None:
    assert row in config_keys().splitlines()


def test_every_key_of_the_schema_is_told() -> None:
    lines = config_keys().splitlines()
    schema = yaml.safe_load(config_schema())
    for part in [schema, *schema["$defs"].values()]:
        for name, field in part["properties"].items():
            is_part = "$ref" in field or "$ref" in field.get("items", {})
            told = [line for line in lines if f"{name}`" in line or f"{name}[]`" in line]
            assert told, name
            assert is_part or field.get("description"), f"{part['title']}.{name} has no meaning"


def test_tables_are_whole() -> None:
    rows = [line for line in config_keys().splitlines() if line.startswith("|")]

    assert len(rows) > 100
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}


def test_schema_accepts_the_default_config_and_refuses_faults(config: dict) -> None:
    validate = pytest.importorskip("jsonschema").Draft202012Validator(yaml.safe_load(config_schema()))
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))

    assert validate.is_valid(shipped)
    assert validate.is_valid(config)
    for key, value in (("sede", 3), ("seed", -1), ("seed", "42"), ("rounds", []), ("neurons", {"lags": -1})):
        faulty = deepcopy(config) | {key: value}
        assert not validate.is_valid(faulty), key
