"""The steps of docs/extending.md, in a copy of the project: what they add is used, and the page must be right."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace

import pytest
import yaml
from jsonschema import Draft202012Validator

from helpers import ROOT, merge

PAGE = ROOT / "docs" / "extending.md"

pytestmark = pytest.mark.slow


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield the paragraph before each block of code in one line, the block's language, and the code."""
    for found in re.finditer(r"((?:^(?!```)[^\n]+\n)+)\n```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield " ".join(found[1].split()), found[2], found[3]


def place(root: Path, sentence: str, code: str) -> None:
    """Put code where the sentence before it says."""
    if found := re.search(r"A new file `(\S+)`:$", sentence):
        assert not (root / found[1]).exists()
        (root / found[1]).write_text(code, encoding="utf-8")
    elif found := re.search(r"At the end of `(\w+)` in `(\S+)`:$", sentence):
        file = root / found[2]
        file.write_text(inserted(file.read_text(encoding="utf-8"), found[1], code), encoding="utf-8")
    elif found := re.search(r"At the end of `(\S+)`:$", sentence):
        with (root / found[1]).open("r+", encoding="utf-8") as file:
            file.read()
            file.write(f"\n\n{code}")
    else:
        raise AssertionError(f"the page does not say where this goes: {sentence}")


def inserted(source: str, name: str, code: str) -> str:
    """Insert code at the end of a class, or before the closing bracket of a value."""
    [found] = [node for node in ast.parse(source).body if name in names(node)]
    lines = source.splitlines(keepends=True)
    before, last, after = lines[: found.end_lineno - 1], lines[found.end_lineno - 1], lines[found.end_lineno :]
    if isinstance(found, ast.ClassDef):
        return "".join([*before, last, indent(code, "    "), *after])
    value, bracket = "".join([*before, last.rstrip()[:-1]]).rstrip(), last.rstrip()[-1]
    comma = "" if value.endswith((",", *"([{")) else ","
    return f"{value}{comma}\n{indent(code, '    ')}{bracket}\n{''.join(after)}"


def names(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {target.id for target in targets if isinstance(target, ast.Name)} | {getattr(node, "name", None)}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Follow the page in a copy of the project, and return the copy and what its extensions make."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("src", "config", "docs", "workflow"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    configs, places = [], []
    for sentence, language, code in blocks(PAGE.read_text(encoding="utf-8")):
        if language == "python":
            place(root, sentence, code)
            places.append(sentence)
        elif language == "yaml":
            configs.append(yaml.safe_load(code))
        else:
            assert code == "make format\nmake docs\nmake check\n"
    [recipe] = re.findall(r"^docs: .*\n\t.* -m (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", recipe], cwd=root, env=environment, check=True)
    study = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    study["rounds"] = [r for config in configs for r in config.get("rounds", [])]
    study = merge(study, {key: part for config in configs for key, part in config.items() if key == "strategies"})
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("extended.py"), json.dumps(study)],
        cwd=tmp_path_factory.mktemp("results"), env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return SimpleNamespace(root=root, configs=configs, places=places, **json.loads(run.stdout.splitlines()[-1]))


def test_the_page_has_the_examples_that_are_used_here(extended: SimpleNamespace) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert len(extended.places) + len(extended.configs) + 1 == page.count("```") // 2
    assert len(extended.places) == 8


def test_the_schema_and_the_lists_have_the_strategies_and_the_source(extended: SimpleNamespace) -> None:
    schema = yaml.safe_load((extended.root / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)

    assert len(extended.configs) == 3
    for config in extended.configs:
        assert [error.message for error in validator.iter_errors(config)] == []
    assert not validator.is_valid({"rounds": [extended.configs[0]["rounds"][0] | {"strategy": "shortest"}]})
    of_rounds = schema["$defs"]["Round"]["properties"]["strategy"]
    assert "`shortest_half`: The shortest half of what the previous generation wrote." in of_rounds["description"]
    option = schema["$defs"]["Strategies"]["properties"]["longest_share"]
    assert option["description"] == "`longest`: share of the synthetic articles that stay, the longest ones."
    manual = (extended.root / "docs/strategies.md").read_text(encoding="utf-8")
    report = (extended.root / "workflow/report/workflow.rst").read_text(encoding="utf-8")
    assert "| `longest` | The longest of what the previous generation wrote. | `longest_share` |  |\n" in manual
    assert "- *shortest_half*: The shortest half of what the previous generation wrote.\n" in report
    keys = (extended.root / "config/README.md").read_text(encoding="utf-8")
    assert "`lines`: a text file with one article in a line: its label, a tab, and its text. |" in keys
    assert re.search(r"^\| `architecture` .*`gemma`, `starcoder2`\.", keys, re.MULTILINE)


def test_the_strategies_choose_texts_that_the_previous_generation_wrote(extended: SimpleNamespace) -> None:
    # By length: d (0), c (1), a (5), e (11), b (14), f (17).
    chosen = {name: [article for _, article in found["texts"]] for name, found in extended.sets.items()}

    assert chosen == {"shortest": ["a", "c", "d"], "longest": ["b", "f"], "longest_quarter": ["b", "f"]}
    assert {origin for found in extended.sets.values() for origin, _ in found["texts"]} == {"generation_00"}
    assert {name for found in extended.sets.values() for name in found["from"]} == {"articles.parquet"}
    options = {name: found["options"] for name, found in extended.sets.items()}
    assert options["shortest"] == {}
    assert (options["longest"], options["longest_quarter"]) == ({"longest_share": 0.4}, {"longest_share": 0.25})


def test_the_measure_is_a_column_with_an_interval_and_a_panel(extended: SimpleNamespace) -> None:
    # Means of the texts' words: 2, 4, 1, 3 and 2; one text has no word. Their standard deviation is the root of 1.3.
    # Student's quantile of 4 is 2.776.
    half_width = 2.7764451 * (1.3 / 5) ** 0.5

    assert extended.measured["columns"] == pytest.approx(
        {"word_length": 2.4, "word_length_low": 2.4 - half_width, "word_length_high": 2.4 + half_width}
    )
    assert extended.measured["panel"] == "Letters per word"
    assert extended.measured["measures"][-1] == "word_length"


def test_the_reader_reads_a_file_and_counts_what_it_loses(extended: SimpleNamespace) -> None:
    rows, lost, splits = extended.lines

    assert rows == [["1", "left", "First text."], ["3", "right", "Second\u2028text."]]
    assert len(lost) == 1 and lost[0].startswith("line without a tab")
    # The articles have no event and no outlet by which they could be split.
    assert splits == []


def test_the_architectures_neurons_are_extracted(extended: SimpleNamespace) -> None:
    assert extended.neurons["number"] == 2 * 16
    # float32 sums in another order.
    assert extended.neurons["found"] == pytest.approx(extended.neurons["expected"], rel=1e-5)
