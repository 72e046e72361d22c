"""The command bias-amplification."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bias_amplification import ROOT, __version__, command


def write_p_values(path: Path, small: set[int]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["layer", "neuron", "p"])
        rows.writerows([layer, neuron, 0.001 if neuron in small else 0.5] for layer in (0, 1) for neuron in range(20))
    return path


def test_p_values_are_compared_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bias, quality = write_p_values(tmp_path / "bias.csv", {1, 2}), write_p_values(tmp_path / "quality.csv", {2, 3, 4})

    status = command.main(["p-values", str(bias), str(quality)])

    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert status == 0
    assert (printed["layer"], printed["bias"], printed["quality"], printed["both"]) == ("all", "4", "6", "2")


def test_p_values_of_each_layer_are_written(tmp_path: Path) -> None:
    bias, out = write_p_values(tmp_path / "bias.csv", {1, 2}), tmp_path / "out.csv"

    status = command.main(["p-values", str(bias), str(bias), "--alpha", "0.0001", "--out", str(out)])

    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert status == 0
    assert [(row["layer"], row["bias"]) for row in rows] == [("all", "0"), ("0", "0"), ("1", "0")]


def test_an_unreadable_file_is_one_sentence_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    status = command.main(["p-values", str(tmp_path / "none.csv"), str(tmp_path / "none.csv")])

    printed = capsys.readouterr()
    assert status == 1
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert str(tmp_path / "none.csv") in printed.err


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bias = write_p_values(tmp_path / "bias.csv", {1, 2})

    status = command.main(["p-values", str(bias), str(bias), "--out", str(bias / "out.csv")])

    assert status == 1
    assert capsys.readouterr().err.startswith(f"{bias / 'out.csv'} (--out) cannot be written")


@pytest.mark.parametrize("level", ["0", "2", "-1", "nan", "inf"])
def test_a_level_lies_between_0_and_1(level: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bias, out = write_p_values(tmp_path / "bias.csv", {1, 2}), tmp_path / "out.csv"

    status = command.main(["p-values", str(bias), str(bias), "--alpha", level, "--out", str(out)])

    assert status == 1 and not out.exists()
    message = f"alpha is {level}, which is no level of a test: give a number between 0 and 1.\n"
    assert capsys.readouterr() == ("", message)


def test_the_folder_of_the_output_is_made(tmp_path: Path) -> None:
    bias, out = write_p_values(tmp_path / "bias.csv", {1, 2}), tmp_path / "new" / "folder" / "out.csv"

    assert command.main(["p-values", str(bias), str(bias), "--out", str(out)]) == 0

    assert len(out.read_text(encoding="utf-8").splitlines()) == 4


def test_the_output_does_not_replace_what_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bias, quality = write_p_values(tmp_path / "bias.csv", {1}), write_p_values(tmp_path / "quality.csv", {2})
    content = quality.read_bytes()

    status = command.main(["p-values", str(bias), str(quality), "--out", str(quality)])

    assert status == 1 and quality.read_bytes() == content
    assert capsys.readouterr().err == f"{quality} (--out) is one of the files to compare: give another path.\n"


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    bias = write_p_values(tmp_path / "bias.csv", {1, 2})
    end, start = os.pipe()
    os.close(end)

    run = [sys.executable, "-m", "bias_amplification.command", "p-values", str(bias), str(bias)]
    path = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(run, stdout=start, stderr=subprocess.PIPE, env=path, check=False)
    os.close(start)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the commands that would take the place of this process."""
    commands: list[list[str]] = []

    def execute(program: str, arguments: list[str]) -> None:
        commands.append(arguments)
        raise SystemExit

    monkeypatch.setattr(os, "execv", execute)
    return commands


def test_study_becomes_snakemake_with_its_arguments(called: list[list[str]]) -> None:
    with pytest.raises(SystemExit):
        command.main(["study", "--cores", "2", "--help"])

    assert called[0][1:] == [
        "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"),
        "--workflow-profile", str(ROOT / "profiles" / "default"), "--cores", "2", "--help",
    ]  # fmt: skip


def test_a_workflow_profile_of_the_user_takes_the_place_of_the_default(called: list[list[str]]) -> None:
    with pytest.raises(SystemExit):
        command.main(["study", "--workflow-profile=mine"])

    assert called[0][3:] == ["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--workflow-profile=mine"]


def test_an_invalid_config_file_is_told_before_snakemake_starts(called: list[list[str]], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("corpus:\n\tsource: press\n", encoding="utf-8")

    with pytest.raises(SystemExit) as end:
        command.main(["study", "--cores", "2", "--configfile", str(file)])

    assert end.value.code == f"{file}, line 2: a tab is used for indentation: use spaces."
    assert called == []


def test_the_version_is_printed(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["--version"])

    assert end.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"
