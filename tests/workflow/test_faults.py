"""Faults: whatever happens to processes and files, a rerun ends with the bytes of an undisturbed run."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from studies import ROOT, TINY, Study, make_study

pytestmark = pytest.mark.slow

SHORT = TINY.with_name("short.yaml")
MIDDLE = "rounds/balanced_synthetic/generation_01"


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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Short:
    study = Short(make_study(tmp_path_factory.mktemp("faults") / "undisturbed").folder)
    study.complete()
    return study


@pytest.fixture
def clone(undisturbed: Short) -> Iterator[Short]:
    """A finished study of one's own, with Snakemake's memory of it."""
    folder = undisturbed.folder.with_name("clone")
    shutil.copytree(undisturbed.folder, folder, symlinks=True)
    yield Short(folder)
    shutil.rmtree(folder)


@pytest.fixture
def begun(undisturbed: Short) -> Iterator[Short]:
    """A study of which nothing has run, beside the finished one."""
    yield Short(make_study(undisturbed.folder.with_name("begun")).folder)
    shutil.rmtree(undisturbed.folder.with_name("begun"))


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


def test_killed_at_random_moments(undisturbed, begun):
    moments = random.Random(5)
    for kill in range(20):
        with head(begun) as process:
            # Late enough for some work to be done each time: what was begun before is then found half done.
            try:
                assert process.wait(moments.uniform(3, 9)) == 0, (begun.folder / "head.log").read_text()[-3000:]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        begun.finish("--unlock", configs=begun.configs)
        if kill % 7 == 6:
            # So that the last generations, too, are made under fire.
            shutil.rmtree(begun.results / "rounds/center_preservation/generation_01", ignore_errors=True)

    begun.complete()

    assert begun.final() == undisturbed.final()
    assert not list(begun.results.rglob(".*")), "temporary files are left"
    assert not (begun.results / "state").exists()


@pytest.mark.parametrize(("sent", "group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)])
def test_an_interrupted_study_goes_on_without_further_ado(undisturbed, begun, sent, group):
    with head(begun) as process:
        wait_for(begun, "generation 01: fine-tuning", process)
        # A terminal sends it to all processes, a scheduler to one.
        (os.killpg if group else os.kill)(process.pid, sent)
        assert process.wait(20) != 0
    # What was written in the very moment of the signal may be made again: Snakemake did not see its end.
    unfinished = begun.unfinished()
    done = {name: time for name, time in begun.times().items() if name not in unfinished and "state/" not in name}
    assert any(name.endswith("articles.parquet") for name in done)

    begun.complete()

    assert begun.final() == undisturbed.final()
    after = begun.times()
    assert [name for name in done if done[name] != after[name]] == []


def test_a_job_that_outlives_its_killed_head_damages_nothing(undisturbed, clone):
    (clone.folder / "plain.yaml").write_text("compute: {warm: false}\n", encoding="utf-8")
    (clone.results / "rounds" / "center_preservation" / "generation_00" / "model.safetensors").unlink()
    with head(clone) as process:
        wait_for(clone, "generation 00: fine-tuning", process)
        until(lambda: bool(psutil.Process(process.pid).children(recursive=True)), process)
        jobs = psutil.Process(process.pid).children(recursive=True)
        process.kill()  # the head alone: its jobs live on
        process.wait()
        assert any(alive(job) for job in jobs)
    (clone.folder / "plain.yaml").unlink()

    clone.resume()

    assert clone.final() == undisturbed.final()


def alive(job: psutil.Process) -> bool:
    try:
        return job.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


LONG = "rounds/center_preservation/generation_00"
#: A fine-tuning long enough to be ended in its middle.
LONG_STUDY = "finetuning: {epochs: 150}\n"
TRAINED = ("results", LONG, "model.safetensors")


@pytest.fixture(scope="module")
def long_undisturbed(undisturbed: Short) -> Iterator[str]:
    """Checksum of the weights that a long fine-tuning ends with."""
    folder = undisturbed.folder.with_name("long")
    shutil.copytree(undisturbed.folder, folder, symlinks=True)
    study = Short(folder)
    (folder / "long.yaml").write_text(LONG_STUDY, encoding="utf-8")
    study.finish("/".join(TRAINED), configs=study.configs)
    yield study.checksums(f"{LONG}/model.safetensors")
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("sent", "group", "compute"),
    [
        # A killed job has what was saved on time, one that is asked to end what it saves then.
        (signal.SIGKILL, True, "warm: true, checkpoint_seconds: 0"),
        (signal.SIGKILL, True, "warm: false, checkpoint_seconds: 0"),
        # So is one whose Snakemake alone was killed.
        (signal.SIGKILL, False, "warm: true, checkpoint_seconds: 300"),
        (signal.SIGKILL, False, "warm: false, checkpoint_seconds: 300"),
        (signal.SIGINT, True, "warm: true, checkpoint_seconds: 300"),
        (signal.SIGINT, True, "warm: false, checkpoint_seconds: 300"),
        (signal.SIGINT, False, "warm: false, checkpoint_seconds: 300"),
        (signal.SIGTERM, False, "warm: false, checkpoint_seconds: 300"),
    ],
)
def test_a_training_that_was_ended_goes_on_from_its_saved_state(clone, long_undisturbed, sent, group, compute):
    (clone.folder / "long.yaml").write_text(LONG_STUDY + f"compute: {{{compute}}}\n", encoding="utf-8")
    log = clone.results / "logs" / LONG / "finetune.log"
    log.unlink()
    with head(clone, "/".join(TRAINED)) as process:
        until(lambda: log.exists() and "step " in log.read_text(), process)
        (os.killpg if group else os.kill)(process.pid, sent)
        began = time.monotonic()
        assert process.wait(20) != 0
        took = time.monotonic() - began
    state = clone.results / "state" / LONG / "finetune.safetensors"
    until(state.exists)
    assert took < 12
    if sent == signal.SIGKILL:
        clone.finish("--unlock", configs=clone.configs)

    clone.finish("/".join(TRAINED), configs=clone.configs)

    assert "going on after step " in log.read_text()
    assert clone.checksums(f"{LONG}/model.safetensors") == long_undisturbed
    assert not state.exists()


TWO = """import sys

sys.path.insert(0, f"{workflow.basedir}/src")
import bias_amplification.study

bias_amplification.study.gpus_per_job = lambda device: 1
include: "Snakefile"
"""


def test_two_processes_share_a_training_of_a_study(clone, long_undisturbed):
    # A machine's GPUs are made up; that jobs compute on the CPU makes them talk by gloo.
    (clone.folder / "two.smk").write_text(TWO, encoding="utf-8")
    (clone.folder / "long.yaml").write_text(LONG_STUDY + "compute: {gpus: 2, warm: false}\n", encoding="utf-8")
    log = clone.results / "logs" / LONG / "finetune.log"
    log.unlink()
    arguments = ("/".join(TRAINED), "--snakefile", "two.smk")
    with head(clone, *arguments) as process:
        until(lambda: log.exists() and "step " in log.read_text(), process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) != 0
    assert "Asked to end: state is saved" in log.read_text()

    clone.finish(*arguments, configs=clone.configs)

    assert "going on after step " in log.read_text()
    told = json.loads((clone.results / LONG / "metadata.json").read_text())
    assert told["training"]["processes"] == 2
    # One process's weights but for the order in which gradients are added.
    assert clone.checksums(f"{LONG}/model.safetensors") != long_undisturbed
    losses = pq.read_table(clone.results / LONG / "training_log.parquet")["loss"].to_pylist()
    alone = pq.read_table(clone.folder.with_name("long") / "results" / LONG / "training_log.parquet")["loss"]
    assert losses == pytest.approx(alone.to_pylist(), rel=1e-3)


def test_a_full_disk_is_told_and_nothing_is_lost(undisturbed, begun):
    begun.results.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "none", begun.results]).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        with head(begun) as process:
            wait_for(begun, "generation 00: writing articles", process)
            with (begun.results / "filler").open("wb") as filler:
                while True:
                    try:
                        filler.write(bytes(1 << 20))
                        filler.flush()
                    except OSError:
                        break
            assert process.wait(120) != 0
        said = (begun.folder / "head.log").read_text()
        (begun.results / "filler").unlink()
        done = begun.times()

        begun.complete()

        assert "make room and run snakemake again, nothing finished is lost." in said, said
        assert begun.final() == undisturbed.final()
        after = begun.times()
        whole = [name for name in done if name.startswith(("base/", "corpus/"))]
        assert whole
        assert all(done[name] == after[name] for name in whole)
    finally:
        subprocess.run(["umount", begun.results], check=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    shutil.copyfile(path.parents[2] / "center_preservation" / path.parent.name / path.name, path)


@pytest.mark.parametrize("name", ["articles.parquet", "model.safetensors", "predictions.parquet"])
@pytest.mark.parametrize("damage", [cut, empty, flip, swap])
def test_a_damaged_file_is_named_and_deleting_it_mends_all(undisturbed, clone, name, damage):
    damaged = clone.results / MIDDLE / name
    damage(damaged)

    refused = clone.run()

    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert f"results/{MIDDLE}/{name}" in said
    assert "delete it and run snakemake again" in said
    damaged.unlink()
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_damaged_encoder_is_named_and_deleting_it_mends_all(undisturbed, clone):
    damaged = clone.results / "classifier" / "selected" / "model.safetensors"
    flip(damaged)
    # Snakemake compares what a file is made from by checksum, and would take the damage for news.
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    refused = clone.run()

    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "results/classifier/selected/model.safetensors is not the file that" in said
    assert "delete it and run snakemake again" in said
    damaged.unlink()
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_base_model_of_another_source_takes_the_place_of_the_first(clone):
    weights = load_file(clone.results / "base" / "model.safetensors")
    shutil.copytree(
        clone.results / "base", clone.folder / "model", ignore=shutil.ignore_patterns("generated", "*.parquet")
    )
    name = "transformer.wpe.weight"
    save_file(weights | {name: weights[name] + 0.01}, clone.folder / "model" / "model.safetensors", {"format": "pt"})
    (clone.folder / "model" / "metadata.json").unlink()
    (clone.folder / "folder.yaml").write_text("base_model: {source: folder, path: model}\n", encoding="utf-8")

    clone.finish("results/base/generated/center/articles.parquet", configs=clone.configs)

    told = json.loads((clone.results / "base" / "metadata.json").read_text())
    assert told["source"] == {"folder": "model"}
    assert set(told["checksums"]) == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}


def test_without_snakemakes_memory_nothing_is_made_again(clone):
    shutil.rmtree(clone.folder / ".snakemake")

    assert "Nothing to be done" in clone.complete("--dry-run")


def test_a_second_snakemake_is_refused_and_the_first_ends_well(undisturbed, clone):
    (clone.results / MIDDLE / "model.safetensors").unlink()
    with head(clone) as process:
        wait_for(clone, "fine-tuning", process)
        second = clone.run()
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout + second.stderr
        # The tests' own environment serves; -o keeps make from building another.
        command = ["make", "-f", str(ROOT / "Makefile"), "-o", "environment", "unlock", f"BIN={sys.prefix}/bin"]
        freed = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True)
        assert freed.returncode != 0
        assert "Snakemake still runs here" in freed.stdout
        assert process.wait(240) == 0
    assert clone.final() == undisturbed.final()


def test_results_that_cannot_be_written_are_told(undisturbed, clone):
    if os.geteuid() or subprocess.run(["mount", "--bind", clone.results, clone.results]).returncode:
        pytest.skip("a read-only folder needs root here")
    try:
        (clone.results / MIDDLE / "predictions.parquet").unlink()
        subprocess.run(["mount", "-o", "remount,ro,bind", clone.results], check=True)
        refused = clone.run()
        assert refused.returncode != 0
        assert "Write-protected output files" in refused.stdout + refused.stderr
    finally:
        subprocess.run(["umount", clone.results], check=True)
    clone.complete()
    assert clone.final() == undisturbed.final()


def test_a_clock_that_moves_makes_nothing_anew(undisturbed, clone):
    for shift in (3600, -7200):
        for path in clone.results.rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + shift * 10**9))
        assert "Nothing to be done" in clone.complete("--dry-run")
    # Inputs from the future: what is made of them now looks older than they are.
    for path in (clone.results / MIDDLE).iterdir():
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    clone.complete()

    assert "Nothing to be done" in clone.complete("--dry-run")
    assert clone.final() == undisturbed.final()


def test_a_checkout_that_touches_every_file_makes_nothing_anew(clone):
    for name in ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs"):
        place = ROOT / name
        for path in [place] if place.is_file() else place.rglob("*"):
            if path.is_file():
                os.utime(path)

    assert "Nothing to be done" in clone.complete("--dry-run")
