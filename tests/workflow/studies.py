"""A place to run small studies in: the project's files by link, results and Snakemake's memory of their own."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")


@dataclass
class Study:
    """A working folder with the project's files in it."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def snakemake(
        self, *arguments: str, configs: Sequence[Path] = (TINY,), cores: int = 2
    ) -> subprocess.CompletedProcess:
        """Run Snakemake as a user would, in this folder."""
        command = [sys.executable, "-m", "snakemake"]
        limits = ["--cores", str(cores), "--resources", "gpu=1"]
        return subprocess.run(
            [*command, *arguments, *(["--configfile", *map(str, configs)] if configs else []), *limits],
            cwd=self.folder, capture_output=True, text=True, timeout=900,
        )  # fmt: skip

    def finish(self, *arguments: str, **options) -> str:
        """Run Snakemake and return what it said, failing the test with it if it failed."""
        run = self.snakemake(*arguments, **options)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout + run.stderr

    def times(self) -> dict[str, int]:
        """Modification time of every result, by path below the results."""
        return {
            str(path.relative_to(self.results)): path.stat().st_mtime_ns
            for path in self.results.rglob("*")
            if path.is_file() and "logs" not in path.parts
        }

    def remade(self, *arguments: str) -> set[str]:
        """Run again and return the results that were made again."""
        before = self.times()
        self.finish(*arguments)
        return {name for name, time in self.times().items() if before.get(name) != time}

    def checksums(self, pattern: str = "**/*.parquet") -> dict[str, str]:
        """Checksum of every result of a kind, by path below the results."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.glob(pattern))
            if path.is_file()
        }


def make_study(folder: Path) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs"):
        os.symlink(ROOT / name, folder / name)
    return Study(folder)
