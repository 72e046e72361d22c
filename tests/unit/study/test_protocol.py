"""The table of choices in docs/protocol.md: its keys, its values and the tests that it names."""

import json
import re

import pytest

from bias_amplification.study import read_study
from helpers import ROOT

COLUMNS = ("step", "text", "code", "here", "key", "default", "paper", "authors", "test")


def table() -> list[dict[str, str]]:
    """Return the rows of the table."""
    lines = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| Step |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(COLUMNS, (cell.strip() for cell in line.strip("|").split(" | ")), strict=True)))
    return rows


def value_at(settings: dict, key: str) -> str:
    """Return the value at a dotted key as the table writes it: "none" if there is none.

    Rows of a list are named in the key by their name or their number.
    """
    part = settings
    for name in key.split("."):
        if isinstance(part, list):
            part = dict(enumerate(part)).get(int(name)) if name.isdigit() else {p["name"]: p for p in part}.get(name)
        elif part is not None:
            part = part[name]
    return "none" if part is None else part if isinstance(part, str) else json.dumps(part)


@pytest.mark.parametrize("row", table(), ids=lambda row: row["step"])
def test_values_are_those_of_the_configs(row, shipped):
    key = row["key"].strip("`")

    found = [value_at(read_study(shipped(*names)).model_dump(), key) for names in ((), ("paper",), ("authors",))]

    assert found == [row[name].strip("`") for name in ("default", "paper", "authors")], key
    first = key.split(".")[0]
    assert f"`{first}" in (ROOT / "config" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", table(), ids=lambda row: row["step"])
def test_named_tests_exist(row):
    name = row["test"].strip("`")
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))

    assert re.search(rf"^def {name}\(", tests, re.MULTILINE), name


def test_all_differences_between_text_and_code_are_listed():
    rows = table()

    assert len(rows) >= 28
    # Where text and code differ, so do the two files.
    different = {row["key"].strip("`") for row in rows if row["paper"] != row["authors"]}
    assert {
        "seed_sets.balanced.draw", "seed_sets.center.shared_with_classifier", "finetuning.example",
        "finetuning.blank_lines",
        "strategies.accumulation", "classifier.text", "classifier.max_tokens", "figures.bias", "quality.splitter",
        "quality.score", "neurons.activation", "neurons.difference", "neurons.reference", "neurons.small_sample",
    } <= different  # fmt: skip
