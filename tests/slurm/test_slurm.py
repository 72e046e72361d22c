"""A small study on a real SLURM cluster of one node, and what happens to its jobs and its head there."""

import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONFIGS = [str(ROOT / "tests" / "workflow" / "tiny.yaml"), str(ROOT / "tests" / "workflow" / "short.yaml")]
GPU_RULES = ("pretrain_base_model", "finetune", "generate")
ARTICLES = "results/rounds/balanced_synthetic/generation_01/articles.parquet"
MODEL = "results/rounds/balanced_synthetic/generation_01/model.safetensors"


class Cluster:
    """The cluster's commands, and a study that runs on it."""

    def __init__(self, commands: str, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def call(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, cwd=self.folder, timeout=120
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def head(self, *targets: str, resources: tuple[str, ...] = ()) -> Iterator[subprocess.Popen]:
        """Snakemake with the cluster's profile."""
        command = [
            sys.executable, str(HERE / "head.py"), *targets, "--profile", "profiles/slurm",
            "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10",
            "--set-resources", *(f"{rule}:gpu=1" for rule in GPU_RULES), *resources,
            "--configfile", *CONFIGS,
        ]  # fmt: skip
        with (self.folder / "head.log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=self.environment, start_new_session=True
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def finish(self, process: subprocess.Popen, seconds: int = 240) -> str:
        """Wait for the head's good end; return what it said."""
        status = process.wait(seconds)
        said = (self.folder / "head.log").read_text()
        assert status == 0, said[-5000:]
        return said

    def running(self, rule: str, but: tuple[str, ...] = ()) -> str:
        """Wait until a job of a rule runs; return its id."""

        def look() -> str | None:
            found = self.call("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
            jobs = [line.split()[0] for line in found if f"rule_{rule}" in line]
            return next((job for job in jobs if job not in but), None)

        return wait_for(look)

    def processes(self, job: str) -> list[int]:
        """Wait until a job's Python works on the job itself, and return its processes."""

        def look() -> list[int]:
            listed = self.call("scontrol", "listpids", job, check=False).splitlines()[1:]
            return [int(line.split()[0]) for line in listed if line.split()[0].isdigit()]

        return wait_for(lambda: look() or None)


def wait_for(look: Callable, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about in time")


def make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("Snakefile", "workflow", "config", "profiles", "resources", "src", "envs", "Makefile"):
        os.symlink(ROOT / name, folder / name)
    return folder


def checksums(folder: Path) -> dict[str, str]:
    files = [*folder.glob("results/rounds/**/*.parquet"), *folder.glob("results/**/model.safetensors")]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    script = str(HERE / "cluster.sh")
    subprocess.run([script, "up"], check=True, timeout=300)
    commands = subprocess.run([script, "path"], check=True, capture_output=True, text=True).stdout.strip()
    cluster = Cluster(commands, make_folder(tmp_path_factory.mktemp("slurm") / "study"))
    try:
        with cluster.head("chain") as process:
            cluster.said = cluster.finish(process)
        cluster.whole = checksums(cluster.folder)
        yield cluster
    finally:
        subprocess.run([script, "down"], check=True, timeout=60)


def test_the_cluster_makes_the_same_bytes_as_one_machine(cluster, tmp_path):
    alone = make_folder(tmp_path / "alone")
    command = [sys.executable, "-m", "snakemake", "chain", "--cores", "2", "--configfile", *CONFIGS]
    subprocess.run(command, cwd=alone, check=True, capture_output=True, timeout=300)

    assert len(cluster.whole) == 4 * 4 + 1
    assert cluster.whole == checksums(alone)


def test_jobs_on_the_gpu_never_overlap_and_light_rules_are_no_jobs(cluster):
    columns = "JobID:.20|,StartTime:.30|,EndTime:.30|,tres-per-job:.30|,Comment:.60"
    listed = cluster.call("squeue", "-h", "--states=all", f"--Format={columns}")
    jobs = [[cell.strip() for cell in line.split("|")] for line in listed.splitlines()]
    gpu = sorted((datetime.fromisoformat(j[1]), datetime.fromisoformat(j[2])) for j in jobs if "gpu" in j[3])

    assert len(gpu) == 1 + 4 + 4
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(gpu))
    assert {re.search(r"rule_([a-z_]+?)(_wildcards|$)", j[4])[1] for j in jobs} == {
        "build_corpus", "draw_pretraining_articles", *GPU_RULES,
    }  # fmt: skip


def remake(cluster: Cluster, *files: str) -> None:
    for file in files:
        (cluster.folder / file).unlink()


def test_a_cancelled_job_is_tried_again(cluster):
    remake(cluster, ARTICLES)
    with cluster.head("chain") as process:
        cluster.call("scancel", cluster.running("generate"))
        said = cluster.finish(process)

    assert "Trying to restart job" in said
    assert checksums(cluster.folder) == cluster.whole


def test_a_killed_process_is_tried_again(cluster):
    remake(cluster, MODEL)
    with cluster.head("chain") as process:
        for pid in cluster.processes(cluster.running("finetune")):
            os.kill(pid, signal.SIGKILL)
        said = cluster.finish(process)

    assert "Trying to restart job" in said
    assert checksums(cluster.folder) == cluster.whole


def test_a_requeued_job_is_waited_for(cluster):
    remake(cluster, ARTICLES)
    with cluster.head("chain") as process:
        job = cluster.running("generate")
        cluster.call("scontrol", "requeue", job)
        # A requeued job waits for two minutes, lest its node be at fault. Some seconds must stay: the node refuses
        # a job that it is asked to start within the second in which it killed it.
        wait_for(lambda: "PENDING" in cluster.call("squeue", "-h", "-j", job, "-o", "%T"))
        cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now+3")
        said = cluster.finish(process)

    assert "Trying to restart job" not in said
    assert checksums(cluster.folder) == cluster.whole


def test_a_job_out_of_memory_gets_more(cluster):
    remake(cluster, ARTICLES)
    with cluster.head("chain", resources=("generate:mem_mb=150 if attempt == 1 else 3000",)) as process:
        first = cluster.running("generate")
        said = cluster.finish(process)

    assert "Trying to restart job" in said
    assert re.search("JobState=(OUT_OF_MEMORY|CANCELLED|FAILED)", cluster.call("scontrol", "show", "job", first))
    assert checksums(cluster.folder) == cluster.whole


def test_a_job_out_of_time_gets_more(cluster):
    remake(cluster, ARTICLES)
    with cluster.head("chain", resources=("generate:runtime=1 if attempt == 1 else 10",)) as process:
        first = cluster.running("generate")
        for pid in cluster.processes(first):
            os.kill(pid, signal.SIGSTOP)
        said = cluster.finish(process)

    assert "Trying to restart job" in said
    assert "JobState=TIMEOUT" in cluster.call("scontrol", "show", "job", first)
    assert checksums(cluster.folder) == cluster.whole


def test_a_dead_head_is_followed_by_one_command_and_a_rerun(cluster):
    remake(cluster, MODEL, ARTICLES)
    with cluster.head("chain") as process:
        job = cluster.running("finetune")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert cluster.call("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING"

    environment = str(Path(sys.executable).parents[1])
    arguments = f"ARGUMENTS=--configfile {' '.join(CONFIGS)}"
    cluster.call("make", "unlock", f"ENVIRONMENT={environment}", arguments)

    assert cluster.call("squeue", "-h", "-t", "RUNNING,PENDING,COMPLETING") == ""
    with cluster.head("chain") as process:
        cluster.finish(process)
    assert checksums(cluster.folder) == cluster.whole


def test_a_drained_node_delays_and_loses_nothing(cluster):
    remake(cluster, MODEL, ARTICLES)
    (node,) = cluster.call("sinfo", "-h", "-o", "%n").split()
    with cluster.head("chain") as process:
        cluster.running("finetune")
        cluster.call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        try:
            wait_for(lambda: "rule_generate" in cluster.call("squeue", "-h", "-t", "PENDING", "-o", "%k"))
            time.sleep(3)
            assert process.poll() is None
        finally:
            cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
        said = cluster.finish(process)

    assert "Trying to restart job" not in said
    assert checksums(cluster.folder) == cluster.whole


def test_no_cluster_job_and_no_state_is_left(cluster):
    assert cluster.call("squeue", "-h", "-t", "RUNNING,PENDING") == ""
    assert not (cluster.folder / "results" / "state").exists()
    shutil.rmtree(cluster.folder)
