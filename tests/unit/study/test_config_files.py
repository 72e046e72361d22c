"""Config files as the user wrote them: lines of keys, invalid YAML, keys that are set twice."""

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.execution.before import check_config_files
from bias_amplification.study import check_paths, read_study
from bias_amplification.study.config_files import ConfigFiles, with_types
from helpers import ROOT

BASE = """\
# A comment
name: one
corpus:
  labels: [left, right]
  press:
    events: 60
rounds:
  - {name: a, strategy: synthetic}
  - name: a.b
    decoding:
      method: beam
"""

OVERLAY = """\
corpus: {press: {events: 70}}
rounds:
  - name: a.b
    models:
      - source: hub
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a file into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: str | bytes) -> Path:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return Path(name)

    return write_file


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("name",), "base.yaml, line 2: "),
        (("corpus", "labels"), "base.yaml, line 4: "),
        (("corpus", "labels", 1), "base.yaml, line 4: "),
        (("corpus", "press", "events"), "over.yaml, line 1: "),
        # Missing keys: the map in which they belong, of the file that wins.
        (("corpus", "path"), "over.yaml, line 1: "),
        (("rounds", 0, "seed_set"), "over.yaml, line 3: "),
        # A list replaces the earlier list as a whole.
        (("rounds", 0, "strategy"), "over.yaml, line 3: "),
        (("rounds", 0, "models", 0, "source"), "over.yaml, line 5: "),
        (("finetuning",), ""),
        ((), ""),
    ],
)
def test_the_place_of_a_key_is_in_the_file_that_wins(write: Callable[..., Path], key: tuple, place: str) -> None:
    files = ConfigFiles([write("base.yaml", BASE), write("over.yaml", OVERLAY)])

    assert files.place(key) == place


@pytest.mark.parametrize(
    ("sentence", "place"),
    [
        ("corpus.press.events is 3, but", "base.yaml, line 6: "),
        ("corpus.path is missing for corpus.source table", "base.yaml, line 3: "),
        ("rounds a: strategy is 'x'", "base.yaml, line 8: "),
        ("rounds a.b: decoding has", "base.yaml, line 10: "),
        ("rounds a.b: models.3.path is x, which does not exist", "base.yaml, line 9: "),
        ("rounds.1.decoding.method is", "base.yaml, line 11: "),
        ("rounds has the same name twice: rename one", "base.yaml, line 7: "),
        ("config key corpus.press.events: too few", "base.yaml, line 6: "),
        ("the name of something else", ""),
        ("", ""),
    ],
)
def test_the_place_of_a_sentence_is_that_of_its_key(write: Callable[..., Path], sentence: str, place: str) -> None:
    assert ConfigFiles([write("base.yaml", BASE)]).place_of(sentence) == place


def test_a_value_of_the_command_line_has_no_place(write: Callable[..., Path]) -> None:
    files = ConfigFiles([write("base.yaml", BASE)], {"corpus": {"press": {"events": 3}}, "name": "two"})

    assert files.place(("name",)) == ""
    assert files.place(("corpus", "press", "events")) == ""
    assert files.place(("corpus", "labels")) == "base.yaml, line 4: "


def test_merged_and_repeated_maps_are_found(write: Callable[..., Path]) -> None:
    text = "x: &x\n  a: 1\n  b: 2\ny:\n  <<: *x\n  b: 3\nz: &z [*z]\n"
    files = ConfigFiles([write("base.yaml", text)])

    assert files.place(("y", "a")) == "base.yaml, line 2: "
    assert files.place(("y", "b")) == "base.yaml, line 6: "
    assert files.place(("z", 0, 0, 0)) == "base.yaml, line 7: "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("corpus:\n\tsource: press\n", "x.yaml, line 2: a tab is used for indentation: use spaces."),
        ('a: 1\nb: "C:\\data"\n', "x.yaml, line 2: a backslash in double quotes begins an escape sequence"),
        ('a: 1\nb: "C:\\Users"\n', "x.yaml, line 2: a backslash in double quotes begins an escape sequence"),
        ("- a: 1\n", "x.yaml, line 1: the file is a list, but must have keys"),
        ("\nseed:3\n", "x.yaml, line 2: the file is text, but must have keys, such as `seed: 42`: write a space after"),
        ("", "x.yaml has no keys: write at least one, such as `seed: 42`, or leave the file out."),
        ("# seed: 3\n", "x.yaml has no keys"),
        (b"a: 1\nb: \xe9\n", "x.yaml, line 2: the file is not UTF-8: save it as UTF-8."),
        ("a: {x: 1}\nb: 1\na: {y: 2}\n", "x.yaml, line 3: a is set here and on line 1, and only one of them would"),
        ("a:\n  - b: 1\n    c: 2\n    b: 3\n", "x.yaml, line 4: a.0.b is set here and on line 2"),
        ("a: {x: 1, x: 2}\n", "x.yaml, line 1: a.x is set twice on this line"),
        ("a:\n  epochs:3\n  size: 2\n", "x.yaml, line 3: a colon is not possible here: write a space after the colon"),
        ("a: 'x\nb: 2\n", "x.yaml, line 1: a quote or a bracket is not closed"),
        ("a: [1, 2\nb: 3\n", "x.yaml, line 2: a comma or a closing bracket is missing"),
        ("a:\n   b: 1\n  c: 2\n", "x.yaml, line 3: the indentation or the brackets fit no line above"),
        ("a: 1\n---\nb: 2\n", "x.yaml, line 2: a second document begins here"),
        ("a: *x\n", "x.yaml, line 1: the value begins with *"),
        ("a: !x 3\n", "x.yaml, line 1: the value begins with !"),
        ("a: 10\nb: %5\n", "x.yaml, line 2: the value begins with a character that has a meaning in YAML"),
        ("a: 1\nb: 2024-13-45\n", "x.yaml, line 2: '2024-13-45' is no possible date or number: put it in quotes."),
        ("a: 1\nb: \x01\n", "x.yaml, line 2: the file has a control character: remove it."),
        ("a:\n  b: 010\n", "x.yaml, line 2: a.b is 010, which YAML reads as 8: write 10, or put it in quotes if it is"),
        ("a: [1, -030]\n", "x.yaml, line 1: a.1 is -030, which YAML reads as -24: write -30, or put it in quotes"),
        ("a: 1:30\n", "x.yaml, line 1: a is 1:30, which YAML reads as 90: write it without colons, or put it in"),
        ("a: 1:30.5\n", "x.yaml, line 1: a is 1:30.5, which YAML reads as 90.5: write it without colons, or put it"),
        ("a: {010: x}\n", "x.yaml, line 1: a key of a is 010, which YAML reads as 8: write 10, or put it in quotes"),
        (
            '{\n\t"a": {"b": 1,\n\t"b": 2}}',
            "x.yaml: b is set 2 times in the same map, and only one of them would count",
        ),
        ("? [1]\n: 2\n", "x.yaml, line 1: the key is a list or a map"),
        ("a: " + "[" * 1000 + "]" * 1000, "x.yaml has lists or maps that are nested too deeply"),
    ],
)
def test_an_invalid_file_is_told_with_its_line(write: Callable[..., Path], content: str | bytes, message: str) -> None:
    file = write("x.yaml", content)

    with pytest.raises(StudyError) as caught:
        ConfigFiles([file])

    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfseed: 3\n", b'{\n\t"seed": 3}', b"---\nseed: 3\n...\n"])
def test_files_that_snakemake_can_read_are_accepted(write: Callable[..., Path], content: bytes) -> None:
    from snakemake.common.configfile import load_configfile

    file = write("x.yaml", content)

    ConfigFiles([file])
    assert load_configfile(file) == {"seed": 3}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--configfile", "bad.yaml"],
        ["--cores", "2", "--configfiles", "good.yaml", "bad.yaml", "--config", "a=b"],
        ["--configfile=bad.yaml", "-n"],
    ],
)
def test_the_files_among_snakemakes_arguments_are_checked(write: Callable[..., Path], arguments: list[str]) -> None:
    write("good.yaml", "a: 1\n")
    write("bad.yaml", "a:\n\tb: 1\n")

    with pytest.raises(SystemExit) as end:
        check_config_files(arguments)

    assert end.value.code == "bad.yaml, line 2: a tab is used for indentation: use spaces."


def test_numbers_that_yaml_reads_as_decimal_are_accepted(write: Callable[..., Path]) -> None:
    ConfigFiles([write("x.yaml", "a: [0, 10, 0.5, 1_000, 0x10, -0.0, '010', \"1:30\", 2020-01-01, 00:a]\n")])


def test_a_file_without_permission_to_read_is_told(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write("mine.yaml", "a: 1\n")

    # The tests may run as root, who can read every file.
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SystemExit) as end:
        check_config_files(["--configfile", "mine.yaml"])

    assert end.value.code == "mine.yaml cannot be read (Permission denied): change its access rights."


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_a_target_or_a_missing_file_after_the_config_files_is_told(write: Callable[..., Path], name: str) -> None:
    write("good.yaml", "a: 1\n")

    with pytest.raises(SystemExit) as end:
        check_config_files(["--configfile", "good.yaml", name])

    assert str(end.value.code).startswith(f"{name} stands after --configfile, but is no file: correct the path.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--configfile"],
        ["--config", "bad.yaml"],
        ["--configfile", "good.yaml", "--", "bad.yaml"],
        ["bad.yaml", "--unknown", "--configfile", "good.yaml"],
    ],
)
def test_other_arguments_are_left_to_snakemake(write: Callable[..., Path], arguments: list[str]) -> None:
    write("good.yaml", "a: 1\n")
    write("bad.yaml", "a:\n\tb: 1\n")

    check_config_files(arguments)


def test_a_pipe_is_left_to_snakemake(write: Callable[..., Path]) -> None:
    """It can be read only once."""
    os.mkfifo("pipe.yaml")

    assert ConfigFiles(["pipe.yaml"]).place(("a",)) == ""


def test_the_checks_of_the_embedded_study_take_less_than_a_second_of_a_core(shipped: Callable[..., dict]) -> None:
    config = json.loads(json.dumps(shipped()))
    start = time.process_time()

    files = ConfigFiles([ROOT / "config" / "config.yaml"])
    check_paths(read_study(config, files))

    assert time.process_time() - start < 1


def test_texts_of_the_command_line_get_their_types():
    given = {
        "number": "5",
        "share": "0.5",
        "on": "true",
        "none": "null",
        "name": "same",
        "list": ["1", "a: {", "010", "1:30"],
    }

    read = with_types(given | {"day": "2020-01-01", "inner": {"n": "1.0e-4"}, "kept": 3})

    assert read == {
        "number": 5,
        "share": 0.5,
        "on": True,
        "none": None,
        "name": "same",
        "list": [1, "a: {", "010", "1:30"],
    } | {
        "day": "2020-01-01",
        "inner": {"n": 1.0e-4},
        "kept": 3,
    }
