"""Every script of the workflow calls a function of the package with arguments that the function has."""

import ast
import importlib
import inspect
import typing
from pathlib import Path

import pytest

from helpers import ROOT

SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))


def calls(script: Path) -> list[tuple[str, set[str], bool]]:
    """Return the function, the named arguments, and whether there are more, for each `run_job` of a script."""
    found = []
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_job":
            names = {keyword.arg for keyword in node.keywords}
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            found.append((name, names - {None}, None in names))
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_function_exists_and_takes_the_arguments(script: Path) -> None:
    [(name, arguments, more)] = calls(script)
    if not name:
        # The function is a parameter of the rule: test_catalogue checks those.
        assert script.stem == "write_entry"
        return
    module, function = name.split(":")
    called = getattr(importlib.import_module(f"bias_amplification.{module}"), function)

    parameters = inspect.signature(called).parameters
    required = {key for key, parameter in parameters.items() if parameter.default is parameter.empty}

    assert arguments <= set(parameters)
    assert more or required <= arguments
    assert set(parameters) <= set(typing.get_type_hints(called)), "typed_arguments needs a type hint for each parameter"
    assert len(parameters) <= 7


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_unpacks_and_makes_one_call(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 35


def test_every_script_belongs_to_a_rule() -> None:
    rules = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "workflow" / "rules").glob("*.smk"))

    assert [script.name for script in SCRIPTS if f"../scripts/{script.name}" not in rules] == []
