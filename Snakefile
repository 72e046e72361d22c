# The study: from labelled articles to tables and figures. Stages in the order of the work; what each takes and makes
# stands at the head of its file.
import os
import sys
import time
from contextlib import suppress

sys.path.insert(0, f"{workflow.basedir}/src")

from bias_amplification import interrupts, jobs, terminal, warm
from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import remove_leftovers
from bias_amplification.figures.catalogue import ENDINGS, catalogue
from bias_amplification.published.place import statements_file, trajectories_file
from bias_amplification.study import Plan, Version, check_paths, derive_seed, gpus_per_job, read_study
from bias_amplification.study.comparable import level_departures, published_rounds, published_seed_sets
from bias_amplification.study.needs import Needs
from bias_amplification.study.space import check_space, trainings_at_once


configfile: "config/config.yaml"


try:
    study = read_study(config)
    check_paths(study)
except StudyError as fault:
    raise WorkflowError(fault) from None
# Scripts read from here what changes speed, memory and last bits alone, which is no parameter: a study that moves to
# another machine goes on instead of starting over.
config["compute"] = {
    **study.compute.model_dump(),
    "processes": study.compute.gpus if gpus_per_job(study.compute.device) else 1,
}
plan = Plan(study)
needs = Needs(study)
RESULTS = study.results
if workflow.is_main_process and not workflow.dryrun:
    terminal.show_progress(study.generations)
    if workflow.local_exec:
        jobs.announce(os.getpid())
        if study.compute.warm:
            warm.announce(os.getpid())


report: "workflow/report/workflow.rst"


include: "workflow/rules/corpus.smk"
include: "workflow/rules/base.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/chain.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/sharing.smk"
include: "workflow/rules/neurons.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/theory.smk"
include: "workflow/rules/figures.smk"


# Done where Snakemake runs, not as jobs of a cluster: they take a second or so and need no model.
localrules:
    all,
    corpus,
    base,
    chain,
    measures,
    neurons,
    figures,
    draw_seed_sets,
    compose_training_set,
    select_classifier,
    collect_metrics,
    assemble_panel,
    compare_published,
    draw_figure,
    write_table,
    write_article_page,
    write_index,


rule all:
    default_target: True
    input:
        rules.corpus.input,
        rules.base.input,
        rules.chain.input,
        rules.measures.input,
        rules.neurons.input,
        rules.figures.input,


onstart:
    interrupts.end_jobs_with_the_head()
    remove_leftovers(RESULTS)
    gpus = workflow.global_resources.get("gpu")
    trainings = trainings_at_once(plan, workflow.cores if workflow.local_exec else None, gpus and gpus.value)
    try:
        print(check_space(plan, trainings), file=sys.stderr)
    except StudyError as fault:
        raise WorkflowError(fault) from None


onsuccess:
    remove_leftovers(RESULTS)
    # State of jobs that were killed and that nobody has come back to.
    month = time.time() - 30 * 24 * 3600
    states = Path(RESULTS, "state")
    for place in sorted([states, *states.rglob("*")], reverse=True):
        with suppress(OSError):
            if place.is_dir():
                place.rmdir()
            elif place.stat().st_mtime < month:
                place.unlink()
