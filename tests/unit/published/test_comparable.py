"""The published counterparts of a study, and why levels cannot be compared."""

from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bias_amplification.published.comparable import (
    ROUNDS,
    Counterparts,
    comparable,
    counterparts,
    level_departures,
    published_file,
    published_rounds,
    published_seed_sets,
)
from bias_amplification.study import read_study


@pytest.mark.parametrize("names", [(), ("paper",)])
def test_shipped_studies_have_all_published_rounds(shipped, names):
    study = read_study(shipped(*names))

    assert published_rounds(study) == {name: name for name in ROUNDS}
    assert published_seed_sets(study) == {"balanced": "balanced", "center": "center"}


def test_round_is_recognised_by_its_settings_not_its_name(shipped):
    rounds = [
        {"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"},
        {"name": "b", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "left"},
        {"name": "c", "seed_set": "center", "strategy": "accumulation", "tracked_label": "center"},
        {"name": "d", "seed_set": "center", "strategy": "synthetic", "tracked_label": "center"},
    ]
    rounds[1]["decoding"] = {"method": "beam"}
    # A mitigation is no replication.
    rounds.append({**rounds[0], "name": "e", "held": {"outcome": "bias", "size": 3, "rounds": ["a"]}})

    found = published_rounds(read_study(shipped(rounds=rounds)))

    assert found == {"a": "balanced_synthetic", "d": "center_synthetic"}


def test_other_labels_have_no_counterpart(config):
    study = read_study(config)

    assert published_rounds(study) == {} and published_seed_sets(study) == {}
    assert not comparable(study)


def test_shares_of_another_label_set_have_no_counterpart(posts):
    center = [{"name": "both", "labels": ["center"], "size": 12}]
    study = read_study(posts("center", "other", seed_sets=center))

    assert published_seed_sets(study) == {} and not comparable(study)


@pytest.mark.parametrize(("seed_set", "expected"), [("balanced", True), ("center", True), ("right", False)])
def test_a_study_is_comparable_if_a_round_starts_from_a_published_seed_set(shipped, seed_set, expected):
    seed_sets = [*shipped()["seed_sets"], {"name": "right", "labels": ["right"], "size": 12}]
    rounds = [{"name": "a", "seed_set": seed_set, "strategy": "fixed", "tracked_label": "right"}]

    assert comparable(read_study(shipped(seed_sets=seed_sets, rounds=rounds))) is expected


def test_embedded_study_compares_no_level(shipped):
    found = level_departures(read_study(shipped()))

    assert set(found) == {"bias", "quality", "perplexity", "classifier", "neurons"}
    assert found["bias"] == "the corpus is press and not webis, the base model is the run's own and not GPT-2 124M"
    assert found["classifier"] == "the corpus is press and not webis"


def test_papers_study_compares_all_levels_but_the_quality_index(shipped):
    assert level_departures(read_study(shipped("paper"))) == {
        "quality": "the published index cuts at periods and quality.splitter is sentence"
    }
    assert level_departures(read_study(shipped("paper", quality={"splitter": "period"}))) == {}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"base_model": {"source": "folder", "path": "gpt2"}}, {"bias", "quality", "perplexity", "neurons"}),
        ({"base_model": {"hub_id": "facebook/opt-125m"}}, {"bias", "quality", "perplexity", "neurons"}),
        ({"perplexity": {"max_tokens": 512}}, {"quality", "perplexity"}),
        ({"quality": {"detector": {"hub_id": "someone/else"}}}, {"quality"}),
        ({"quality": {"detector": {"train": True}, "splitter": "period"}}, {"quality"}),
        ({"quality": {"splitter": "period"}}, set()),
        ({"corpus": {"source": "article_bias_prediction"}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"corpus": {"sample": 3000}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"corpus": {"where": {"outlet": "CNN"}}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"corpus": {"where": {"outlet": None}}}, {"quality"}),
        ({"comparison": {"level": "direction"}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"comparison": {"level": "level"}, "base_model": {"source": "folder", "path": "gpt2"}}, set()),
    ],
)
def test_keys_that_prevent_the_comparison_of_levels(shipped, changes, kinds):
    assert set(level_departures(read_study(shipped("paper", **changes)))) == kinds


def test_counterparts_survive_the_way_through_the_workflow(shipped):
    """The workflow passes them on as plain values."""
    found = counterparts(read_study(shipped()))

    assert TypeAdapter(Counterparts).validate_python(asdict(found)) == found
    assert found.labels == ["left", "center", "right"] and found.rounds["center_synthetic"] == "center_synthetic"


def test_path_of_published_files_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    path = Path(published_file("statements.csv"))

    assert not path.is_absolute() and path.exists()
