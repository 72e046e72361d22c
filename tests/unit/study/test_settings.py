"""The config: what it accepts, and the sentence that each fault gets."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bias_amplification.artifacts import StudyError
from bias_amplification.study import check_paths, read_study

ROOT = Path(__file__).parents[3]
REVISION = "0123456789abcdef" * 2 + "01234567"
REMOVED = object()
ALL = {"name": "balanced", "labels": ["red", "green", "blue"], "size": 12}
GREEN = {"name": "green", "labels": ["green"], "size": 12}


def changed(config: dict, key: str, value: Any) -> dict:
    """A copy of a config with the value at a dotted key changed; numbers in the key count rows of a list."""
    config = deepcopy(config)
    part: Any = config
    *path, last = [int(name) if name.isdigit() else name for name in key.split(".")]
    for name in path:
        part = part[name] if isinstance(name, int) else part.setdefault(name, {})
    if value is REMOVED:
        del part[last]
    else:
        part[last] = value
    return config


def fault(config: dict) -> str:
    with pytest.raises(StudyError) as caught:
        read_study(config)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_defaults_are_filled_in(config: dict) -> None:
    study = read_study(config)

    assert study.finetuning.learning_rate == 5e-5
    assert study.rounds[1].weight_decay == 0.0
    assert study.rounds[0].weight_decay is None
    assert study.seed_sets[0].labels == ["red", "green", "blue"]


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_shipped_configs_are_studies(file: str) -> None:
    merged = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    _merge(merged, yaml.safe_load((ROOT / "config" / file).read_text()))

    assert len(read_study(merged).rounds) >= 1


def _merge(below: dict, above: dict) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _merge(below[key], value)
        else:
            below[key] = value


def test_a_study_never_changes(config: dict) -> None:
    study = read_study(config)
    with pytest.raises(ValidationError):
        study.seed = 8


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("generations", 101, "generations is 101, but: input should be less than or equal to 100"),
        ("results", "", "results is '', but"),
        ("corpus.labels", ["red", "green", "blue", False], "corpus.labels.3 is False, but must be text (YAML reads no"),
        ("finetunning", {}, "finetunning is no key of the config: correct its spelling"),
        ("corpus.cleaning.min_wrods", 3, "corpus.cleaning.min_wrods is no key of the config"),
        ("rounds.2.startegy", "synthetic", "rounds.2.startegy is no key of the config"),
        ("rounds", REMOVED, "rounds is missing: add it"),
        ("seed_sets.1.size", REMOVED, "seed_sets.1.size is missing: add it"),
        ("corpus", "press", "corpus is 'press', but: input should be a valid dictionary"),
        ("finetuning.epochs", 2.5, "finetuning.epochs is 2.5, but: input should be a valid integer"),
        ("finetuning.epochs", "5", "finetuning.epochs is '5', but: input should be a valid integer"),
        ("finetuning.epochs", True, "finetuning.epochs is True, but: input should be a valid integer"),
        ("finetuning.epochs", 0, "finetuning.epochs is 0, but: input should be greater than or equal to 1"),
        (
            "finetuning.learning_rate",
            "5e-5",
            "finetuning.learning_rate is '5e-5', but: input should be a valid number "
            "(YAML reads 5e-5 as text: write 5.0e-5)",
        ),
        ("finetuning.learning_rate", float("inf"), "finetuning.learning_rate is inf, but"),
        (
            "finetuning.example",
            "paragraph",
            "finetuning.example is 'paragraph', but: input should be 'article' or 'line'",
        ),
        ("compute.warm", 1, "compute.warm is 1, but: input should be a valid boolean"),
        ("rounds.0.decoding", {"method": "nucleus", "top_p": 1.5}, "rounds.0.decoding.top_p is 1.5, but"),
        ("rounds.0.name", "two words", "rounds.0.name is 'two words', but"),
        ("rounds.0.name", "../up", "rounds.0.name is '../up', but"),
        ("rounds", [], "rounds is [], but"),
        ("neurons.lags", -1, "neurons.lags is -1, but must be a whole number from 0 up, or plugin"),
        ("neurons.lags", "plug", "neurons.lags is 'plug', but must be a whole number"),
        ("storage.weights", 0, "storage.weights is 0, but must be all, none, or a whole number from 1 up."),
        ("storage.weights", "some", "storage.weights is 'some', but must be all, none, or a whole number"),
        ("storage.weights", None, "storage.weights is None, but must be all, none, or a whole number"),
        ("rounds.1.name", "balanced_synthetic", "rounds has the same name twice: rename one"),
        ("seed_sets", [ALL, ALL, GREEN], "seed_sets has the same name twice: rename one"),
        ("classifier.candidates", [{"name": "a"}, {"name": "a"}], "classifier.candidates has the same name twice"),
        ("classifier.candidates", [{"name": "selected"}], "classifier.candidates may not be called selected"),
        ("classifier.candidates", [{"name": "second"}], "classifier.candidates may not be called second"),
        ("classifier.candidates", [{"name": "splits"}], "classifier.candidates may not be called splits"),
        ("rounds.0.name", "base", "rounds may not be called base"),
        ("corpus.labels", ["red", "green", "blue", "red"], "corpus.labels names a label twice"),
        ("corpus.label_map", {"r": "rot"}, "corpus.label_map leads to 'rot', which corpus.labels lacks"),
        ("corpus.source", "table", "corpus.path is needed with corpus.source table"),
        ("seed_sets.1.labels", ["gren"], "seed_sets green: labels is 'gren', which corpus.labels does not have"),
        ("seed_sets.0.labels", ["red", "red"], "seed_sets balanced: labels names a label twice"),
        ("seed_sets.0.size", 13, "seed_sets balanced: size must be a multiple of 3"),
        (
            "rounds.0.seed_set",
            "balance",
            "rounds balanced_synthetic: seed_set is 'balance', which seed_sets does not have",
        ),
        ("rounds.0.tracked_label", "left", "rounds balanced_synthetic: tracked_label is 'left', which corpus.labels"),
        ("neurons.probe_set", "other", "neurons.probe_set is 'other', which seed_sets does not have"),
        ("neurons.tracked_label", "left", "neurons.tracked_label is 'left', which corpus.labels does not have"),
        ("example.label", "left", "example.label is 'left', which corpus.labels does not have"),
        ("example.round", "none", "example.round is 'none', which rounds does not have"),
        ("base_model.pretraining.label_mix", {"left": 1.0}, "base_model.pretraining.label_mix is 'left', which corpus"),
        ("base_model.pretraining.label_mix", {"red": 0, "blue": None}, "label_mix gives no label a share"),
        ("base_model.pretraining.label_mix.red", -0.5, "base_model.pretraining.label_mix.red is -0.5, but"),
        ("base_model.pretraining.heads", 5, "base_model.pretraining.heads must divide base_model.pretraining.width"),
        ("base_model", {"source": "hub", "hub_id": "gpt2"}, "base_model: source hub needs hub_id and revision"),
        ("base_model", {"source": "hub", "hub_id": "gpt2", "revision": "main"}, "base_model.revision is 'main', but"),
        ("base_model", {"source": "folder"}, "base_model: source folder needs path"),
        (
            "quality.detector",
            {"source": "hub", "hub_id": "x"},
            "quality.detector: source hub needs hub_id and revision",
        ),
        ("quality.detector.labels", {"noise": "bad"}, "quality.detector.labels.noise is 'bad', but"),
        ("classifier.candidates", [{"name": "a", "heads": 3}], "classifier.candidates.0: heads must divide width"),
        ("classifier.candidates", [{"name": "a", "source": "folder"}], "classifier.candidates.0: source folder needs"),
        (
            "classifier.candidates",
            [{"name": "a", "train": False}],
            "classifier.candidates.0: train false needs a classifier that is ready",
        ),
        (
            "classifier.candidates",
            [{"name": "a", "labels": {"LABEL_0": "red"}}],
            "classifier.candidates.0: labels is for a classifier that is ready",
        ),
        (
            "classifier.candidates",
            [{"name": "a", "source": "folder", "path": "p", "train": False, "labels": {"LABEL_0": "left"}}],
            "classifier.candidates a: labels is 'left', which corpus.labels does not have",
        ),
        ("neurons.rounds", ["none"], "neurons.rounds is 'none', which rounds does not have"),
        ("neurons.rounds", [], "neurons.rounds"),
        (
            "rounds.0.models",
            [{"source": "folder", "path": "p"}],
            "rounds balanced_synthetic: models has 1 rows and gene",
        ),
        ("rounds.0.models", [{"source": "pretrain"}], "rounds.0.models.0.source is 'pretrain', but"),
        (
            "rounds.0.models",
            [{"source": "hub", "hub_id": "a/b"}],
            "rounds.0.models.0: source hub needs hub_id and",
        ),
        (
            "rounds.1.models",
            [{"source": "folder", "path": "p"}] * 11,
            "rounds balanced_overfitting: epochs and weight_decay train nothing beside models",
        ),
        ("seed_sets.0.draw", "sorted", "seed_sets.0.draw is 'sorted', but"),
        ("finetuning.max_tokens", 513, "finetuning.max_tokens is 513, above base_model.pretraining.context 512"),
        ("generation.block_tokens", 449, "generation.block_tokens + generation.new_tokens is 513, above"),
    ],
)
def test_fault_names_its_key(config: dict, key: str, value: Any, sentence: str) -> None:
    message = fault(changed(config, key, value))

    assert message.startswith("The config has a fault: ")
    assert sentence in message


def test_several_faults_are_told_at_once(config: dict) -> None:
    message = fault(changed(changed(config, "sede", 3), "finetuning.epochs", 0))

    assert message.startswith("The config has 2 faults: ")
    assert "sede is no key" in message
    assert "finetuning.epochs is 0" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finetuning.learning_rate", 1),
        ("neurons.lags", "plugin"),
        ("neurons.lags", 0),
        ("example.label", None),
        # An overlay cannot remove a key of a map below it, only empty it.
        ("base_model.pretraining.label_mix.left", None),
        ("corpus.label_map", {"r": "red", "x": None}),
        ("base_model", {"source": "hub", "hub_id": "gpt2", "revision": REVISION}),
        ("finetuning.max_tokens", 512),
    ],
)
def test_accepted(config: dict, key: str, value: Any) -> None:
    assert read_study(changed(config, key, value)).name == "small"


def test_limits_of_a_model_from_elsewhere_are_not_guessed(config: dict) -> None:
    config = changed(config, "base_model", {"source": "folder", "path": "models/long"})

    assert read_study(changed(config, "finetuning.max_tokens", 4096)).finetuning.max_tokens == 4096


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("corpus.path", "none.zip", "corpus.path leads to none.zip"),
        ("corpus.identity.review_file", "none.csv", "corpus.identity.review_file leads to none.csv"),
        ("corpus.identity.outlets_file", "none.csv", "corpus.identity.outlets_file leads to none.csv"),
        ("base_model.pretraining.tokenizer", "none", "base_model.pretraining.tokenizer leads to none/tokenizer.json"),
        ("base_model", {"source": "folder", "path": "none"}, "base_model.path"),
        ("quality.detector", {"source": "folder", "path": "none"}, "quality.detector.path"),
        ("classifier.candidates", [{"name": "a", "source": "folder", "path": "none"}], "classifier.candidates a.path"),
        ("rounds.0.models", [{"source": "folder", "path": "none"}] * 11, "rounds balanced_synthetic: models.0.path"),
    ],
)
def test_paths_are_checked_before_the_first_job(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    check_paths(read_study(config))

    with pytest.raises(StudyError, match=named):
        check_paths(read_study(changed(config, key, value)))


def test_a_review_file_among_the_results_is_refused(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    review = Path(config["results"]) / "corpus" / "review.csv"
    review.parent.mkdir(parents=True)
    review.write_text("decision,kind,text,replacement,articles,context\n", encoding="utf-8")

    with pytest.raises(StudyError, match="among the results, where the next run would overwrite it"):
        check_paths(read_study(changed(config, "corpus.identity.review_file", str(review))))
