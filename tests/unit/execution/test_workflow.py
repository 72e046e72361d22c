"""What the Snakefile does before its rules."""

import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.path_modifier import PathModifier
from snakemake.settings.types import MaxJobsPerTimespan

from bias_amplification.execution import jobs, warm
from bias_amplification.execution.workflow import any_of, finish, leave_out_the_default_rate_limit, open_study
from helpers import ROOT, merge


def snakemake(remote: bool = False, prefix: str | None = None) -> SimpleNamespace:
    """Return what a job's process has as Snakemake's object `workflow`."""
    modifier = SimpleNamespace(path_modifier=PathModifier(None, prefix, None), skip_configfile=True)
    return SimpleNamespace(is_main_process=False, remote_exec=remote, modifier=modifier)


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def test_a_wildcard_matches_its_names_alone() -> None:
    pattern = re.compile(any_of(["rate-1.5", "synthetic"]))

    assert [bool(pattern.fullmatch(name)) for name in ("rate-1.5", "synthetic", "rate-1-5", "")] == [1, 1, 0, 0]
    assert any_of([]) == "-"


def test_the_same_config_can_be_read_again(config: dict) -> None:
    # Snakemake reads a module's Snakefile once for each `use rule` statement.
    first, _, _ = open_study(config, snakemake())
    again, _, _ = open_study(config, snakemake())

    assert again == first
    assert config["compute"] == first.compute.model_dump()


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


def main_process(
    files: list[Path], given: dict | None = None, module: bool = False, basedir: Path = ROOT / "workflow"
) -> SimpleNamespace:
    """Return what Snakemake's own process has as `workflow`, with files of the command line."""
    settings = SimpleNamespace(configfiles=files, config=given or {}, replace_workflow_config=False)
    modifier = SimpleNamespace(skip_configfile=module)
    own = [*files, ROOT / "config" / "config.yaml"]
    return SimpleNamespace(
        is_main_process=True, config_settings=settings, configfiles=own, modifier=modifier, basedir=str(basedir)
    )


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("# mine\ngenerations: 0\n", "mine.yaml, line 2: generations is 0, but must be greater than or equal to 1."),
        ("# mine\n", "mine.yaml has no keys"),
        ("seed: 1\nseed: 2\n", "mine.yaml, line 2: seed is set here and on line 1"),
        (
            "corpus:\n  source: table\n  path: none.csv\n",
            "mine.yaml, line 3: corpus.path is none.csv, which does not exist",
        ),
    ],
)
def test_a_fault_has_the_line_of_the_users_file(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlay: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(overlay, encoding="utf-8")

    with pytest.raises(WorkflowError) as caught:
        open_study(merge(config, yaml.safe_load(overlay) or {}), main_process([Path("mine.yaml")]))

    assert str(caught.value).startswith(message)


def test_a_fault_of_the_command_line_or_of_a_module_has_no_line(config: dict) -> None:
    config["generations"] = 0
    for workflow in (main_process([], {"generations": 0}), main_process([], module=True)):
        with pytest.raises(WorkflowError) as caught:
            open_study(config, workflow)

        assert str(caught.value) == "generations is 0, but must be greater than or equal to 1."


def test_a_project_in_a_folder_with_braces_is_refused(config: dict) -> None:
    with pytest.raises(WorkflowError, match=r"^/home/\{me\}/workflow has braces, .*: rename the folder$"):
        open_study(config, main_process([], basedir=Path("/home/{me}/workflow")))


def test_states_of_killed_jobs_are_removed_after_a_month(tmp_path: Path) -> None:
    states = tmp_path / "state" / "rounds"
    (states / "empty").mkdir(parents=True)
    for name, days in (("old", 31), ("young", 29)):
        (states / name).write_text("")
        os.utime(states / name, (time.time() - days * 86400,) * 2)

    finish(SimpleNamespace(study=SimpleNamespace(results=str(tmp_path))))

    assert [path.name for path in (tmp_path / "state").rglob("*")] == ["rounds", "young"]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (get_argument_parser().get_default("max_jobs_per_timespan"), False),
        ("5/1m", True),
    ],
    ids=["Snakemake's default", "a user's"],
)
def test_the_default_limit_of_jobs_per_time_span_is_left_out_and_a_users_is_kept(limit, kept):
    settings = SimpleNamespace(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice(limit))
    workflow = SimpleNamespace(scheduling_settings=settings, scheduler=SimpleNamespace(job_rate_limiter="a limiter"))

    leave_out_the_default_rate_limit(workflow)

    assert (workflow.scheduler.job_rate_limiter is not None) == kept
