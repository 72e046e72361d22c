"""What the Snakefile does before its rules."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.path_modifier import PathModifier

from bias_amplification.execution import jobs, warm
from bias_amplification.execution.workflow import open_study

ROOT = Path(__file__).parents[3]


def snakemake(remote: bool = False, prefix: str | None = None) -> SimpleNamespace:
    """Return what a job's process has as Snakemake's object `workflow`."""
    modifier = SimpleNamespace(path_modifier=PathModifier(None, prefix, None))
    return SimpleNamespace(is_main_process=False, remote_exec=remote, modifier=modifier)


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def test_the_same_config_can_be_read_again(config: dict) -> None:
    # Snakemake reads a module's Snakefile once for each `use rule` statement.
    first, _, _ = open_study(config, snakemake())
    again, _, _ = open_study(config, snakemake())

    assert again == first
    assert config["compute"]["training_threads"] == first.compute.training_threads


def test_a_job_on_a_cluster_forgets_the_processes_of_the_head_node(
    config: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(jobs.SCHEDULER, "12345")
    monkeypatch.setenv(warm.VARIABLE, "/tmp/bias-amplification-0-12345")

    open_study(config, snakemake(remote=True))

    assert jobs.SCHEDULER not in os.environ
    assert warm.VARIABLE not in os.environ


def test_a_module_asks_for_the_memory_of_its_downloaded_model(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = Path("part/results/base")
    base.mkdir(parents=True)
    (base / "model.safetensors").write_bytes(bytes(3_000_000))
    config["base_model"] = {"source": "hub", "hub_id": "a/b", "revision": "0" * 40}

    study, _, needs = open_study(config, snakemake(prefix="part"))

    assert study.results == "results"
    assert needs.models["generate"] == 3_000_000
