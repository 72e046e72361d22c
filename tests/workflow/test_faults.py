"""Faults of processes: whatever ends them, a rerun ends with the bytes of an undisturbed run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pyarrow.parquet as pq
import pytest
from studies import ROOT, Short, head, until, wait_for

pytestmark = pytest.mark.slow

MIDDLE = "rounds/balanced_synthetic/generation_01"


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
        assert process.wait(40) != 0
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
        assert process.wait(40) != 0
        took = time.monotonic() - began
    state = clone.results / "state" / LONG / "finetune.safetensors"
    until(state.exists)
    assert took < 25
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
        assert process.wait(40) != 0
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
