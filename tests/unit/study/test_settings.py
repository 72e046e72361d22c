"""The config: what is accepted, and the message for each fault."""

import re
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Study, read_study
from bias_amplification.study.config_faults import PATTERNS
from bias_amplification.study.config_files import ConfigFiles
from bias_amplification.study.sections import Adapter, Corpus, Finetuning

CONFIGS = sorted(path.stem for path in (Path(__file__).parents[3] / "config").glob("*.yaml"))
REVISION = "0123456789abcdef" * 2 + "01234567"
REMOVED = object()
ALL = {"name": "balanced", "labels": ["red", "green", "blue"], "size": 12}
TABLE = {"source": "table", "path": "articles.csv"}
GREEN = {"name": "green", "labels": ["green"], "size": 12}


def changed(config: dict, key: Any, value: Any) -> dict:
    """Return a copy of a config with another value at a dotted key. A number in the key is a row of a list."""
    config = deepcopy(config)
    part: Any = config
    if not isinstance(key, str):
        return config | {key: value}
    *path, last = [int(name) if name.isdigit() else name for name in key.split(".")]
    for name in path:
        part = part[name] if isinstance(name, int) else part.setdefault(name, {})
    if value is REMOVED:
        del part[last]
    else:
        part[last] = value
    return config


def fault(config: dict) -> str:
    """Return the message that a config gets."""
    with pytest.raises(StudyError) as caught:
        read_study(config)
    message = str(caught.value)
    assert message.endswith(".")
    return message


def test_defaults_are_filled_in(config: dict) -> None:
    study = read_study(config)

    assert study.finetuning.learning_rate == 5e-5
    assert study.rounds[1].weight_decay == 0.0
    assert study.rounds[0].weight_decay is None
    assert study.seed_sets[0].labels == ["red", "green", "blue"]


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configs_are_valid(shipped, name: str) -> None:
    study = read_study(shipped(name))

    assert len(study.rounds) == {"paper": 6, "config": 6, "authors": 8, "real": 2}.get(name, 4)


def test_settings_cannot_be_changed(config: dict) -> None:
    study = read_study(config)

    with pytest.raises(ValidationError):
        study.seed = 8


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        # Unknown and missing keys
        ("finetunning", {}, "finetunning is not a key of the config: write finetuning, or remove it."),
        ("corpus.cleaning.min_wrods", 3, "corpus.cleaning.min_wrods is not a key of the config"),
        ("rounds.2.startegy", "synthetic", "rounds.2.startegy is not a key of the config"),
        ("rounds", REMOVED, "rounds is missing: add it"),
        ("seed_sets.1.size", REMOVED, "seed_sets.1.size is missing: add it"),
        # Types
        ("corpus", "press", "corpus is 'press', but must be a map (write {source: press})."),
        ("rounds", {"name": "a"}, "rounds is {name: 'a'}, but must be a list (put a dash before each row)."),
        ("corpus.label_map", ["a"], "corpus.label_map is ['a'], but must be a map (write its keys without dashes)."),
        ("finetuning.epochs", 2.5, "finetuning.epochs is 2.5, but must be a whole number."),
        ("finetuning.epochs", "5", "finetuning.epochs is '5', but must be a whole number (write 5, without quotes)."),
        ("finetuning.epochs", True, "finetuning.epochs is true, but must be a whole number."),
        ("finetuning.epochs", None, "finetuning.epochs is null, but must be a whole number (give a value, or"),
        ("compute.warm", 1, "compute.warm is 1, but must be true or false."),
        (
            "finetuning.learning_rate",
            "5e-5",
            "finetuning.learning_rate is '5e-5', but must be a number (YAML reads 5e-5 as text: write 5.0e-5).",
        ),
        (
            "corpus.labels",
            ["red", "green", "blue", False],
            "corpus.labels.3 is false, but must be text (YAML reads the words no, off, yes and on as false and true: "
            "put them in quotes).",
        ),
        ("epochs", 3, "epochs is not a key of the config: it is a key of finetuning, so indent it below."),
        ("hidden_size", 3, "hidden_size is not a key of the config: correct its spelling or remove it"),
        (7, 3, "7 is not a key of the config: correct its spelling"),
        (date(2026, 11, 27), 3, "2026-11-27 is not a key of the config: correct its spelling"),
        ("results", "\ud800", r"results is '\ud800', but must be text of whole characters."),
        ("finetuning", None, "finetuning is empty: remove the line, or add its keys below it."),
        ("rounds", None, "rounds is empty: remove the line, or add its rows below it."),
        (
            "finetuning",
            "epochs:3",
            "finetuning is 'epochs:3', but must be a map (write a space after the colon: epochs",
        ),
        ("rounds.0.decoding", "beam", "rounds.0.decoding is 'beam', but must be a map (write {method: beam})."),
        (
            "rounds",
            {"one": {"seed_set": "balanced", "strategy": "synthetic"}},
            "rounds is {one: {seed_set: 'balanced', strategy: 'synthetic'}}, but must be a list (write its rows with "
            "dashes: - {name: one, ...}).",
        ),
        ("classifier.splits", "event", "classifier.splits is 'event', but must be a list (write [event])."),
        ("seed_sets", "event", "seed_sets is 'event', but must be a list."),
        (
            "corpus.path",
            ["a.csv"],
            "corpus.path is ['a.csv'], but must be text (write one, without brackets or dashes)",
        ),
        ("example.article_id", 123, "example.article_id is 123, but must be text (put it in quotes: '123')."),
        ("name", date(2026, 11, 27), "name is 2026-11-27, but must be text (put it in quotes: '2026-11-27')."),
        ("corpus.labels", [0, 1, 2], "corpus.labels.0 is 0, but must be text (put it in quotes: '0'). The same holds "),
        ("corpus.label_map", {0: "red"}, "corpus.label_map has the key 0, but its keys must be text (put it in quotes"),
        ("strategies.preserved_share", "10%", "preserved_share is '10%', but must be a number (write 0.1)."),
        ("strategies.preserved_share", 10, "preserved_share is 10, but must be less than or equal to 1 (write 0.1 for"),
        ("finetuning.weight_decay", "0,01", "is '0,01', but must be a number (YAML reads 0,01 as text: write 0.01)."),
        ("finetuning.learning_rate", "1e6", "is '1e6', but must be a number (YAML reads 1e6 as text: write 1000000)."),
        ("finetuning.epochs", "1,000", "(YAML reads 1,000 as text: write 1000)."),
        ("finetuning.epochs", "1.000.000", "(YAML reads 1.000.000 as text: write 1000000)."),
        ("finetuning.epochs", "1'000", "(YAML reads 1'000 as text: write 1000)."),
        ("finetuning.epochs", "010", "finetuning.epochs is '010', but must be a whole number (write 10, without"),
        ("finetuning.learning_rate", "1,000", "must be a number (YAML reads 1,000 as text: write 1000 or 1.000)."),
        ("finetuning.learning_rate", "1,000,000", "must be a number (YAML reads 1,000,000 as text: write 1000000)."),
        ("finetuning.learning_rate", "0,001", "must be a number (YAML reads 0,001 as text: write 0.001)."),
        ("finetuning.epochs", "few", "finetuning.epochs is 'few', but must be a whole number."),
        ("seed_sets.0.size", 12.0, "seed_sets.0.size is 12.0, but must be a whole number (write 12)."),
        (
            "classifier.resample",
            "True",
            "classifier.resample is 'True', but must be true or false (write true, without",
        ),
        # Ranges
        ("generations", 101, "generations is 101, but must be less than or equal to 100"),
        ("finetuning.epochs", 0, "finetuning.epochs is 0, but must be greater than or equal to 1"),
        ("finetuning.learning_rate", float("inf"), "finetuning.learning_rate is .inf, but must be a finite number"),
        ("rounds.0.decoding", {"top_p": 1.5}, "rounds.0.decoding.top_p is 1.5, but must be less than or equal to 1"),
        ("base_model.pretraining.label_mix.red", -0.5, "base_model.pretraining.label_mix.red is -0.5, but must be"),
        ("results", "", "results is empty: give a value, or remove the line."),
        ("corpus.path", "", "corpus.path is empty: give a value, or remove the line."),
        ("corpus.separator", "", "corpus.separator is empty: give a value, or remove the line."),
        (
            "base_model.pretraining.tokenizer",
            "",
            "base_model.pretraining.tokenizer is empty: give a value, or remove the line.",
        ),
        ("rounds", [], "rounds is [], but must have at least 1 item"),
        ("neurons.rounds", [], "neurons.rounds is [], but must have at least 1 item"),
        ("finetuning.example", "paragraph", "finetuning.example is 'paragraph', but must be 'article' or 'line'"),
        ("seed_sets.0.draw", "sorted", "seed_sets.0.draw is 'sorted', but must be 'shuffled' or 'pandas'"),
        ("quality.detector.labels", {"noise": "bad"}, "quality.detector.labels.noise is 'bad', but must be 'clean'"),
        ("rounds.0.models", [{"source": "pretrain"}], "rounds.0.models.0.source is 'pretrain', but must be 'hub' or"),
        (
            "rounds.0.name",
            "two words",
            "rounds.0.name is 'two words', but must consist of at most 100 letters, digits, _, - and",
        ),
        ("rounds.0.name", "../up", "rounds.0.name is '../up', but must consist of"),
        ("rounds.0.name", "x" * 101, ", but must consist of at most 100 letters"),
        ("rounds.0.strategy", "Synthetic", " (write synthetic)."),
        ("compute.device", "gpu", "compute.device is 'gpu', but must be 'auto', 'cpu' or 'cuda'."),
        ("base_model.revision", "main", "base_model.revision is 'main', but must be a commit (40 hex digits)"),
        ("corpus.language", "English", "corpus.language is 'English', but must be an ISO 639 code of two or three"),
        # Paths
        (
            "results",
            "results-{name}",
            "results is 'results-{name}', but must be a path without braces, which Snakemake",
        ),
        ("results", "$HOME/x", "results is '$HOME/x', but must be a path without variables such as $HOME"),
        ("corpus.path", "a\nb", r"corpus.path is 'a\nb', but must be a path without line breaks"),
        ("results", "x" * 256, "but must be a path with at most 255 bytes from one slash to the next."),
        ("results", "~nobody-here/x", "results is '~nobody-here/x', but must be a whole path or begin with ~/"),
        ("base_model", {"source": "hub", "hub_id": "gpt2", "revision": "main"}, "base_model.revision is 'main', but"),
        # Unions
        ("neurons.lags", -1, "neurons.lags is -1, but must be a whole number of at least 0, plugin, newey_west or"),
        ("neurons.lags", "plug", "neurons.lags is 'plug', but must be a whole number of at least 0, plugin"),
        ("storage.weights", 0, "storage.weights is 0, but must be all, none, or a whole number of at least 1."),
        (
            "storage.weights",
            False,
            "a whole number of at least 1 (YAML reads the words no, off, yes and on as false and",
        ),
        ("storage.weights", "some", "storage.weights is 'some', but must be all, none, or a whole number"),
        ("storage.weights", None, "storage.weights is null, but must be all, none, or a whole number"),
        # Names
        ("rounds.1.name", "balanced_synthetic", "rounds has the same name twice: rename one"),
        ("seed_sets", [ALL, ALL, GREEN], "seed_sets has the same name twice: rename one"),
        (
            "seed_sets",
            [ALL, ALL | {"name": "Balanced"}, GREEN],
            "seed_sets has balanced and Balanced, which differ only",
        ),
        (
            "classifier.candidates",
            [{"name": "big-one"}, {"name": "big_one"}],
            "classifier.candidates has big-one and big_one, which differ only in capitals, hyphens or underscores",
        ),
        ("rounds.1.name", "Balanced-synthetic", "rounds has balanced_synthetic and Balanced-synthetic, which differ"),
        ("classifier.candidates", [{"name": "a"}, {"name": "a"}], "classifier.candidates has the same name twice"),
        ("classifier.candidates", [{"name": "selected"}], "classifier.candidates has a candidate named selected"),
        ("classifier.candidates", [{"name": "second"}], "classifier.candidates has a candidate named second"),
        ("classifier.candidates", [{"name": "splits"}], "classifier.candidates has a candidate named splits"),
        ("rounds.0.name", "base", "rounds has a round named base, which is reserved for the base model"),
        # References
        ("corpus.label_map", {"r": "rot"}, "corpus.label_map maps to 'rot', which is not in corpus.labels"),
        (
            "seed_sets.1.labels",
            ["gren"],
            "seed_sets green: labels is 'gren', which is not in corpus.labels: use one of red, green, blue.",
        ),
        (
            "rounds.0.seed_set",
            "balance",
            "rounds balanced_synthetic: seed_set is 'balance', which is not in seed_sets: use one of balanced, green.",
        ),
        (
            "rounds.0.tracked_label",
            "left",
            "rounds balanced_synthetic: tracked_label is 'left', which is not in",
        ),
        ("neurons.probe_set", "other", "neurons.probe_set is 'other', which is not in seed_sets"),
        ("neurons.tracked_label", "left", "neurons.tracked_label is 'left', which is not in corpus.labels"),
        ("neurons.rounds", ["none"], "neurons.rounds is 'none', which is not in rounds"),
        ("example.label", "left", "example.label is 'left', which is not in corpus.labels"),
        ("example.round", "none", "example.round is 'none', which is not in rounds"),
        (
            "seed",
            2**32,
            "seed is 4294967296, more than 4294967295, the largest that seed_sets.0.draw: pandas can take: make seed",
        ),
        ("base_model.pretraining.label_mix", {"left": 1.0}, "base_model.pretraining.label_mix is 'left', which is not"),
        (
            "classifier.candidates",
            [{"name": "a", "source": "folder", "path": "p", "train": False, "labels": {"LABEL_0": "left"}}],
            "classifier.candidates a: labels is 'left', which is not in corpus.labels",
        ),
        # Keys that depend on each other
        ("corpus.labels", ["red", "green", "blue", "red"], "corpus.labels has a label twice"),
        (
            "corpus.labels",
            ["far-left", "far_left"],
            "corpus.labels has far-left and far_left, which a classifier",
        ),
        (
            "corpus.labels",
            ["left", "adjusted_left"],
            "corpus.labels has left and adjusted_left, which would have the same column in the metrics table (share_",
        ),
        ("corpus.labels", ["left", "left_low"], "corpus.labels has left and left_low, which would have the same"),
        ("corpus.labels", ["Red", "red"], "corpus.labels has Red and red, which a classifier's config does not tell"),
        (
            "corpus.labels",
            ["far left", "красный"],
            "(write a name such as far_left here, and map the source's value to it in corpus.label_map)",
        ),
        *(
            (
                f"corpus.{key}",
                value,
                f"corpus.{key} is set, but corpus.source is press, which does not read it: set corpus.source to "
                f"{source}, or remove corpus.{key}.",
            )
            for key, value, source in [
                ("path", "articles.csv", "table"),
                ("columns", {"body": "text"}, "table"),
                ("separator", ";", "table"),
                ("quoting", "none", "table"),
                ("encoding", "cp1252", "table"),
                ("url", "https://example.org", "webis, article_bias_prediction or bold"),
                ("checksum", "md5:0", "webis, article_bias_prediction or bold"),
            ]
        ),
        (
            "corpus",
            {"source": "table", "labels": ["red", "green", "blue"], "path": "a.csv", "url": "https://example.org"},
            "corpus.url is set, but corpus.source is table, which does not read it: set corpus.source to webis, ",
        ),
        (
            "corpus.separator",
            "tabs",
            "corpus.separator is 'tabs', but must be one character, or one of the words tab, comma, semicolon and",
        ),
        ("corpus.source", "table", "corpus.path is missing for corpus.source table"),
        ("corpus.source", "webis", "corpus.label_map is empty: map the labels of source webis"),
        ("seed_sets.0.labels", ["red", "red"], "seed_sets balanced: labels has a label twice"),
        ("seed_sets.0.size", 13, "seed_sets balanced: size is 13, but must be a multiple of 3"),
        ("base_model.pretraining.label_mix", {"red": 0, "blue": None}, "label_mix gives no label a share"),
        ("base_model.pretraining.heads", 5, "base_model.pretraining.heads is 5, which does not divide base_model.pre"),
        ("base_model", {"source": "hub", "hub_id": "gpt2"}, "base_model: source hub needs hub_id and revision"),
        (
            "base_model.path",
            "models/mine",
            "base_model: path is set, but source is pretrain, which does not read it: set source to folder, or remove",
        ),
        (
            "base_model",
            {"hub_id": "gpt2", "revision": REVISION},
            "base_model: hub_id is set, but source is pretrain, which does not read it: set source to hub, or remove",
        ),
        (
            "base_model",
            {"source": "hub", "hub_id": "gpt2", "revision": REVISION, "path": "models/mine"},
            "base_model: path is set, but source is hub, which does not read it: set source to folder, or remove path.",
        ),
        ("quality.detector.path", "/x", "quality.detector: path is set, but source is scratch, which does not read it"),
        (
            "classifier.candidates",
            [{"name": "a", "path": "/x"}],
            "classifier.candidates.0: path is set, but source is scratch, which does not read it: set source to folder",
        ),
        (
            "classifier.candidates",
            [{"name": "a", "revision": REVISION}],
            "classifier.candidates.0: revision is set, but source is scratch, which does not read it: set source to",
        ),
        ("base_model", {"source": "folder"}, "base_model: source folder needs path"),
        (
            "quality.detector",
            {"source": "hub", "hub_id": "x"},
            "quality.detector: source hub needs hub_id and",
        ),
        ("quality.detector.train", True, "quality.detector: train is true, but source is scratch, which is always"),
        (
            "quality.detector",
            {"source": "folder", "path": "/x", "train": True, "labels": {"bad": "noise"}},
            "quality.detector: labels is only for trained detectors: set train to false, or remove labels",
        ),
        ("classifier.candidates", [{"name": "a", "heads": 3}], "classifier.candidates.0: heads is 3, which does not"),
        ("classifier.candidates", [{"name": "a", "source": "folder"}], "classifier.candidates.0: source folder needs"),
        (
            "classifier.candidates",
            [{"name": "a", "train": False}],
            "classifier.candidates.0: train is false, but source is scratch",
        ),
        (
            "classifier.candidates",
            [{"name": "a", "labels": {"LABEL_0": "red"}}],
            "classifier.candidates.0: labels is only for trained classifiers",
        ),
        ("rounds.0.models", [{"source": "hub", "hub_id": "a/b"}], "rounds.0.models.0: source hub needs hub_id and"),
        (
            "rounds.0.models",
            [{"source": "folder", "path": "p"}],
            "rounds balanced_synthetic: models has 1 rows, but generations is 11: give one model for each generation",
        ),
        (
            "rounds.1.models",
            [{"source": "folder", "path": "p"}] * 11,
            "rounds balanced_overfitting: epochs and weight_decay have no effect on a round with models",
        ),
        (
            "finetuning.max_tokens",
            513,
            "finetuning.max_tokens is 513, more than base_model.pretraining.context, which is 512",
        ),
        (
            "generation.block_tokens",
            449,
            "generation.block_tokens + generation.new_tokens is 513, more than base_model",
        ),
    ],
)
def test_fault_names_its_key(config: dict, key: Any, value: Any, sentence: str) -> None:
    if key == "seed":
        config["seed_sets"][0]["draw"] = "pandas"
    message = fault(changed(config, key, value))

    assert "\n" not in message
    assert sentence in message


def test_all_faults_are_reported_at_once(config: dict) -> None:
    message = fault(changed(changed(config, "sede", 3), "finetuning.epochs", 0))

    assert message.startswith("The config has 2 faults:\n")
    assert "sede is not a key" in message
    assert "finetuning.epochs is 0" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finetuning.learning_rate", 1),
        ("neurons.lags", "plugin"),
        ("seed", 2**32),
        ("neurons.lags", 0),
        ("example.label", None),
        # An overlay cannot remove a label of another study from this map. It can set its share to null.
        ("base_model.pretraining.label_mix.left", None),
        ("corpus.label_map", {"r": "red", "x": None}),
        ("base_model", {"source": "hub", "hub_id": "gpt2", "revision": REVISION}),
        ("finetuning.max_tokens", 512),
        # An overlay that goes back to another source sets the keys of the first one to null.
        ("corpus.path", None),
        ("corpus.columns", {"body": None}),
        ("base_model", {"source": "pretrain", "path": None, "pretraining": {"label_mix": {"red": 1.0}}}),
        ("base_model", {"source": "folder", "path": "models/mine", "hub_id": "gpt2", "revision": REVISION}),
    ],
)
def test_valid_values_are_accepted(config: dict, key: str, value: Any) -> None:
    assert read_study(changed(config, key, value)).name == "small"


def test_a_label_mix_replaces_the_default(shipped) -> None:
    own = {
        "corpus": {"labels": ["sexist", "left", "other"]},
        "seed_sets": [{"name": "all", "labels": ["sexist", "other"], "size": 12}],
        "rounds": [{"name": "one", "seed_set": "all", "strategy": "synthetic", "tracked_label": "sexist"}],
    }
    mix = {"sexist": 0.3, "other": 0.7}

    study = read_study(shipped(**own, base_model={"pretraining": {"label_mix": mix}}))

    assert study.base_model.pretraining.label_mix == mix
    assert read_study(shipped()).base_model.pretraining.label_mix == {"left": 0.05, "center": 0.48, "right": 0.47}
    assert fault(shipped(**own)) == (
        "base_model.pretraining.label_mix is missing, and its default is for left, center, right: add it, such as "
        "{sexist: 0.33, left: 0.33, other: 0.33}."
    )


def test_context_of_other_models_is_not_checked(config: dict) -> None:
    config = changed(config, "base_model", {"source": "folder", "path": "models/long"})

    assert read_study(changed(config, "finetuning.max_tokens", 4096)).finetuning.max_tokens == 4096


def test_a_value_that_contains_itself_is_a_fault(config: dict) -> None:
    rows: list = []
    rows.append(rows)

    assert "rounds.0 is [[[" in fault(changed(config, "rounds", rows))


def test_every_pattern_has_words() -> None:
    """A message would otherwise have the pattern itself, or none."""
    patterns = set(re.findall(r"'pattern': '((?:[^'\\\\]|\\\\.)*)'", str(Study.model_json_schema())))

    assert {pattern.replace("\\\\", "\\") for pattern in patterns} == set(PATTERNS)


@pytest.mark.parametrize(
    ("word", "separator"),
    [
        ("tab", "\t"),
        ("\\t", "\t"),
        ("\t", "\t"),
        ("Comma", ","),
        ("semicolon", ";"),
        ("vertical bar", "|"),
        ("pipe", "|"),
        ("^", "^"),
    ],
)
def test_a_separator_may_be_named_by_a_word(config: dict, word: str, separator: str) -> None:
    corpus = read_study(changed(config, "corpus", config["corpus"] | TABLE | {"separator": word})).corpus

    assert corpus.separator == separator
    assert Corpus.model_validate(corpus.model_dump()) == corpus


@pytest.mark.parametrize(("results", "folder"), [("out/", "out"), ("./out//x", "out/x"), ("/tmp/a/", "/tmp/a")])
def test_the_results_folder_is_written_in_one_way(config: dict, results: str, folder: str) -> None:
    assert read_study(changed(config, "results", results)).results == folder


def test_paths_of_any_script_are_accepted_and_a_tilde_is_the_home_folder(
    config: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert read_study(changed(config, "results", "~/x y#1 می‌خواهم 🏔")).results == "/home/me/x y#1 می‌خواهم 🏔"


def test_a_hub_model_over_another_files_folder_is_refused(config: dict, tmp_path: Path) -> None:
    folder, hub = tmp_path / "folder.yaml", tmp_path / "hub.yaml"
    folder.write_text("base_model: {source: folder, path: models/mine}\n", encoding="utf-8")
    hub.write_text(f"base_model:\n  hub_id: gpt2\n  revision: {REVISION}\n", encoding="utf-8")
    both = {"source": "folder", "path": "models/mine", "hub_id": "gpt2", "revision": REVISION}
    config = changed(config, "base_model", both)

    with pytest.raises(StudyError) as caught:
        read_study(config, ConfigFiles([folder, hub]))

    assert str(caught.value) == (
        f"{hub}, line 2: base_model: hub_id is set, but source is folder, which does not read it: set source to hub "
        "and path to null, or remove hub_id."
    )
    # A folder over another file's hub model is used.
    assert read_study(config, ConfigFiles([hub, folder])).base_model.source == "folder"


def test_faults_have_the_file_and_line_of_the_file_that_wins(config: dict, tmp_path: Path) -> None:
    first, last = tmp_path / "first.yaml", tmp_path / "last.yaml"
    first.write_text("finetuning:\n  epochs: 1\n  batch_size: 0\n", encoding="utf-8")
    last.write_text("# mine\nfinetuning:\n  epochs: 0\n", encoding="utf-8")
    config = changed(changed(config, "finetuning.epochs", 0), "finetuning.batch_size", 0)

    with pytest.raises(StudyError) as caught:
        read_study(config, ConfigFiles([first, last]))

    assert str(caught.value).splitlines() == [
        "The config has 2 faults:",
        f"{last}, line 3: finetuning.epochs is 0, but must be greater than or equal to 1.",
        f"{first}, line 3: finetuning.batch_size is 0, but must be greater than or equal to 1.",
    ]


def test_exchanges_of_replicates_need_replicates(config: dict) -> None:
    exchanging = changed(config, "neurons.permutations.schemes", [["flip_generations"], ["exchange_replicates"]])

    assert "set replicates.number to at least 2" in fault(exchanging)
    assert read_study(changed(exchanging, "replicates.number", 2))


def test_a_study_without_an_adapter_is_written_as_before_there_were_any() -> None:
    adapted = Finetuning(adapter=Adapter(target_modules=["c_attn"]))

    assert "adapter" not in Finetuning().model_dump() and "adapter" not in Finetuning().model_dump_json()
    assert Finetuning.model_validate({**adapted.model_dump()}) == adapted


def test_later_keys_of_the_detector_change_no_parameters_at_their_defaults(make_study) -> None:
    """Finished studies are not made again."""
    assert not {"train", "repetition"} & set(make_study().quality.model_dump()["detector"])
    detector = make_study(quality={"detector": {"repetition": True}}).quality.model_dump()["detector"]
    assert detector["repetition"] is True and "train" not in detector
