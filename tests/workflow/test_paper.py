"""The paper's and the authors' configs: which jobs they plan, and small studies with models from folders."""

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from studies import TINY

from bias_amplification.corpus.press import write_press
from bias_amplification.language_model.pretrain import save_tokenizer, train_tokenizer
from helpers import ROOT

pytestmark = pytest.mark.slow

PAPER = ROOT / "config" / "paper.yaml"
AUTHORS = ROOT / "config" / "authors.yaml"
BALANCED = ("balanced_synthetic", "balanced_overfitting", "balanced_preservation", "balanced_accumulation")
CENTER = ("center_synthetic", "center_preservation")
#: Stages up to the neurons, without figures and tables for readers.
STAGES = ["chain", "measures", "neurons"]
#: What the paper is compared with.
PUBLISHED = ["results/figures/figure_3.png", "results/tables/comparison.csv", "results/tables/comparison_summary.csv"]
FEW_PERMUTATIONS = {"permutations": {"number": 19, "sensitivity": 19}, "calibration": {"studies": 20, "neurons": 10}}


def count_jobs(output: str) -> dict[str, int]:
    """Return the number of jobs of each rule, from Snakemake's table."""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


def test_the_jobs_of_the_papers_study(fresh):
    counted = count_jobs(fresh.query("--dry-run", "--quiet", "rules", configs=[PAPER]))

    # 66 versions, of which 3 are a generation 0 that another round trains: 2 balanced ones and a center one.
    assert counted["finetune"] == counted["generate"] == counted["extract_neurons"] == 63
    assert counted["classify"] == counted["score_quality"] == counted["score_perplexity"] == 63 + 2
    assert counted["examine_texts"] == 63 + 2
    assert counted["share_generation"] == 3 * 13
    assert counted["train_classifier"] == 4
    assert counted["test_split"] == 2
    assert counted["obtain_base_model"] == 1
    assert "pretrain_base_model" not in counted


def files_by_rule(summary: str) -> dict[str, list[Path]]:
    """Return the planned files of each rule, below the results, from the table that --summary prints."""
    found: dict[str, list[Path]] = {}
    for file, rule in re.findall(r"^(\S+)\t[^\t]+\t(\w+)\t", summary, re.MULTILINE):
        if rule != "rule":
            found.setdefault(rule, []).append(Path(file).relative_to(Path(file).parts[0]))
    return found


def versions(files: Iterable[Path]) -> list[tuple[str, int]]:
    """Return the rounds and generations in whose folders files are."""
    folders = {file.parent for file in files}
    return sorted((folder.parts[1], int(folder.name.removeprefix("generation_"))) for folder in folders)


CHAIN_FILES = ["articles", "config", "metadata", "model", "training_log", "training_set"]
MEASURES = ["degeneration", "diversity", "perplexity", "predictions", "predictions_second", "quality"]


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
    ids=["paper", "authors"],
)
def test_the_versions_of_a_shipped_study(fresh, config, rounds, sharing, in_neurons):
    files = files_by_rule(fresh.query("--summary", configs=[config]))

    trained = sorted((name, g) for name in rounds for g in range(11) if g or name not in sharing)
    for rule in ("compose_training_set", "finetune", "generate"):
        assert versions(files[rule]) == trained, rule
    measured = {f"rounds/{name}/generation_{g:02d}" for name, g in trained}
    measured |= {"base/generated/balanced", "base/generated/center"}
    for rule in ("examine_texts", "classify", "score_quality", "score_perplexity"):
        assert {str(file.parent) for file in files[rule]} == measured, rule
    assert versions(files["extract_neurons"]) == [(name, g) for name, g in trained if name in in_neurons]
    shared = files["share_generation"]
    assert versions(shared) == sorted((name, 0) for name in sharing)
    for name in sharing:
        expected = [*CHAIN_FILES, *MEASURES, *(["neurons"] if name in in_neurons else [])]
        assert sorted(file.stem for file in shared if file.parts[1] == name) == sorted(expected)
    assert len({file.parent for file in files["train_classifier"]}) == 4
    assert files["compare_published"] == [Path("comparison.parquet")]


def test_the_recipes_of_the_papers_rounds():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text()) | yaml.safe_load(PAPER.read_text())
    recipes = {r["name"]: (r.get("epochs"), r.get("weight_decay")) for r in config["rounds"]}

    assert recipes.pop("balanced_overfitting") == (25, 0.0)
    assert set(recipes.values()) == {(None, None)} and len(recipes) == 5
    assert config["finetuning"]["max_tokens"] == 512


@pytest.fixture
def webis(tmp_path):
    """A file in the format of Webis-Bias-Flipper-18, with articles of the embedded press."""
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


@pytest.fixture
def models(benchmark, tmp_path):
    """An overlay that replaces the models of the hub by small models of the same architectures in folders."""
    texts = [row["body"] for row in write_press(10, seed=6, resources=ROOT / "resources" / "press").to_pylist()]
    save_tokenizer(train_tokenizer(texts, 400), tmp_path / "words")
    return benchmark("rehearsal").make_models(tmp_path / "models", tmp_path / "words", tiny=True)


def test_the_papers_study_with_models_from_folders(fresh, tmp_path, webis, models):
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
                "neurons": FEW_PERMUTATIONS,
                "theory": {"samples": 2000},
            }
        ),
        encoding="utf-8",
    )

    fresh.finish(configs=[PAPER, models, changes], targets=[*STAGES, *PUBLISHED])

    rows = pq.read_table(fresh.results / "metrics.parquet").to_pylist()
    assert [(row["round"], row["generation"]) for row in rows] == [
        ("base", None), ("base", None), ("greedy", 0), ("greedy", 1), ("nucleus", 0), ("nucleus", 1),
    ]  # fmt: skip
    # The detector's labels are read by name, because its ids are not in the order of quality.
    scores = json.loads((fresh.results / "quality_detector" / "scores.json").read_text())
    assert set(scores["test"]["f1"]) == {"clean", "mild_gibberish", "word_salad", "noise"}
    seeds = pq.read_table(fresh.results / "corpus" / "seed_sets" / "balanced.parquet")
    written = pq.read_table(fresh.results / "rounds" / "greedy" / "generation_01" / "articles.parquet")
    assert written["article_id"].to_pylist() == seeds["article_id"].to_pylist()
    assert (fresh.results / "figures" / "figure_3.png").exists()


def test_the_authors_study_with_models_from_folders(fresh, tmp_path, webis, models):
    """Four of the authors' eight rounds use every setting that differs from the paper's."""
    changes = tmp_path / "changes.yaml"
    authors = yaml.safe_load(AUTHORS.read_text(encoding="utf-8"))
    balanced, center = authors["seed_sets"]
    rounds = [
        r | ({"decoding": r["decoding"] | {"beams": 2}} if r["name"] == "balanced_beam" else {})
        for r in authors["rounds"]
        if r["name"] in ("balanced_accumulation", "balanced_beam", "balanced_nucleus", "center_preservation")
    ]
    small = {
        "results": "results",
        "generations": 2,
        "corpus": {"path": str(webis)},
        "seed_sets": [balanced | {"size": 6}, center | {"size": 1520}],
        "rounds": rounds,
        "finetuning": {"epochs": 1},
        "generation": {"new_tokens": 8},
        "classifier": {"training": {"epochs": 1, "max_tokens": 64}, "max_tokens": 50},
        "neurons": {"rounds": [r["name"] for r in rounds if r["seed_set"] == "balanced"], **FEW_PERMUTATIONS},
        "theory": {"samples": 2000},
    }
    changes.write_text(yaml.safe_dump(small), encoding="utf-8")

    fresh.finish(configs=[AUTHORS, models, changes], targets=[*STAGES, "results/comparison.parquet"])

    results = fresh.results
    corpus = pq.read_table(results / "corpus" / "articles.parquet").to_pandas()
    seeds = {
        name: pq.read_table(results / "corpus" / "seed_sets" / f"{name}.parquet") for name in ("balanced", "center")
    }
    drawn = {name: table["article_id"].to_pylist() for name, table in seeds.items()}
    # Pandas draws the balanced seed set. The center one has all center articles, also some of the classifier's.
    rights = corpus.loc[corpus["label"] == "right", "article_id"]
    assert set(drawn["balanced"]) & set(rights) == set(rights.sample(2, random_state=42))
    assert sorted(drawn["center"]) == sorted(corpus.loc[corpus["label"] == "center", "article_id"])
    classifier = set(pq.read_table(results / "corpus" / "classifier.parquet")["article_id"].to_pylist())
    assert classifier.isdisjoint(drawn["balanced"]) and not classifier.isdisjoint(drawn["center"])
    # Each line is an example, blank lines included. Only synthetic articles accumulate.
    texts = [f"{row['title']}\n{row['body']}".strip() for row in seeds["balanced"].to_pylist()]
    first = json.loads((results / "rounds" / "balanced_beam" / "generation_00" / "metadata.json").read_text())
    assert first["examples"] == sum(len(text.splitlines()) for text in texts)
    accumulated = pq.read_table(results / "rounds" / "balanced_accumulation" / "generation_01" / "training_set.parquet")
    assert set(accumulated["origin"].to_pylist()) == {"generation_00"}
    # The regression uses the neurons of the balanced rounds and levels instead of differences.
    panel = pq.read_table(results / "neurons" / "panel.parquet")
    assert len(panel) == 6 and set(panel["label"].to_pylist()) == {"right"}
    sets = pq.read_table(results / "neurons" / "sets.parquet").to_pylist()
    assert {(row["column"], row["difference"], row["reference"]) for row in sets} == {
        ("weight_mean", "levels", "normal"), ("activation_block", "levels", "normal"),
    }  # fmt: skip
    assert not (results / "rounds" / "center_preservation" / "generation_01" / "neurons.parquet").exists()
    compared = pq.read_table(results / "comparison.parquet").to_pandas()
    assert set(compared["round"].dropna()) == {"base", "balanced_accumulation", "center_preservation"}


def test_a_round_can_have_given_models(finished, fresh, tmp_path):
    """The models of a finished round, given instead of trained, write the same articles and have the same neurons."""
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

    output = fresh.finish(configs=[TINY, overlay], targets=STAGES)

    for generation in range(3):
        own = fresh.results / "rounds" / "given" / f"generation_{generation:02d}"
        original = finished.results / "rounds" / "balanced_accumulation" / own.name
        for name in ("articles", "neurons", "predictions", "quality", "perplexity"):
            tables = [pq.read_table(folder / f"{name}.parquet") for folder in (own, original)]
            assert tables[0].equals(tables[1]), (name, generation)
        assert not (own / "training_set.parquet").exists() and not (own / "training_log.parquet").exists()
        assert not (own / "model.safetensors").exists()  # storage.weights is none
        metadata = json.loads((own / "metadata.json").read_text())
        assert metadata["given"]["path"] == models[generation]["path"]
    assert (fresh.results / "rounds" / "trained" / "generation_00" / "training_log.parquet").exists()
    counted = count_jobs(output)
    assert counted["obtain_generation_passing"] == 3 and counted["finetune_passing"] == 3
    rows = pq.read_table(fresh.results / "metrics.parquet").to_pylist()
    assert [row["generation"] for row in rows if row["round"] == "given"] == [0, 1, 2]
    assert "Nothing to be done" in fresh.query("--dry-run", configs=[TINY, overlay], targets=STAGES)
