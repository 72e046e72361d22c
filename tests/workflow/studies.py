"""A place to run small studies in: the project's files by link, results and Snakemake's memory of their own."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
SHORT = TINY.with_name("short.yaml")


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


class Short(Study):
    """A study of two rounds of two generations, up to the table of all measures; state is saved after every step."""

    @property
    def configs(self) -> list[Path]:
        return [TINY, SHORT, *self.folder.glob("*.yaml")]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.snakemake("chain", "measures", *arguments, configs=self.configs)

    def complete(self, *arguments: str) -> str:
        return self.finish("chain", "measures", *arguments, configs=self.configs)

    def resume(self) -> None:
        """What the README tells to do after a kill of Snakemake."""
        self.finish("--unlock", configs=self.configs)
        self.complete()

    def unfinished(self) -> set[str]:
        """Results that Snakemake began and did not see the end of, by path below the results."""
        marks = self.folder / ".snakemake" / "incomplete"
        # A mark's path is the result's, in base64; long ones are cut into folders whose names begin with @.
        marked = [path.relative_to(marks).parts for path in marks.rglob("*") if path.is_file()]
        names = ["".join(part.removeprefix("@") for part in parts) for parts in marked]
        return {str(Path(base64.urlsafe_b64decode(name).decode()).relative_to("results")) for name in names}

    def final(self) -> dict[str, str]:
        """Checksums of everything that must be the same in every run; metadata tell times."""
        return {**self.checksums(), **self.checksums("**/*.safetensors")}


@contextmanager
def head(study: Short, *arguments: str) -> Iterator[subprocess.Popen]:
    """Snakemake in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", *(arguments or ("chain", "measures"))]
    command += ["--cores", "2", "--resources", "gpu=1"]
    with (study.folder / "head.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--configfile", *map(str, study.configs)],
            cwd=study.folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(look: Callable[[], bool], process: subprocess.Popen | None = None, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert (process is None or process.poll() is None) and time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(study: Short, words: str, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while words not in (study.folder / "head.log").read_text():
        assert process.poll() is None and time.monotonic() < deadline, (study.folder / "head.log").read_text()[-3000:]
        time.sleep(0.05)
