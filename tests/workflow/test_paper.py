"""The paper's config: what it would run, and the same path with small models of the real architectures in folders."""

import csv
import importlib.util
import json
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from bias_amplification.corpus.press import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

PAPER = ROOT / "config" / "paper.yaml"


def rehearsal():
    spec = importlib.util.spec_from_file_location("rehearsal", ROOT / "benchmarks" / "rehearsal.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["rehearsal"] = module
    spec.loader.exec_module(module)
    return module


def jobs(said):
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}


def test_the_papers_jobs(fresh):
    counted = jobs(fresh.finish("--dry-run", "--quiet", "rules", configs=[PAPER]))

    # 66 versions, of which 3 are a generation 0 that another round trains: 2 more balanced rounds and a center one.
    assert counted["finetune"] == counted["generate"] == counted["extract_neurons"] == 63
    assert counted["classify"] == counted["score_quality"] == counted["score_perplexity"] == 63 + 2
    assert counted["share_generation"] == 3 * 10
    assert counted["train_classifier"] == 4
    assert counted["test_split"] == 2
    assert counted["obtain_base_model"] == 1
    assert "pretrain_base_model" not in counted


def test_the_papers_rounds():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text()) | yaml.safe_load(PAPER.read_text())
    recipes = {r["name"]: (r.get("epochs"), r.get("weight_decay")) for r in config["rounds"]}

    assert recipes.pop("balanced_overfitting") == (25, 0.0)
    assert set(recipes.values()) == {(None, None)} and len(recipes) == 5
    assert config["finetuning"]["max_tokens"] == 512


@pytest.fixture
def webis(tmp_path):
    """A file as Webis-Bias-Flipper-18 ships it, written by the embedded press."""
    names = {"left": "From the Left", "center": "From the Center", "right": "From the Right"}
    path = tmp_path / "data_public.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["story_id", "title", "bias", "source", "body", "original_title", "original_body"])
        for row in write_press(24, seed=5, resources=ROOT / "resources" / "press").to_pylist():
            story = int(row["event_id"].rsplit("-", 1)[1])
            lines.writerow(
                [story, row["title"], names[row["label"]], row["outlet"], row["body"][:80], row["title"], row["body"]]
            )
    return path


def test_the_papers_path_with_models_in_folders(fresh, tmp_path, webis):
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    overlay = rehearsal().make_models(tmp_path / "models", tmp_path / "words", tiny=True)
    changes = tmp_path / "changes.yaml"
    changes.write_text(
        yaml.safe_dump(
            {
                "results": "results",
                "generations": 2,
                "corpus": {"path": str(webis)},
                "seed_sets": [
                    {"name": "balanced", "labels": ["left", "center", "right"], "size": 6},
                    {"name": "center", "labels": ["center"], "size": 4},
                ],
                "rounds": [
                    {"name": "greedy", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"},
                    {
                        "name": "nucleus",
                        "seed_set": "center",
                        "strategy": "preservation",
                        "tracked_label": "center",
                        "decoding": {"method": "nucleus"},
                    },
                ],
                "finetuning": {"epochs": 1},
                "classifier": {"training": {"epochs": 1, "max_tokens": 64}},
                "theory": {"samples": 2000},
            }
        ),
        encoding="utf-8",
    )

    fresh.finish(configs=[PAPER, overlay, changes])

    rows = pq.read_table(fresh.results / "metrics.parquet").to_pylist()
    assert [(row["round"], row["generation"]) for row in rows] == [
        ("base", None), ("base", None), ("greedy", 0), ("greedy", 1), ("nucleus", 0), ("nucleus", 1),
    ]  # fmt: skip
    # The detector's labels are read by name: its ids are not in the order of quality.
    scores = json.loads((fresh.results / "quality_detector" / "scores.json").read_text())
    assert set(scores["test"]["f1"]) == {"clean", "mild_gibberish", "word_salad", "noise"}
    seeds = pq.read_table(fresh.results / "corpus" / "seed_sets" / "balanced.parquet")
    written = pq.read_table(fresh.results / "rounds" / "greedy" / "generation_01" / "articles.parquet")
    assert written["article_id"].to_pylist() == seeds["article_id"].to_pylist()
    assert (fresh.results / "figures" / "figure_3.png").exists()
