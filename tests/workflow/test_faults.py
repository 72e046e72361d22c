"""Faults: whatever happens to processes and files, a rerun ends with the bytes of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, TINY, Study, make_study

pytestmark = pytest.mark.slow

MIDDLE = "rounds/balanced_synthetic/generation_01"
#: State is saved after every step and batch, so that every kill falls between two savings.
EAGER = "compute: {checkpoint_seconds: 0}\n"


def final(study: Study) -> dict[str, str]:
    """Checksums of everything that must be the same in every run; times and drawings are not."""
    return {**study.checksums(), **study.checksums("**/*.safetensors"), **study.checksums("neurons/*")}


@pytest.fixture
def clone(finished: Study) -> Iterator[Study]:
    """A finished study of one's own, with Snakemake's memory of it."""
    folder = finished.folder.with_name("clone")
    shutil.copytree(finished.folder, folder, symlinks=True)
    yield Study(folder)
    shutil.rmtree(folder)


@pytest.fixture
def eager(finished: Study) -> Iterator[Study]:
    """A study that has not run, beside the finished one."""
    study = make_study(finished.folder.with_name("eager"))
    (study.folder / "eager.yaml").write_text(EAGER, encoding="utf-8")
    yield study
    shutil.rmtree(study.folder)


@contextmanager
def head(study: Study, *arguments: str, cores: int = 2) -> Iterator[subprocess.Popen]:
    """Snakemake in a process group of its own."""
    configs = [str(TINY), *map(str, study.folder.glob("*.yaml"))]
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--resources", "gpu=1"]
    with (study.folder / "head.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--configfile", *configs, *arguments],
            cwd=study.folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(study: Study, words: str, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while words not in (study.folder / "head.log").read_text():
        assert process.poll() is None and time.monotonic() < deadline, (study.folder / "head.log").read_text()[-3000:]
        time.sleep(0.05)


def resume(study: Study) -> None:
    """What the README tells to do after a kill of Snakemake."""
    study.finish("--unlock", configs=[TINY, *study.folder.glob("*.yaml")])
    study.finish(configs=[TINY, *study.folder.glob("*.yaml")])


def test_killed_at_random_moments(finished, eager):
    moments = random.Random(5)
    kills = 0
    while kills < 20:
        with head(eager) as process:
            # Late enough for some work to be done in each: what was begun before is then found half done.
            try:
                process.wait(moments.uniform(3, 12))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
            else:
                assert process.returncode == 0, (eager.folder / "head.log").read_text()[-3000:]
                # Done before all kills: what was made of the last generations is made again under fire.
                for version in ("balanced_accumulation", "center_preservation"):
                    shutil.rmtree(eager.results / f"rounds/{version}/generation_02")
        eager.snakemake("--unlock", configs=[TINY])

    resume(eager)

    assert final(eager) == final(finished)
    assert not list(eager.results.rglob(".*")), "temporary files are left"
    assert not (eager.results / "state").exists()


@pytest.mark.parametrize(("sent", "group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)])
def test_an_interrupted_study_goes_on_without_further_ado(finished, eager, sent, group):
    with head(eager) as process:
        wait_for(eager, "generation 01: fine-tuning", process)
        # A terminal sends it to all processes, a scheduler to one.
        (os.killpg if group else os.kill)(process.pid, sent)
        assert process.wait(20) != 0
    before = eager.times()

    eager.finish(configs=[TINY, eager.folder / "eager.yaml"])

    assert final(eager) == final(finished)
    after = eager.times()
    models = [name for name in before if name.endswith("articles.parquet")]
    assert models
    assert all(before[name] == after[name] for name in models)


def test_a_job_that_outlives_its_killed_head_damages_nothing(finished, eager):
    (eager.folder / "plain.yaml").write_text("compute: {warm: false}\n", encoding="utf-8")
    with head(eager, "chain") as process:
        wait_for(eager, "generation 00: fine-tuning", process)
        time.sleep(1)
        process.kill()  # the head alone: its jobs live on
        process.wait()
    (eager.folder / "plain.yaml").unlink()

    resume(eager)

    assert final(eager) == final(finished)


def test_a_full_disk_is_told_and_nothing_is_lost(finished, eager):
    eager.results.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "none", eager.results]).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        with head(eager) as process:
            wait_for(eager, "generation 00: writing articles", process)
            with (eager.results / "filler").open("wb") as filler:
                while True:
                    try:
                        filler.write(bytes(1 << 20))
                        filler.flush()
                    except OSError:
                        break
            assert process.wait(120) != 0
        said = (eager.folder / "head.log").read_text()
        (eager.results / "filler").unlink()
        done = eager.times()

        eager.finish(configs=[TINY, eager.folder / "eager.yaml"])

        assert "No space left on device: mend that and run snakemake again, nothing finished is lost." in said
        assert final(eager) == final(finished)
        after = eager.times()
        whole = [name for name in done if name.startswith(("base/", "corpus/"))]
        assert whole
        assert all(done[name] == after[name] for name in whole)
    finally:
        subprocess.run(["umount", eager.results], check=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    shutil.copyfile(path.parents[2] / "balanced_accumulation" / path.parent.name / path.name, path)


@pytest.mark.parametrize("name", ["articles.parquet", "model.safetensors", "predictions.parquet"])
@pytest.mark.parametrize("damage", [cut, empty, flip, swap])
def test_a_damaged_file_is_named_and_deleting_it_mends_all(finished, clone, name, damage):
    damaged = clone.results / MIDDLE / name
    damage(damaged)

    refused = clone.snakemake()

    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert f"results/{MIDDLE}/{name}" in said
    assert "delete it and run snakemake again" in said
    damaged.unlink()
    clone.finish()
    assert final(clone) == final(finished)


def test_without_snakemakes_memory_nothing_is_made_again(clone):
    shutil.rmtree(clone.folder / ".snakemake")

    assert "Nothing to be done" in clone.finish("--dry-run")


def test_a_second_snakemake_is_refused_and_the_first_ends_well(finished, clone):
    (clone.results / MIDDLE / "model.safetensors").unlink()
    with head(clone) as process:
        wait_for(clone, "fine-tuning", process)
        second = clone.snakemake()
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout + second.stderr
        assert process.wait(240) == 0
    assert final(clone) == final(finished)


def test_results_that_cannot_be_written_are_told(finished, clone):
    if os.geteuid() or subprocess.run(["mount", "--bind", clone.results, clone.results]).returncode:
        pytest.skip("a read-only folder needs root here")
    try:
        (clone.results / MIDDLE / "predictions.parquet").unlink()
        subprocess.run(["mount", "-o", "remount,ro,bind", clone.results], check=True)
        refused = clone.snakemake()
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stdout + refused.stderr
    finally:
        subprocess.run(["umount", clone.results], check=True)
    clone.finish()
    assert final(clone) == final(finished)


def test_a_clock_that_moves_makes_nothing_anew(finished, clone):
    for shift in (3600, -7200):
        for path in clone.results.rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + shift * 10**9))
        assert "Nothing to be done" in clone.finish("--dry-run")
    # Inputs from the future: what is made of them now looks older than they are.
    for path in (clone.results / MIDDLE).iterdir():
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    (clone.results / MIDDLE / "predictions.parquet").unlink()

    clone.finish()

    assert "Nothing to be done" in clone.finish("--dry-run")
    assert final(clone) == final(finished)


def test_a_checkout_that_touches_every_file_makes_nothing_anew(clone):
    for name in ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs"):
        place = ROOT / name
        for path in [place] if place.is_file() else place.rglob("*"):
            if path.is_file():
                os.utime(path)

    assert "Nothing to be done" in clone.finish("--dry-run")
