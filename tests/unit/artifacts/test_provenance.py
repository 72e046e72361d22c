"""Metadata of files and checks of their checksums."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import bias_amplification
from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.provenance import check_made_here, checksum, write_metadata

PACKAGE = Path(bias_amplification.__file__).parent

WEIGHTS = ["model.safetensors"]


def test_metadata_has_the_facts_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIAS_AMPLIFICATION_COMMIT", "abc")

    write_metadata(tmp_path / "metadata.json", seed=5, training={"steps": 2})

    found = json.loads((tmp_path / "metadata.json").read_text())
    assert (found["seed"], found["training"], found["commit"]) == (5, {"steps": 2}, "abc")
    assert found["libraries"]["pyarrow"] == pa.__version__
    kib = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    assert found["peak_memory_mb"] == pytest.approx(kib * 1024 / 1e6, rel=0.01)
    assert {"finished", "host", "python", "cpu_seconds"} <= found.keys()
    write_metadata(tmp_path / "metadata.json", earlier_cpu_seconds=1e6)
    assert json.loads((tmp_path / "metadata.json").read_text())["cpu_seconds"] >= 1e6 + found["cpu_seconds"]


def test_commit_says_whether_the_code_was_changed(tmp_path: Path) -> None:
    code = tmp_path / "code" / "bias_amplification"
    shutil.copytree(PACKAGE / "artifacts", code / "artifacts", ignore=shutil.ignore_patterns("__pycache__"))
    # Empty, so that the processes below start without pyarrow.
    for package in (code, code / "artifacts"):
        (package / "__init__.py").write_text("", encoding="utf-8")
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: str) -> str:
        return subprocess.run(
            command, cwd=code.parent, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        return run("git", *identity, *arguments)

    def commit() -> str:
        return run(sys.executable, "-c", "from bias_amplification.artifacts import provenance as p; print(p.commit())")

    outside = commit()
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("tag", "v1")
    clean = commit()
    (code / "__init__.py").write_text("changed = True\n", encoding="utf-8")
    changed = commit()
    # As an installed copy in the repository of another project.
    git("rm", "-r", "-q", "--cached", ".")
    untracked = commit()

    head = git("rev-parse", "HEAD")
    assert (outside, clean, changed, untracked) == ("None", head, f"{head}+changes", "None")


def test_weights_are_compared_with_their_metadata(tmp_path: Path) -> None:
    folders = [tmp_path / "rounds" / name / "generation_02" for name in "ab"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(folder.parent.name.encode() * 1000)
        write_metadata(
            folder / "metadata.json", checksums={"model.safetensors": checksum(folder / "model.safetensors")}
        )
        check_made_here(folder, WEIGHTS)

    shutil.copy(folders[0] / "model.safetensors", folders[1])
    with pytest.raises(StudyError, match=r"model\.safetensors does not have the checksum recorded in .*metadata\.json"):
        check_made_here(folders[1], WEIGHTS)
    shutil.copy(folders[0] / "metadata.json", folders[1])
    with pytest.raises(StudyError, match=r"was made as rounds/a/generation_02/metadata\.json"):
        check_made_here(folders[1], WEIGHTS)
    (folders[0] / "metadata.json").write_text("{}")
    with pytest.raises(StudyError, match="is damaged"):
        check_made_here(folders[0], WEIGHTS)
