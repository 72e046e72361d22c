"""Mistakes in a config file, told by the bare command `snakemake` before any job."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("corpus:\n\tsource: press\n", "mine.yaml, line 2: a tab is used for indentation: use spaces."),
        ("finetuning: {epochs: 3}\nfinetuning: {batch_size: 4}\n", "mine.yaml, line 2: finetuning is set here and on"),
        (
            "# mine\nfinetuning:\n  epohcs: 3\n",
            "mine.yaml, line 3: finetuning.epohcs is not a key of the config: write",
        ),
        ("- name: mine\n", "mine.yaml, line 1: the file is a list, but must have keys"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(fresh, overlay: str, message: str) -> None:
    (fresh.folder / "mine.yaml").write_text(overlay, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "mine.yaml"]

    # Not forked from the preloaded process, because the profile reads the arguments of the process.
    run = subprocess.run(command, cwd=fresh.folder, capture_output=True, text=True)

    assert run.returncode == 1
    assert [line for line in run.stderr.splitlines() if line.startswith(message)], run.stderr
    assert "Traceback" not in run.stderr
    assert not fresh.results.exists()
