"""Killed and interrupted runs: a rerun ends with the same bytes as an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from helpers import ROOT, wait_until

pytestmark = pytest.mark.slow

FIRST = "rounds/balanced_synthetic/generation_00"
MIDDLE = "rounds/balanced_synthetic/generation_01"
OTHER = "rounds/center_preservation/generation_00"


def test_kills_at_random_moments(undisturbed, begun):
    moments = random.Random(2)
    kills = 0
    while kills < 4:
        # The first job starts the warm process in every other run, so that some kills hit while it loads.
        with begun.start(preload=bool(kills % 2)) as process:
            # Counted in finished jobs, the kills reach every stage of the study on a fast and on a slow machine.
            jobs, delay = moments.randint(3, 8), moments.uniform(0, 0.5)
            while process.poll() is None and begun.finished_jobs() < jobs:
                time.sleep(0.02)
            time.sleep(delay)
            if process.poll() is not None:
                assert process.returncode == 0, begun.background_output.read_text()[-3000:]
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        kills += 1
        begun.unlock()
    assert kills >= 3
    assert list(begun.results.glob("rounds/*/*/articles.parquet"))

    begun.finish()

    assert begun.final() == undisturbed.final()
    assert not list(begun.results.rglob(".*")), "temporary files are left"
    assert not (begun.results / "state").exists()


@pytest.mark.parametrize(("sent", "to_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_study_continues(undisturbed, without_rounds, sent, to_group):
    study, chain = without_rounds, ["chain"]
    before = study.times()
    with study.start(preload=False, targets=chain) as process:
        study.wait_for_job(f"{MIDDLE}/finetune", process)
        # A terminal signals all processes of the group, a scheduler only the first one.
        (os.killpg if to_group else os.kill)(process.pid, sent)
        assert process.wait(300) != 0
    said = study.background_output.read_text(encoding="utf-8").strip()
    assert said.endswith("Stopped. The same command goes on from here.")
    assert "Stopping: running jobs have 10 seconds" in said
    assert not [words for words in ("Traceback", "Error in rule", "RuleException") if words in said]
    # A file written at the moment of the signal may be made again, because Snakemake did not see its job end.
    unfinished = study.unfinished()
    made = {
        name: time
        for name, time in study.times().items()
        if before.get(name) != time and name not in unfinished and not name.startswith("state/")
    }
    assert f"{FIRST}/articles.parquet" in made

    study.finish(targets=chain)

    final, wanted = study.final(), undisturbed.final()
    assert sum(name.startswith("rounds/") for name in final) == 4 * 4
    assert final == {name: wanted[name] for name in final}
    after = study.times()
    assert [name for name in made if made[name] != after[name]] == []


def test_a_job_that_outlives_its_killed_snakemake_damages_nothing(undisturbed, clone):
    (clone.folder / "plain.yaml").write_text("compute: {warm: false}\n", encoding="utf-8")
    (clone.results / OTHER / "model.safetensors").unlink()
    with clone.start(preload=False) as process:
        # Without a warm process, the job that writes this log is a child of Snakemake.
        clone.wait_for_job(f"{OTHER}/finetune", process)
        wait_until(lambda: bool(psutil.Process(process.pid).children(recursive=True)), process)
        jobs = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert any(runs(job) for job in jobs)
    (clone.folder / "plain.yaml").unlink()

    clone.unlock()
    clone.finish()

    assert clone.final() == undisturbed.final()


def runs(job: psutil.Process) -> bool:
    try:
        return job.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_second_snakemake_is_refused_and_the_first_succeeds(undisturbed, clone):
    (clone.results / MIDDLE / "model.safetensors").unlink()
    with clone.start() as process:
        clone.wait_for_job(f"{MIDDLE}/finetune", process)
        # Stopped, so that it cannot end before the second one starts.
        os.killpg(process.pid, signal.SIGSTOP)
        second = clone.run(preload=False)
        assert second.status != 0
        assert "cannot be locked" in second.output
        # The environment of the tests is used; -o keeps make from building another one.
        command = ["make", "-f", str(ROOT / "Makefile"), "-o", "environment", "unlock", f"BIN={sys.prefix}/bin"]
        unlocking = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True)
        assert unlocking.returncode != 0
        assert "Snakemake still runs here" in unlocking.stdout
        os.killpg(process.pid, signal.SIGCONT)
        assert process.wait(240) == 0
    assert clone.final() == undisturbed.final()
