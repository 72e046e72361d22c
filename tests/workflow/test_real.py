"""`make real` with small models in folders and a table of articles."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import yaml

from bias_amplification.corpus.press import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer
from helpers import ROOT

pytestmark = pytest.mark.slow

#: What makes the study small, as a file for CONFIG. Models of this size write next to nothing.
SMALL = {
    "finetuning": {"epochs": 1, "max_tokens": 64},
    "generation": {"block_tokens": 64, "new_tokens": 8},
    "degeneration": {"labels": "all", "most_empty": 1},
    "perplexity": {"max_tokens": 64},
    "quality": {"sentences": 100, "training": {"epochs": 1}},
    "classifier": {"training": {"epochs": 1, "max_tokens": 32}},
}


@pytest.fixture
def real(fresh, benchmark, tmp_path):
    """A function that runs `make real` in a folder with models/gpt2, models/distilbert and articles.csv."""
    rows = write_press(24, seed=6, resources=ROOT / "resources" / "press")
    save_tokenizer(train_tokenizer(rows["body"].to_pylist()[:30], 400), tmp_path / "words")
    benchmark("rehearsal").make_models(fresh.folder / "models", tmp_path / "words", tiny=True)
    pc.write_csv(rows, fresh.folder / "articles.csv")
    (fresh.folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")

    def run(*variables: str) -> subprocess.CompletedProcess:
        command = ["make", "-f", str(ROOT / "Makefile"), "-o", "environment", "real", f"BIN={Path(sys.prefix, 'bin')}"]
        return subprocess.run([*command, *variables], cwd=fresh.folder, capture_output=True, text=True, timeout=600)

    run.folder = fresh.folder
    return run


def test_make_real_plans_a_study_of_the_users_model_and_articles(real):
    run = real("MODEL=models/gpt2", "ARTICLES=articles.csv", "ENCODER=models/distilbert", "ARGUMENTS=--dry-run")

    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    counted = dict(re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE))
    # Two rounds of three generations share generation 0; the base model writes, too.
    assert counted["finetune_passing"] == "5" and counted["classify"] == "6"
    assert counted["obtain_base_model"] == counted["train_classifier"] == counted["train_quality_detector"] == "1"


def test_make_real_measures_the_users_model(real):
    run = real(
        "MODEL=models/gpt2",
        "ARTICLES=articles.csv",
        "CONFIG=small.yaml",
        "CORES=1",
        "ARGUMENTS=--until collect_metrics",
    )

    assert run.returncode == 0, run.stdout + run.stderr
    metrics = pq.read_table(real.folder / "results-real" / "metrics.parquet").to_pylist()
    assert sorted({(row["round"], row["generation"]) for row in metrics if row["generation"] is not None}) == [
        (f"balanced_{strategy}", generation) for strategy in ("preservation", "synthetic") for generation in range(3)
    ]
    assert {row["articles"] for row in metrics} == {24}
    quality = pq.read_table(real.folder / "results-real/rounds/balanced_synthetic/generation_02/quality.parquet")
    assert "share_repetition" in quality.column_names
    assert not list((real.folder / "results-real" / "rounds").rglob("model.safetensors"))


def test_make_real_without_articles_says_what_to_do(real):
    run = real("MODEL=models/gpt2")

    assert run.returncode != 0
    assert run.stderr.startswith("make real needs ARTICLES, a table with the columns title, body and label: add")
    assert not (real.folder / "results-real").exists()
