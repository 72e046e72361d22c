"""A small study on a real SLURM cluster of one node, and faults of its jobs, of Snakemake and of the node."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers import ROOT, checksums, link_project, wait_until

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent
CONFIGS = [str(ROOT / "tests" / "workflow" / "tiny.yaml"), str(ROOT / "tests" / "workflow" / "short.yaml")]
GPU_RULES = ("pretrain_base_model", "finetune", "generate")
ARTICLES = "results/rounds/balanced_synthetic/generation_01/articles.parquet"
MODEL = "results/rounds/balanced_synthetic/generation_01/model.safetensors"


class Cluster:
    """The cluster's commands, and the folder of a study that runs on it."""

    def __init__(self, commands: str, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "snakemake.log"
        #: Checksums of the results of an undisturbed run.
        self.undisturbed: dict[str, str] = {}
        self.environment = os.environ | {"PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def call(self, *command: str, check: bool = True) -> str:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, cwd=self.folder, timeout=120
        )
        assert not check or ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @contextmanager
    def snakemake(
        self, *targets: str, resources: tuple[str, ...] = (), config: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen]:
        """Start Snakemake with the profile of the cluster, and kill it at the end."""
        command = [
            sys.executable, str(HERE / "snakemake_polling_fast.py"), *targets, "--profile", "profiles/slurm",
            "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10",
            "--set-resources", *(f"{rule}:gpu=1" for rule in GPU_RULES), *resources,
            "--configfile", *CONFIGS, *(["--config", *config] if config else []),
        ]  # fmt: skip
        with self.output.open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=self.environment, start_new_session=True
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def finish(self, process: subprocess.Popen, seconds: int = 900) -> str:
        """Wait until Snakemake ends, check that it succeeds, and return its output."""
        status = process.wait(seconds)
        output = self.output.read_text()
        assert status == 0, output[-5000:]
        return output

    def running(self, rule: str) -> str:
        """Wait until a job of a rule runs, and return its id."""

        def find() -> str | None:
            lines = self.call("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
            return next((line.split()[0] for line in lines if f"rule_{rule}" in line), None)

        return wait_until(find)

    def processes(self, job: str) -> list[int]:
        """Wait until a job has processes, and return their ids."""

        def find() -> list[int]:
            listed = self.call("scontrol", "listpids", job, check=False).splitlines()[1:]
            return [int(line.split()[0]) for line in listed if line.split()[0].isdigit()]

        return wait_until(find)


def results_of(folder: Path) -> dict[str, str]:
    """Return the checksums of the chain's tables and weights."""
    results = folder / "results"
    return checksums([*results.glob("rounds/**/*.parquet"), *results.glob("**/model.safetensors")], folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    script = str(HERE / "cluster.sh")
    try:
        subprocess.run([script, "up"], check=True, timeout=300)
        commands = subprocess.run([script, "path"], check=True, capture_output=True, text=True).stdout.strip()
        cluster = Cluster(commands, link_project(tmp_path_factory.mktemp("slurm") / "study", "Makefile"))
        with cluster.snakemake("chain") as process:
            cluster.finish(process)
        cluster.undisturbed = results_of(cluster.folder)
        yield cluster
    finally:
        subprocess.run([script, "down"], check=True, timeout=60)


def test_the_cluster_makes_the_same_bytes_as_one_machine(cluster, tmp_path):
    alone = link_project(tmp_path / "alone")
    command = [sys.executable, "-m", "snakemake", "chain", "--cores", "2", "--configfile", *CONFIGS]
    subprocess.run(command, cwd=alone, check=True, capture_output=True, timeout=300)

    assert len(cluster.undisturbed) == 4 * 4 + 1
    assert cluster.undisturbed == results_of(alone)


def test_gpu_jobs_do_not_overlap_and_light_rules_are_not_submitted(cluster):
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
    with cluster.snakemake("chain") as process:
        cluster.call("scancel", cluster.running("generate"))
        output = cluster.finish(process)

    assert "Trying to restart job" in output
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_killed_process_is_tried_again(cluster):
    remake(cluster, MODEL)
    with cluster.snakemake("chain") as process:
        for pid in cluster.processes(cluster.running("finetune")):
            # A process that is just ending may be listed.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        output = cluster.finish(process)

    assert "Trying to restart job" in output
    assert results_of(cluster.folder) == cluster.undisturbed


def test_snakemake_waits_for_a_requeued_job(cluster):
    remake(cluster, ARTICLES)
    with cluster.snakemake("chain") as process:
        job = cluster.running("generate")
        cluster.call("scontrol", "requeue", job)
        # SLURM starts a requeued job two minutes later, in case its node was at fault. Here it waits for three
        # seconds, because the node refuses to start a job within the second in which it killed the job.
        wait_until(lambda: "PENDING" in cluster.call("squeue", "-h", "-j", job, "-o", "%T"))
        cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now+3")
        output = cluster.finish(process)

    assert "Trying to restart job" not in output
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_job_out_of_memory_gets_more(cluster):
    remake(cluster, ARTICLES)
    with cluster.snakemake("chain", resources=("generate:mem_mb=150 if attempt == 1 else 3000",)) as process:
        first = cluster.running("generate")
        output = cluster.finish(process)

    assert "Trying to restart job" in output
    assert re.search("JobState=(OUT_OF_MEMORY|CANCELLED|FAILED)", cluster.call("scontrol", "show", "job", first))
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_job_out_of_time_gets_more(cluster):
    remake(cluster, ARTICLES)
    with cluster.snakemake("chain", resources=("generate:runtime=1 if attempt == 1 else 10",)) as process:
        first = cluster.running("generate")
        for pid in cluster.processes(first):
            # A process that is just ending may be listed.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        output = cluster.finish(process)

    assert "Trying to restart job" in output
    assert "JobState=TIMEOUT" in cluster.call("scontrol", "show", "job", first)
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_study_continues_after_snakemake_was_killed(cluster):
    remake(cluster, MODEL, ARTICLES)
    with cluster.snakemake("chain") as process:
        job = cluster.running("finetune")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert cluster.call("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING"

    environment = str(Path(sys.executable).parents[1])
    arguments = f"ARGUMENTS=--configfile {' '.join(CONFIGS)}"
    cluster.call("make", "unlock", f"ENVIRONMENT={environment}", arguments)

    assert cluster.call("squeue", "-h", "-t", "RUNNING,PENDING,COMPLETING") == ""
    with cluster.snakemake("chain") as process:
        cluster.finish(process)
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_drained_node_only_delays_the_study(cluster):
    remake(cluster, MODEL, ARTICLES)
    (node,) = cluster.call("sinfo", "-h", "-o", "%n").split()
    with cluster.snakemake("chain") as process:
        cluster.running("finetune")
        cluster.call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        try:
            wait_until(lambda: "rule_generate" in cluster.call("squeue", "-h", "-t", "PENDING", "-o", "%k"))
            time.sleep(3)
            assert process.poll() is None
        finally:
            cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
        output = cluster.finish(process)

    assert "Trying to restart job" not in output
    assert results_of(cluster.folder) == cluster.undisturbed


def test_a_second_replicate_is_made_beside_the_first(cluster):
    second = "results/rounds/balanced_synthetic/replicate_02/generation_01/articles.parquet"
    with cluster.snakemake(second, config=("replicates={number: 2}",)) as process:
        output = cluster.finish(process)

    made = results_of(cluster.folder)
    assert {name: made[name] for name in cluster.undisturbed} == cluster.undisturbed
    new = [name for name in made if name not in cluster.undisturbed]
    assert len(new) == 2 * 4 and all("/replicate_02/generation_0" in name for name in new)
    assert output.count("balanced_synthetic/replicate_02, generation 01: fine-tuning") >= 1


#: As on a cluster whose machines have a GPU each, but on CPUs.
TWO_PROCESSES = """include: "Snakefile"
config["compute"]["processes"] = 2
"""


def test_a_launcher_on_each_of_two_machines_trains_one_model(cluster, tmp_path):
    # Both machines are tasks on the cluster's only node. The weights are divided between them.
    folder = link_project(tmp_path / "study")
    shutil.copytree(cluster.folder / "results", folder / "results")
    (folder / "two.smk").write_text(TWO_PROCESSES, encoding="utf-8")
    two = Cluster(cluster.environment["PATH"].split(":")[0], folder)
    remake(two, MODEL)
    compute = "compute={gpus: 2, accelerate_config: profiles/accelerate/fsdp_two_machines.yaml}"
    resources = ("finetune:gpu=0", "finetune:tasks=2")
    with two.snakemake(MODEL, "--snakefile", "two.smk", resources=resources, config=(compute,)) as process:
        two.finish(process)

    metadata = json.loads((folder / MODEL).with_name("metadata.json").read_text())
    assert (metadata["training"]["processes"], metadata["training"]["sharded"]) == (2, True)
    losses = [
        pq.read_table((place / MODEL).with_name("training_log.parquet"))["loss"].to_pylist()
        for place in (folder, cluster.folder)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_no_job_and_no_saved_state_is_left(cluster):
    assert cluster.call("squeue", "-h", "-t", "RUNNING,PENDING") == ""
    assert not (cluster.folder / "results" / "state").exists()
    shutil.rmtree(cluster.folder)
