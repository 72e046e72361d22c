"""Replicates of every strategy: which files a raised number or a deleted file makes again, and what they hold."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from studies import TINY, Study, make_study

from bias_amplification.seeds import derive_seed
from bias_amplification.study.sections import Strategies
from bias_amplification.study.strategies import Material
from bias_amplification.study.training_sets import training_texts
from helpers import checksums

pytestmark = pytest.mark.slow

STRATEGIES = [
    "synthetic",
    "subsampled_accumulation",
    "label_weighted_preservation",
    "label_weighted_synthetic",
    "quality_pruning",
    "human_likeness",
    "real",
    "fixed",
    "shuffled",
]
#: Strategies whose rounds are raised to two replicates.
RAISED = ["synthetic", "real", "fixed"]
STAGES = ("chain", "measures", "corpus", "base", "human_likeness")


def overlay(folder: Path, number: int) -> Path:
    """Write an overlay with a round of each strategy, of which some have this number of replicates."""
    rounds = [
        {"name": name, "seed_set": "balanced", "strategy": name, "tracked_label": "right"}
        | ({"replicates": {"number": number}} if name in RAISED else {})
        for name in STRATEGIES
    ]
    changes = {
        "generations": 2,
        "rounds": rounds,
        "seed_sets": [{"name": "balanced", "labels": ["left", "center", "right"], "size": 12}],
        "replicates": {"number": 1, "articles": "redrawn", "reserve": 2},
        "strategies": {"preserved_share": 0.5, "detector_articles": 20},
        "classifier": {"candidates": [{"name": "small", "layers": 1, "width": 32, "heads": 2, "vocabulary": 600}]},
        "compute": {"device": "cpu"},
    }
    path = folder / f"replicates_{number}.yaml"
    path.write_text(yaml.safe_dump(changes), encoding="utf-8")
    return path


def made(study: Study) -> dict[str, str]:
    """Return the checksums of the tables and weights of all versions, of the corpus and of the classifier."""
    files = [path for kind in ("parquet", "safetensors") for path in study.results.rglob(f"*.{kind}")]
    found = checksums(files, study.results)
    return {path: total for path, total in found.items() if path.split("/")[0] in ("rounds", "corpus", "classifier")}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> tuple[Study, dict[str, str], str]:
    """A finished study of one replicate that was raised to two; its files before, and the output of the second run."""
    folder = tmp_path_factory.mktemp("replicates")
    study = make_study(folder / "study")
    study.finish(configs=[TINY, overlay(folder, 1)], targets=STAGES)
    before = made(study)
    output = study.finish(configs=[TINY, overlay(folder, 2)], targets=STAGES)
    return study, before, output


def rows(study: Study, chain: str, table: str = "training_set", generation: int = 1) -> list[dict]:
    return pq.read_table(study.results / f"rounds/{chain}/generation_0{generation}/{table}.parquet").to_pylist()


def test_a_raised_number_makes_only_the_new_replicates(grown):
    study, before, output = grown
    after = made(study)

    assert {path: after[path] for path in before} == before
    new = {path for path in after if path not in before}
    assert {path.split("/")[2] for path in new} == {"replicate_02"}
    assert "training candidate" not in output and "Base model: pretraining" not in output
    # One generation 0, which all rounds share, and a generation 1 of each round.
    assert output.count(": fine-tuning:") == 1 + len(RAISED)
    metrics = pq.read_table(study.results / "metrics.parquet").to_pandas()
    assert len(metrics) == 2 + 2 * (len(STRATEGIES) + len(RAISED))
    replicates = metrics.groupby("round")["replicate"].nunique().to_dict()
    assert replicates == {"base": 2} | {name: 1 + (name in RAISED) for name in STRATEGIES}


def test_replicates_have_other_articles_and_other_weights(grown):
    study, _, _ = grown
    first, second = (
        pq.read_table(study.results / f"corpus/seed_sets/{draw}.parquet")
        for draw in ("balanced", "balanced/replicate_02")
    )
    classifier = pq.read_table(study.results / "corpus/classifier.parquet")["article_id"].to_pylist()

    ids = [set(table["article_id"].to_pylist()) for table in (first, second)]
    assert len(ids[0] | ids[1]) == 24
    assert not (ids[0] | ids[1]) & set(classifier)
    assert [row["article_id"] for row in rows(study, "synthetic/replicate_02", "articles")] == second[
        "article_id"
    ].to_pylist()
    weights = {
        (study.results / f"rounds/{chain}/generation_01/model.safetensors").read_bytes()
        for name in RAISED
        for chain in (name, f"{name}/replicate_02")
    }
    assert len(weights) == 2 * len(RAISED)


def test_training_sets_of_all_strategies(grown):
    study, _, _ = grown
    origins = {name: [row["origin"] for row in rows(study, name)] for name in STRATEGIES}

    assert {name: len(found) for name, found in origins.items()} == dict.fromkeys(STRATEGIES, 12) | {
        "label_weighted_preservation": 18,
        "quality_pruning": 9,
    }
    for name in ("synthetic", "label_weighted_synthetic", "quality_pruning", "shuffled"):
        assert set(origins[name]) == {"generation_00"}, name
    assert origins["label_weighted_preservation"].count("seed_set") == 6
    titles = [(row["article_id"], row["title_id"]) for row in rows(study, "shuffled")]
    assert all(own != title for own, title in titles)


@pytest.mark.parametrize("replicate", ["", "/replicate_02"])
def test_training_sets_of_both_replicates(grown, replicate):
    study, _, _ = grown
    origins = {name: [row["origin"] for row in rows(study, name + replicate)] for name in RAISED}

    assert set(origins["synthetic"]) == {"generation_00"}
    assert set(origins["real"]) == {"real"}
    assert set(origins["fixed"]) == {"seed_set"}
    real = pq.read_table(study.results / f"corpus/real/balanced{replicate}.parquet")["article_id"].to_pylist()
    assert [row["article_id"] for row in rows(study, f"real{replicate}")] == real


def test_resampling_follows_the_detectors_probability(grown):
    study, _, _ = grown
    scores = {}
    for origin, place in (
        ("seed_set", "human_likeness/seed_sets/balanced"),
        ("generation_00", "rounds/human_likeness/generation_00/human_likeness"),
    ):
        table = pq.read_table(study.results / f"{place}.parquet").to_pydict()
        scores |= {(origin, i): p for i, p in zip(table["article_id"], table["probability_human"], strict=True)}
    assert all(0 <= p <= 1 for p in scores.values()) and len(scores) == 24

    ids = pq.read_table(study.results / "corpus/seed_sets/balanced.parquet")["article_id"].to_pylist()
    human = {origin: np.array([scores[origin, i] for i in ids]) for origin in ("seed_set", "generation_00")}
    seed = derive_seed(42, "training_set", "human_likeness", 1)
    expected = training_texts("human_likeness", Material(ids, 1, human=human), Strategies(), seed)
    assert rows(study, "human_likeness") == expected.to_pylist()


def test_deleted_files_of_the_detector_are_made_again(grown, tmp_path):
    study, _, _ = grown
    deleted = {
        "human_likeness/articles.parquet": "draw_detector_articles",
        "human_likeness/machine.parquet": "generate_detector_articles",
        "human_likeness/labelled.parquet": "label_detector_articles",
        "human_likeness/detector/scores.json": "train_machine_text_detector",
        "human_likeness/seed_sets/balanced.parquet": "score_human_likeness_of_seed_set",
        "rounds/human_likeness/generation_00/human_likeness.parquet": "score_human_likeness",
    }
    for number, file in enumerate(deleted):
        (study.results / file).rename(tmp_path / str(number))

    output = study.query("--dry-run", "--quiet", "rules", configs=[TINY, overlay(tmp_path, 2)], targets=["all"])

    for number, file in enumerate(deleted):
        (tmp_path / str(number)).rename(study.results / file)
    assert set(deleted.values()) <= set(output.split())


def test_real_articles_beside_all_seed_sets_are_from_one_order(tmp_path):
    changes = {
        "generations": 3,
        "rounds": [
            {"name": name, "seed_set": name, "strategy": "real", "tracked_label": "center"}
            for name in ("balanced", "center")
        ],
    }
    config = tmp_path / "real.yaml"
    config.write_text(yaml.safe_dump(changes), encoding="utf-8")
    study = make_study(tmp_path / "study")
    files = {name: study.results / f"corpus/real/{name}.parquet" for name in ("balanced", "center")}

    study.finish(configs=[TINY, config], targets=[f"results/corpus/real/{name}.parquet" for name in files])

    tables = {name: pq.read_table(path).to_pandas() for name, path in files.items()}
    ids = {name: set(table["article_id"][table["label"] == "center"]) for name, table in tables.items()}
    assert {name: len(found) for name, found in ids.items()} == {"balanced": 8, "center": 12}
    assert ids["balanced"] < ids["center"]


def test_a_deleted_file_remakes_its_own_replicate_alone(grown, tmp_path):
    study, _, _ = grown
    before = made(study)
    config = overlay(tmp_path, 2)
    (study.results / "rounds/fixed/replicate_02/generation_01/model.safetensors").unlink()

    output = study.finish(configs=[TINY, config], targets=STAGES)

    assert output.count(": fine-tuning:") == 1
    assert "fixed/replicate_02, generation 01: fine-tuning" in output
    assert made(study) == before
    assert "Nothing to be done" in study.query("--dry-run", configs=[TINY, config], targets=STAGES)
