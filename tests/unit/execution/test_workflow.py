"""What the Snakefile does before its rules."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bias_amplification.execution import jobs, warm
from bias_amplification.execution.workflow import open_study

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def test_the_same_config_can_be_read_again(config: dict) -> None:
    # Snakemake reads a module's Snakefile once for each `use rule` statement.
    job = SimpleNamespace(is_main_process=False, remote_exec=False)

    first, _, _ = open_study(config, job)
    again, _, _ = open_study(config, job)

    assert again == first
    assert config["compute"]["training_threads"] == first.compute.training_threads


def test_a_job_on_a_cluster_forgets_the_processes_of_the_head_node(
    config: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(jobs.SCHEDULER, "12345")
    monkeypatch.setenv(warm.VARIABLE, "/tmp/bias-amplification-0-12345")

    open_study(config, SimpleNamespace(is_main_process=False, remote_exec=True))

    assert jobs.SCHEDULER not in os.environ
    assert warm.VARIABLE not in os.environ
