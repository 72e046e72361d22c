"""Which of a study's rounds are the paper's, and what keeps levels from being compared: read off the config."""

import pytest

from bias_amplification.study import read_study
from bias_amplification.study.comparable import ROUNDS, level_departures, published_rounds, published_seed_sets


@pytest.mark.parametrize("names", [(), ("paper",)])
def test_the_shipped_studies_have_the_papers_rounds(shipped, names):
    study = read_study(shipped(*names))

    assert published_rounds(study) == {name: name for name in ROUNDS}
    assert published_seed_sets(study) == {"balanced": "balanced", "center": "center"}


def test_a_round_is_known_by_what_it_does_and_not_by_its_name(shipped):
    rounds = [
        {"name": "a", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"},
        {"name": "b", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "left"},
        {"name": "c", "seed_set": "center", "strategy": "accumulation", "tracked_label": "center"},
        {"name": "d", "seed_set": "center", "strategy": "synthetic", "tracked_label": "center"},
    ]
    rounds[1]["decoding"] = {"method": "beam"}

    found = published_rounds(read_study(shipped(rounds=rounds)))

    assert found == {"a": "balanced_synthetic", "d": "center_synthetic"}


def test_other_labels_have_no_counterpart(config):
    study = read_study(config)

    assert published_rounds(study) == {} and published_seed_sets(study) == {}


def test_the_embedded_study_compares_no_level(shipped):
    found = level_departures(read_study(shipped()))

    assert set(found) == {"bias", "quality", "perplexity", "classifier", "neurons"}
    assert found["bias"] == "the corpus is press and not webis, the base model is the run's own and not GPT-2 124M"
    assert found["classifier"] == "the corpus is press and not webis"


def test_the_papers_study_compares_all_but_the_index_that_it_cuts_otherwise(shipped):
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
        ({"corpus": {"source": "article_bias_prediction"}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"comparison": {"level": "direction"}}, {"bias", "quality", "perplexity", "classifier", "neurons"}),
        ({"comparison": {"level": "level"}, "base_model": {"source": "folder", "path": "gpt2"}}, set()),
    ],
)
def test_what_a_key_takes_away(shipped, changes, kinds):
    assert set(level_departures(read_study(shipped("paper", **changes)))) == kinds
