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
TINY = Path(__file__).with_name("tiny.yaml")
AUTHORS = ROOT / "config" / "authors.yaml"
BALANCED = ("balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation")
CENTER = ("center_synthetic", "center_preservation")


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
    assert counted["share_generation"] == 3 * 11
    assert counted["train_classifier"] == 4
    assert counted["test_split"] == 2
    assert counted["obtain_base_model"] == 1
    assert "pretrain_base_model" not in counted


def versions(said, what):
    """Versions of which a dry run says that something would be done."""
    return sorted((name, int(number)) for name, number in re.findall(rf"(\w+), generation (\d\d): {what}", said))


def shared(said):
    """Files of a generation 0 that a dry run would take from another round."""
    found = re.findall(r"(\w+), generation 00: ([\w.]+) is another round's too", said)
    return {name: sorted(file for other, file in found if other == name) for name, _ in found}


CHAIN = ["articles", "config", "metadata", "model", "training_log", "training_set"]
MEASURES = ["perplexity", "predictions", "predictions_second", "quality"]


@pytest.mark.parametrize(
    ("config", "rounds", "sharing", "in_neurons"),
    [
        (
            PAPER,
            [*BALANCED, *CENTER],
            ["balanced_preservation", "balanced_accumulation", "center_preservation"],
            [*BALANCED, *CENTER],
        ),
        (
            AUTHORS,
            [*BALANCED, "balanced_beam", "balanced_nucleus", *CENTER],
            ["balanced_preservation", "balanced_accumulation", "center_preservation"],
            [*BALANCED, "balanced_beam", "balanced_nucleus"],
        ),
    ],
)
def test_every_job_of_a_shipped_study(fresh, config, rounds, sharing, in_neurons):
    """The versions themselves, not their number; nothing is fetched for it."""
    said = fresh.finish("--dry-run", configs=[config])

    trained = sorted((name, g) for name in rounds for g in range(11) if g or name not in sharing)
    assert versions(said, "fine-tuning") == versions(said, "writing articles") == trained
    assert versions(said, "choosing what it is trained on") == trained
    measured = sorted(f"rounds/{name}/generation_{g:02d}" for name, g in trained)
    measured = sorted([*measured, "base/generated/balanced", "base/generated/center"])
    for words in ("classifying", "scoring text quality", "scoring perplexity"):
        assert sorted(re.findall(rf"(\S+): {words}", said)) == measured
    read = [(name, g) for name, g in trained if name in in_neurons]
    assert versions(said, "extracting its neurons") == read
    files = {name: sorted(file.split(".")[0] for file in names) for name, names in shared(said).items()}
    assert files == {
        name: sorted([*CHAIN, *MEASURES, *(["neurons"] if name in in_neurons else [])]) for name in sharing
    }
    counted = jobs(said)
    assert counted["train_classifier"] == 4 and counted["compare_published"] == 1


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


def test_the_authors_path_with_models_in_folders(fresh, tmp_path, webis):
    """Every switch that differs from the paper's text, in one small study of the authors' eight rounds."""
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    overlay = rehearsal().make_models(tmp_path / "models", tmp_path / "words", tiny=True)
    changes = tmp_path / "changes.yaml"
    authors = yaml.safe_load(AUTHORS.read_text(encoding="utf-8"))
    balanced, center = authors["seed_sets"]
    rounds = [
        r | ({"decoding": r["decoding"] | {"beams": 2}} if r["name"] == "balanced_beam" else {})
        for r in authors["rounds"]
        if r["name"] in ("balanced_accumulation", "balanced_beam", "balanced_nucleus", "center_preservation")
    ]
    own = {
        "results": "results",
        "generations": 2,
        "corpus": {"path": str(webis)},
        "seed_sets": [balanced | {"size": 6}, center | {"size": 1520}],
        "rounds": rounds,
        "finetuning": {"epochs": 1},
        "generation": {"new_tokens": 8},
        "classifier": {"training": {"epochs": 1, "max_tokens": 64}, "max_tokens": 50},
        "neurons": {"rounds": [r["name"] for r in rounds if r["seed_set"] == "balanced"]}
        | {"permutations": {"number": 19, "sensitivity": 19}, "calibration": {"studies": 20, "neurons": 10}},
        "theory": {"samples": 2000},
    }
    changes.write_text(yaml.safe_dump(own), encoding="utf-8")

    fresh.finish(configs=[AUTHORS, overlay, changes])

    results = fresh.results
    corpus = pq.read_table(results / "corpus" / "articles.parquet").to_pandas()
    seeds = {
        name: pq.read_table(results / "corpus" / "seed_sets" / f"{name}.parquet") for name in ("balanced", "center")
    }
    drawn = {name: table["article_id"].to_pylist() for name, table in seeds.items()}
    # pandas' draw, and every center article there is, some of which the classifier has.
    rights = corpus.loc[corpus["label"] == "right", "article_id"]
    assert set(drawn["balanced"]) & set(rights) == set(rights.sample(2, random_state=42))
    assert sorted(drawn["center"]) == sorted(corpus.loc[corpus["label"] == "center", "article_id"])
    classifier = set(pq.read_table(results / "corpus" / "classifier.parquet")["article_id"].to_pylist())
    assert classifier.isdisjoint(drawn["balanced"]) and not classifier.isdisjoint(drawn["center"])
    # A line is an example, blank ones too; what accumulates is synthetic alone.
    lines = [f"{row['title']}\n{row['body']}".strip() for row in seeds["balanced"].to_pylist()]
    first = json.loads((results / "rounds" / "balanced_beam" / "generation_00" / "metadata.json").read_text())
    assert first["examples"] == sum(len(text.splitlines()) for text in lines)
    kept = pq.read_table(results / "rounds" / "balanced_accumulation" / "generation_01" / "training_set.parquet")
    assert set(kept["origin"].to_pylist()) == {"generation_00"}
    # Neurons of the balanced rounds alone, regressed in levels.
    panel = pq.read_table(results / "neurons" / "panel.parquet")
    assert len(panel) == 6 and set(panel["label"].to_pylist()) == {"right"}
    sets = pq.read_table(results / "neurons" / "sets.parquet").to_pylist()
    assert {(row["column"], row["difference"], row["reference"]) for row in sets} == {
        ("weight_mean", "levels", "normal"), ("activation_block", "levels", "normal"),
    }  # fmt: skip
    assert not (results / "rounds" / "center_preservation" / "generation_01" / "neurons.parquet").exists()
    compared = pq.read_table(results / "comparison.parquet").to_pandas()
    assert set(compared["round"].dropna()) == {"base", "balanced_accumulation", "center_preservation"}


def test_models_that_were_trained_elsewhere_are_a_rounds_models(finished, fresh, tmp_path):
    """A finished round's models, given instead of trained, write the same articles and have the same neurons."""
    models = [
        {"source": "folder", "path": str(finished.results / "rounds" / "balanced_accumulation" / f"generation_{g:02d}")}
        for g in range(3)
    ]
    classifier = {"name": "ready", "source": "folder", "path": str(finished.results / "classifier" / "selected")}
    detector = {"source": "folder", "path": str(finished.results / "quality_detector")}
    changes = {
        "base_model": {"source": "folder", "path": str(finished.results / "base")},
        "rounds": [
            {
                "name": "given",
                "seed_set": "balanced",
                "strategy": "accumulation",
                "tracked_label": "right",
                "models": models,
            },
            {"name": "trained", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"},
        ],
        "classifier": {"candidates": [classifier | {"train": False}], "splits": []},
        "quality": {"detector": detector, "training": {"max_tokens": 64}},
        "storage": {"weights": "none"},
    }
    overlay = tmp_path / "given.yaml"
    overlay.write_text(yaml.safe_dump(changes), encoding="utf-8")

    said = fresh.finish(configs=[TINY, overlay])

    for generation in range(3):
        own = fresh.results / "rounds" / "given" / f"generation_{generation:02d}"
        theirs = finished.results / "rounds" / "balanced_accumulation" / own.name
        for name in ("articles", "neurons", "predictions", "quality", "perplexity"):
            tables = [pq.read_table(folder / f"{name}.parquet") for folder in (own, theirs)]
            assert tables[0].equals(tables[1]), (name, generation)
        assert not (own / "training_set.parquet").exists() and not (own / "training_log.parquet").exists()
        assert not (own / "model.safetensors").exists()  # storage.weights is none
        told = json.loads((own / "metadata.json").read_text())
        assert told["given"]["path"] == models[generation]["path"]
    assert (fresh.results / "rounds" / "trained" / "generation_00" / "training_log.parquet").exists()
    assert jobs(said)["obtain_generation_passing"] == 3 and jobs(said)["finetune_passing"] == 3
    rows = pq.read_table(fresh.results / "metrics.parquet").to_pylist()
    assert [row["generation"] for row in rows if row["round"] == "given"] == [0, 1, 2]
    assert "Nothing to be done" in fresh.finish(configs=[TINY, overlay])


def test_time_and_memory_of_rules_are_read_from_their_logs(tmp_path):
    logs = {
        "rounds/a/generation_00/finetune": "1\ndone in 20.0 s, at most 2,000 MB of memory, 7,500 MB of the GPU's\n",
        "rounds/a/generation_01/finetune": "done in 40.0 s, at most 3,000 MB of memory\n",
        "base/generate_balanced": "done in 5.5 s, at most 900 MB of memory\n",
        "rounds/b/generation_00/share_model.safetensors": "done in 0.1 s, at most 30 MB of memory\n",
        "corpus/build": "it failed\n",
    }
    for name, text in logs.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / f"{name}.log").write_text(text, encoding="utf-8")

    lines = rehearsal().resource_table(tmp_path).splitlines()[2:]

    assert lines == [
        "| fine-tuning | 2 | 30.0 (40.0) | 60 | 3,000 | 7,500 |",
        "| writing | 1 | 5.5 (5.5) | 6 | 900 | 0 |",
        "| training sets and sharing | 1 | 0.1 (0.1) | 0 | 30 | 0 |",
    ]
