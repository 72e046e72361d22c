"""Steps of a run that belong to no rule: reading the config, terminal output, the check of the disk, cleaning up."""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bias_amplification.artifacts.atomic import StudyError, remove_leftovers
from bias_amplification.execution import interrupts, jobs, terminal, warm
from bias_amplification.study import Plan, Study, check_paths, read_study
from bias_amplification.study.config_files import ConfigFiles, with_types
from bias_amplification.study.costs.needs import Needs
from bias_amplification.study.costs.space import check_space, trainings_at_once

#: Oldest release of Snakemake that the workflow was tried with.
_SNAKEMAKE = "9.27"

#: Snakemake's default of `--max-jobs-per-timespan`: jobs and seconds.
_DEFAULT_RATE_LIMIT = (100, 1)

#: Saved states of killed jobs are removed after this time, in seconds.
_MONTH = 30 * 24 * 3600


def open_study(config: dict[str, Any], workflow: Any) -> tuple[Study, Plan, Needs]:
    """Read the config and prepare this process to run the study's jobs.

    The `compute` section is completed in `config` itself, because scripts read it from there (`jobs.job_compute`).

    Parameters
    ----------
    config
        Snakemake's config, merged from all its sources.
    workflow
        Snakemake's object of that name.

    Returns
    -------
    study, plan, needs
        The config, its rounds and versions, and the resources that each kind of job asks for.

    Raises
    ------
    WorkflowError
        If the config has a fault or Snakemake is too old. Snakemake prints it without a traceback.
    """
    from snakemake.utils import min_version, update_config

    min_version(_SNAKEMAKE)
    if not workflow.modifier.skip_configfile:
        # Snakemake reads all values of `--config compute='{threads: 2}'` as texts.
        given = workflow.config_settings.config
        update_config(
            config, {key: with_types(value) for key, value in given.items() if isinstance(value, dict | list)}
        )
    files = ConfigFiles()
    try:
        if workflow.is_main_process:
            if set(workflow.basedir) & set("{}"):
                raise StudyError(
                    f"{workflow.basedir} has braces, which Snakemake reads as wildcards: rename the folder"
                )
            files = _config_files(workflow)
        study = read_study(config, files)
        _check(study, files, workflow.is_main_process)
    except StudyError as fault:
        raise _workflow_error(fault) from None
    # It stays a valid section, because Snakemake reads a module again, with this config, for each `use rule` statement.
    config["compute"] = study.compute.model_dump()
    plan = Plan(study)
    if workflow.is_main_process:
        # Another workflow that uses this one as a module keeps its own terminal output.
        if workflow.modifier.is_main_snakefile():
            versions = Counter(version.round for version in plan.versions())
            terminal.show_progress(versions, lambda: workflow.dryrun)
        # Snakemake does not know yet whether jobs will be local or on a cluster.
        jobs.announce(os.getpid())
        if study.compute.warm:
            warm.announce(os.getpid())
    elif workflow.remote_exec:
        # A job on a cluster inherits the head node's environment, but not its processes.
        for variable in (jobs.SCHEDULER, warm.VARIABLE):
            os.environ.pop(variable, None)
    # A downloaded model, whose size decides the memory of jobs, is below the prefix of a module.
    placed = workflow.modifier.path_modifier.replace_prefix(study.results)
    return study, plan, Needs(study.model_copy(update={"results": placed}))


def _config_files(workflow: Any) -> ConfigFiles:
    """Return the files that the config comes from, the winning one last.

    Raises
    ------
    StudyError
        If one is not valid YAML or sets a key twice.
    """
    if workflow.modifier.skip_configfile:
        # Another workflow that uses this one as a module has given it the config.
        return ConfigFiles()
    settings = workflow.config_settings
    own = workflow.configfiles[len(settings.configfiles) :]
    return ConfigFiles([*([] if settings.replace_workflow_config else own), *settings.configfiles], settings.config)


def _check(study: Study, files: ConfigFiles, look: bool) -> None:
    """Check the files that the config names and, if `look`, the source of the articles.

    Raises
    ------
    StudyError
        The message begins with the line of the key, if it is known.
    """
    try:
        check_paths(study)
        if look:
            # Imported only here, because jobs on a cluster read the config, too, and do not look.
            from bias_amplification.corpus.preview import preview_corpus

            preview_corpus(study)
    except StudyError as fault:
        raise StudyError(f"{files.place_of(str(fault))}{fault}") from None


def begin(plan: Plan, workflow: Any) -> None:
    """Before the first job: prepare Snakemake's scheduler, remove leftovers of killed jobs, check the disk's space.

    Raises
    ------
    WorkflowError
        If the study does not fit on the disk.
    """
    interrupts.end_jobs_on_interrupt()
    leave_out_the_default_rate_limit(workflow)
    remove_leftovers(plan.study.results)
    gpus = workflow.global_resources.get("gpu")
    trainings = trainings_at_once(plan, workflow.cores if workflow.local_exec else None, gpus and gpus.value)
    # Jobs of the graph that have nothing to do are among these, so that their finished files are known.
    outputs = {str(file): workflow.dag.needrun(job) for job in workflow.dag.jobs for file in job.output}
    try:
        print(check_space(plan, outputs, trainings), file=sys.stderr)
    except StudyError as fault:
        raise _workflow_error(fault) from None


def leave_out_the_default_rate_limit(workflow: Any) -> None:
    """Let Snakemake start jobs as soon as they are ready, unless the user has asked for a limit of jobs per time span.

    With a limit (Snakemake has one by default, which no study reaches), every job that ends adds a timer that makes
    Snakemake choose jobs again every second until all have started. After some hundred jobs, this takes a whole core.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == _DEFAULT_RATE_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def finish(plan: Plan) -> None:
    """After the last job: remove leftovers of killed jobs, and their saved states after a month."""
    results = Path(plan.study.results)
    remove_leftovers(results)
    oldest = time.time() - _MONTH
    states = results / "state"
    for path in sorted([states, *states.rglob("*")], reverse=True):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            elif path.stat().st_mtime < oldest:
                path.unlink()


def uses_cache(workflow: Any) -> bool:
    """Return whether the run shares files with other runs in Snakemake's cache: `--cache`, and a folder for it.

    Without `--cache`, Snakemake would warn about each rule that is marked for it. Without a folder, the jobs of these
    rules would fail.
    """
    return workflow.workflow_settings.cache is not None and "SNAKEMAKE_OUTPUT_CACHE" in os.environ


def any_of(names: Iterable[str]) -> str:
    """Return a wildcard's pattern that matches these names and nothing else.

    Without names it is `-`, which matches no name: names begin with a letter or digit.
    """
    return "|".join(map(re.escape, names)) or "-"


def given_files(paths: Iterable[str]) -> list[str]:
    """Return inputs that no rule makes, such as a model's folder or shipped data.

    Where the study is a module of another workflow, the module's prefix is put before all paths of its rules except
    those that are marked as local.
    """
    from snakemake.io import local

    return [local(path) for path in paths]


def _workflow_error(fault: StudyError) -> Exception:
    from snakemake.exceptions import WorkflowError

    return WorkflowError(str(fault))
