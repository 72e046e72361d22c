"""The workflow runs from any folder, and as a module of another workflow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from studies import TINY, Study

from helpers import ROOT, merge

pytestmark = pytest.mark.slow

PROFILE = str(ROOT / "profiles" / "default")

IMPORTING_SNAKEFILE = f"""
configfile: "study.yaml"

module bias:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config
    prefix: "bias"

use rule * from bias as bias_*

rule report_length:
    default_target: True
    input:
        rules.bias_chain.input,
        rules.bias_measures.input,
        rules.bias_neurons.input,
        figure="bias/results/figures/figure_3.png",
    output: "length.txt"
    shell: "wc --bytes < {{input.figure}} > {{output}}"
"""


def read_yaml(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_run_from_another_folder_has_the_same_config(finished, tmp_path, snakefile):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / snakefile, "--directory", finished.folder]
    profile = ["--workflow-profile", PROFILE]

    run = subprocess.run(
        [*command, *profile, "--dry-run", "--cores", "1", "--configfile", TINY],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    assert run.returncode == 0, run.stdout + run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr


def test_another_study_takes_its_corpus_from_snakemakes_cache(fresh, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    other = fresh.folder / "other"

    fresh.finish("--cache", targets=["results/corpus/articles.parquet"], preload=False)
    changes = ("--config", "results=other", "generations=2")
    fresh.finish("--cache", *changes, targets=["other/corpus/articles.parquet"], preload=False)

    made = fresh.results / "corpus" / "articles.parquet"
    assert made.resolve().parent == cache
    assert (other / "corpus" / "articles.parquet").resolve() == made.resolve()
    # A job that takes its files from the cache has an empty log.
    logs = [(folder / "logs" / "corpus" / "build.log").read_text(encoding="utf-8") for folder in (fresh.results, other)]
    assert ["done in" in log for log in logs] == [True, False]
    # Every rule that is marked for the cache satisfies Snakemake's conditions, and no other run hears of it.
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE")
    assert "caching" not in fresh.query("--dry-run")


def test_a_module_with_a_prefix_and_renamed_rules_makes_the_same_bytes(finished, tmp_path):
    # A folder as people name them: with a space, a number sign and another script.
    study = Study(tmp_path / "study #2 پژوهش")
    study.folder.mkdir()
    (study.folder / "Snakefile").write_text(IMPORTING_SNAKEFILE, encoding="utf-8")
    config = merge(read_yaml(ROOT / "config" / "config.yaml"), read_yaml(TINY))
    # Fewer versions, which share generation 0.
    config |= {"generations": 2, "rounds": config["rounds"][:2]}
    (study.folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    # As users run it: in a process that does not know the package before it reads the module. On one core, which may
    # not change a byte.
    study.finish(configs=[], cores=1, preload=False)

    assert int((study.folder / "length.txt").read_text()) > 1000
    assert {path.name for path in study.folder.iterdir()} <= {
        ".snakemake", "Snakefile", "study.yaml", "length.txt", "bias",
    }  # fmt: skip
    module = Study(study.folder / "bias")
    made, wanted = module.final(), finished.final()
    alike = [name for name in made if not name.startswith(("neurons/", "metrics", "changes", "transitions"))]
    assert sum(name.startswith("rounds/") and name.endswith(".safetensors") for name in alike) == 4
    assert {name: made[name] for name in alike} == {name: wanted[name] for name in alike}
    # Without the profile, Snakemake also compares the times of scripts, which a test beside this one changes.
    again = ("--dry-run", "--workflow-profile", PROFILE)
    assert "Nothing to be done" in study.finish(*again, configs=[])
    # The whole study can be planned, and trains nothing again.
    plan = study.finish(*again, configs=[], targets=["bias_all"])
    missing = set(re.findall(r"^bias_(\w+) +\d+$", plan, re.MULTILINE))
    assert {"draw_figure", "write_table", "write_index"} <= missing
    assert not {"finetune", "generate", "train_classifier", "classify", "score_quality"} & missing
