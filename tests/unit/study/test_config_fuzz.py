"""Configs with one random fault: each is a valid study, or gives a sentence that names the key.

`CONFIG_FAULTS=20000 pytest tests/unit/study/test_config_fuzz.py` tries more of them.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Plan, Study, check_paths, read_study
from bias_amplification.study.config_files import ConfigFiles
from helpers import ROOT

COUNT = int(os.environ.get("CONFIG_FAULTS", "500"))

#: Values that stand where another was, of every type that YAML has, and at the edges of ranges.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 10**30, -(10**30), 0.5, -0.5, 1e-320, float("inf"), float("nan"),
    "", " ", "x", "Left", "10%", "5e-5", "1,5", "42", "12.0", "true", "off", "null", "~", "~/x", "~nobody-here/x", "/",
    ".", "..", "a:b", "epochs:3", "{x}", "a\nb", "\0", "صورة", "🏔", "x" * 5000, "auto", "all", "gpu", "greedy",
    [], [[]], [None], ["x"], [1, 2], [{}], [{"name": "x"}], {}, {"x": 1}, {"name": "x"}, {1: 2}, {None: None}, {"": {}},
    {"x": {"y": {"z": [1]}}}, date(2026, 11, 27), b"bytes", {date(2026, 1, 1): True},
)  # fmt: skip

#: Words of pydantic and of Python that say nothing to the author of a config.
FOREIGN = re.compile(r"instance of|valid dictionary|Input should|type=|Value error|Field required|\[key\]|Traceback")


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every key and row of a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        yield (*path, part)
        yield from places(item, (*path, part))


def mutate(config: dict, dice: random.Random) -> tuple[dict, tuple]:
    """Return a copy of a config with one fault, and the path of the fault."""
    config = deepcopy(config)
    path = dice.choice(list(places(config)))
    parent: Any = config
    for part in path[:-1]:
        parent = parent[part]
    last, value = path[-1], parent[path[-1]]
    match dice.choice(["delete", "misspell", "replace", "replace", "replace", "repeat", "nest", "unfold", "grow"]):
        case "delete":
            del parent[last]
        case "misspell" if isinstance(parent, dict):
            letters = list(str(last))
            place = dice.randrange(len(letters))
            letters[place] = dice.choice(["", "x", letters[place] * 2, letters[place].upper()])
            parent["".join(letters)] = parent.pop(last)
        case "repeat" if isinstance(parent, list):
            parent.insert(last, deepcopy(value))
        case "nest":
            parent[last] = dice.choice([{last: value}, [value], {"value": value}])
        case "unfold" if isinstance(value, dict | list) and value:
            parent[last] = dice.choice(list(value.values() if isinstance(value, dict) else value))
        case "grow" if isinstance(value, int | float):
            parent[last] = value * dice.choice([-1, 0, 0.5, 3, 10**6])
        case _:
            parent[last] = deepcopy(dice.choice(VALUES))
    return config, path


@pytest.mark.parametrize("names", [(), ("paper",)], ids=["config", "paper"])
def test_a_fault_is_a_sentence_that_names_its_key(shipped: Callable[..., dict], names: tuple[str, ...]) -> None:
    dice = random.Random(20261127)
    config = shipped(*names)
    refused = 0
    for _ in range(COUNT // 2):
        changed, path = mutate(config, dice)
        try:
            study = read_study(changed)
            check_paths(study)
        except StudyError as fault:
            message = str(fault)
            keys = [part for part in path if isinstance(part, str)]
            assert any(key in message for key in keys[-2:]), (path, message)
            assert not FOREIGN.search(message), message
            assert message.endswith("."), message
            refused += 1
        else:
            assert isinstance(study, Study)
            assert Plan(study).measured
    assert COUNT * 0.2 < refused < COUNT * 0.5


def test_a_file_that_is_accepted_can_be_loaded(tmp_path: Path) -> None:
    """A line or a character too many or too few: the file is refused with its line, or Snakemake can load it."""
    from snakemake.common.configfile import load_configfile

    dice = random.Random(20261128)
    text = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
    # A part of the file, so that many faults can be tried.
    text = text[text.index("corpus:") : text.index("# With this learning rate")]
    file = tmp_path / "mine.yaml"
    refused = 0
    for _ in range(COUNT // 10):
        lines = text.splitlines(keepends=True)
        line = dice.randrange(len(lines))
        place = dice.randrange(len(lines[line]))
        lines[line] = dice.choice(
            [
                "",
                lines[line] * 2,
                lines[line][:place] + lines[line][place + 1 :],
                lines[line][:place] + dice.choice("\t :-{}[]'\"\\%@*&!#,|>?`é\x01") + lines[line][place:],
            ]
        )
        file.write_text("".join(lines), encoding="utf-8")
        try:
            ConfigFiles([file])
        except StudyError as fault:
            assert re.match(rf"{re.escape(os.path.relpath(file))}|{re.escape(str(file))}", str(fault))
            assert re.search(r", line \d+: ", str(fault)), fault
            refused += 1
        else:
            assert isinstance(load_configfile(file), dict)
    assert COUNT // 10 > refused > COUNT // 100
    assert isinstance(yaml.safe_load(text), dict)
