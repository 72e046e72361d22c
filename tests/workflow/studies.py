"""Small studies in folders of their own, and Snakemake runs in them."""

import base64
import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from bias_amplification.execution.tasks import QUIET
from bias_amplification.execution.warm import LATER, PRELOAD
from helpers import ROOT, checksums, link_project, wait_until

TINY = Path(__file__).with_name("tiny.yaml")
SHORT = TINY.with_name("short.yaml")
#: Cores of a study, at least one: the test processes share the machine's.
CORES = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))


class Run(NamedTuple):
    """A run of Snakemake that has ended."""

    status: int
    output: str


@dataclass
class Study:
    """A folder with the project's files, in which Snakemake runs."""

    folder: Path
    targets: ClassVar[tuple[str, ...]] = ()

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def configs(self) -> list[Path]:
        return [TINY]

    @property
    def background_output(self) -> Path:
        """The output of a run that `start` has started."""
        return self.folder.with_name(f"{self.folder.name}_background.txt")

    @contextmanager
    def start(
        self,
        *arguments: str,
        targets: Sequence[str] | None = None,
        configs: Sequence[Path] | None = None,
        cores: int = CORES,
        preload: bool = True,
        output: Path | None = None,
    ) -> Iterator[subprocess.Popen]:
        """Start Snakemake as a user would, in a process group of its own, and kill the group at the end.

        Parameters
        ----------
        arguments
            Options of Snakemake.
        targets, configs
            In place of the study's own.
        cores
            CPU cores for Snakemake.
        preload
            Whether the warm process is forked from one that has loaded its libraries. Otherwise Snakemake's first job
            starts it, as in a user's run.
        output
            File for Snakemake's output; by default `background_output`.
        """
        command = [sys.executable, "-m", "snakemake", *self._arguments(arguments, targets, configs), *limits(cores)]
        with (output or self.background_output).open("w", encoding="utf-8") as file:
            process = subprocess.Popen(command, cwd=self.folder, stdout=file, stderr=file, start_new_session=True)
        try:
            if preload:
                _request("warm", str(process.pid))
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(
        self,
        *arguments: str,
        targets: Sequence[str] | None = None,
        configs: Sequence[Path] | None = None,
        cores: int = CORES,
        preload: bool = True,
    ) -> Run:
        """Run Snakemake to its end; the options are those of `start`.

        With `preload`, Snakemake too is forked from a process that has loaded it.
        """
        output = self.folder.with_name(f"{self.folder.name}_output.txt")
        options = {"targets": targets, "configs": configs}
        if preload:
            given = (*self._arguments(arguments, **options), *limits(cores))
            status = _request("study", str(self.folder), str(output), *given)
        else:
            with self.start(*arguments, **options, cores=cores, preload=False, output=output) as process:
                status = process.wait(900)
        return Run(status, output.read_text(encoding="utf-8"))

    def finish(self, *arguments: str, **options) -> str:
        """Run Snakemake, check that it succeeds, and return its output."""
        run = self.run(*arguments, **options)
        assert run.status == 0, run.output
        return run.output

    def query(
        self, *arguments: str, targets: Sequence[str] | None = None, configs: Sequence[Path] | None = None
    ) -> str:
        """Run Snakemake with options that start no job, such as --dry-run, and return its output.

        It runs in a fork of a process that has loaded Snakemake, which halves its time.
        """
        output = self.folder.with_name(f"{self.folder.name}_query.txt")
        given = (*self._arguments(arguments, targets, configs), *limits(CORES))
        status = _request("snakemake", str(self.folder), str(output), *given)
        text = output.read_text(encoding="utf-8")
        assert status == 0, text
        return text

    def unlock(self) -> None:
        """Remove the lock that a killed Snakemake has left."""
        self.query("--unlock")

    def _arguments(
        self, arguments: Sequence[str], targets: Sequence[str] | None, configs: Sequence[Path] | None
    ) -> list[str]:
        files = [str(path) for path in (self.configs if configs is None else configs)]
        return [
            *(self.targets if targets is None else targets), *arguments, *(["--configfile", *files] if files else []),
        ]  # fmt: skip

    def times(self) -> dict[str, int]:
        """Return the modification time of every result, by path below the results."""
        return {
            str(path.relative_to(self.results)): path.stat().st_mtime_ns
            for path in self.results.rglob("*")
            if path.is_file() and "logs" not in path.parts
        }

    def remade(self, *arguments: str, **options) -> set[str]:
        """Run Snakemake and return the results that it made."""
        before = self.times()
        self.finish(*arguments, **options)
        return {name for name, time in self.times().items() if before.get(name) != time}

    def checksums(self, pattern: str = "**/*.parquet") -> dict[str, str]:
        """Return the checksum of every result that matches a pattern, by path below the results."""
        return checksums(self.results.glob(pattern), self.results)

    def final(self) -> dict[str, str]:
        """Return the checksums of all tables and weights. They are the same in every run; metadata contain times."""
        return {**self.checksums(), **self.checksums("**/*.safetensors")}

    def log(self, job: str) -> Path:
        return self.results / "logs" / f"{job}.log"


class ShortStudy(Study):
    """Two rounds of two generations, up to the table of all measures. State is saved after every training step."""

    targets: ClassVar[tuple[str, ...]] = ("chain", "measures")

    @property
    def configs(self) -> list[Path]:
        return [TINY, SHORT, *sorted(self.folder.glob("*.yaml"))]

    def unfinished(self) -> set[str]:
        """Return the results, by path below the results, of jobs whose end Snakemake did not see."""
        marks = self.folder / ".snakemake" / "incomplete"
        # The path of a mark is the result's path in base64. Long ones are cut into folders whose names begin with @.
        marked = [path.relative_to(marks).parts for path in marks.rglob("*") if path.is_file()]
        names = ["".join(part.removeprefix("@") for part in parts) for parts in marked]
        return {str(Path(base64.urlsafe_b64decode(name).decode()).relative_to("results")) for name in names}

    def finished_jobs(self) -> int:
        """Return how many jobs the run that `start` has started reports as finished."""
        output = self.background_output.read_text(encoding="utf-8")
        return max(map(int, re.findall(r"^\d\d:\d\d:\d\d +(\d+)/\d+ ", output, re.MULTILINE)), default=0)

    def wait_for_job(self, job: str, process: subprocess.Popen) -> None:
        """Wait until a job of a running Snakemake writes its log; the log must not exist before."""
        try:
            wait_until(self.log(job).exists, process, 120)
        except AssertionError as error:
            raise AssertionError(self.background_output.read_text(encoding="utf-8")[-3000:]) from error


def limits(cores: int) -> tuple[str, ...]:
    """Return the options of Snakemake that limit what its jobs use at once."""
    return "--cores", str(cores), "--resources", "gpu=1"


def make_study(folder: Path) -> Study:
    """Make a folder with links to the project's files."""
    return Study(link_project(folder))


def _request(*request: str) -> int:
    """Send a request to the preloaded process of this test process, and return the exit status."""
    process = _preloaded_process()
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, "the preloaded process has ended"
    return int(answer)


@functools.cache
def _preloaded_process() -> subprocess.Popen:
    """Start a process that has loaded the libraries. It ends with this process, when its input does."""
    script = Path(__file__).with_name("preloaded.py")
    modules = (*PRELOAD, *LATER, "snakemake.cli", "bias_amplification.execution.workflow")
    return subprocess.Popen(
        [sys.executable, str(script), *modules],
        env=os.environ | QUIET | {"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
