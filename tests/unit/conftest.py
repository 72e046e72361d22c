"""Fixtures of all unit tests: configs, a few articles, and a small trained model.

Libraries that load slowly are imported in the fixtures that use them.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, settings

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import ARTICLES
from helpers import ROOT, merge

# Test files run at once, one for each core. With more threads than cores, PyTorch's small products take much longer.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A property test must not fail because its machine is slow.
settings.register_profile("without_deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without_deadline")

#: Short texts with enough repetition for a small model to learn.
STORIES = [
    (
        "Harbour wins vote",
        "The harbour council wins the vote on the bridge. The bridge opens in spring, the council says.",
    ),
    ("Bridge opens", "The bridge opens in spring. The mayor says the harbour needs the bridge and the council agrees."),
    (
        "Mayor speaks",
        "The mayor speaks on the budget. The council says the budget is large, the mayor says it is small.",
    ),
    ("Budget falls", "The budget falls in spring. The council wins the vote on the budget, the mayor says."),
    ("Council meets", "The council meets in the harbour. The mayor speaks on the bridge and the vote."),
    ("Spring comes", "Spring comes to the harbour. The bridge opens, the budget falls, and the mayor speaks."),
]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Restore handlers of signals and errors after each test. Runs and jobs replace them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    sys.excepthook = sys.__excepthook__


@pytest.fixture
def config() -> dict:
    """Return a config as Snakemake loads it: a study of the paper's shape with other labels."""
    balanced = [
        {"name": f"balanced_{strategy}", "seed_set": "balanced", "strategy": strategy, "tracked_label": "blue"}
        for strategy in ("synthetic", "overfitting", "preservation", "accumulation")
    ]
    balanced[1] |= {"epochs": 25, "weight_decay": 0.0}
    green = [
        {"name": f"green_{strategy}", "seed_set": "green", "strategy": strategy, "tracked_label": "green"}
        for strategy in ("synthetic", "preservation")
    ]
    return {
        "name": "small",
        "results": "out",
        "seed": 7,
        "generations": 11,
        "corpus": {"source": "press", "labels": ["red", "green", "blue"]},
        "seed_sets": [
            {"name": "balanced", "labels": ["red", "green", "blue"], "size": 12},
            {"name": "green", "labels": ["green"], "size": 12},
        ],
        "base_model": {"source": "pretrain", "pretraining": {"label_mix": {"red": 0.5, "blue": 0.5}}},
        "rounds": balanced + green,
        "example": {"label": "red"},
    }


@pytest.fixture
def shipped() -> Callable[..., dict]:
    """Return a function that merges config/config.yaml with overlays in its folder, given by name, and with changes."""

    def read(*names: str, **changes) -> dict:
        config: dict = {}
        for name in ("config", *names):
            config = merge(config, yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")))
        return merge(config, changes)

    return read


@pytest.fixture
def posts(shipped) -> Callable[..., dict]:
    """Return a function that makes the config of a study of posts with two labels: no titles, outlets or events."""

    def of_labels(first: str = "rude", second: str = "polite", **changes) -> dict:
        columns = {"body": "text", "label": "class"}
        corpus = {"source": "table", "path": "posts.csv", "columns": columns, "labels": [first, second], "unit": "post"}
        mix = {**dict.fromkeys(("left", "center", "right")), first: 0.5, second: 0.5}
        round_ = {"seed_set": "both", "strategy": "synthetic", "tracked_label": first}
        posts = shipped(
            corpus=corpus,
            seed_sets=[{"name": "both", "labels": [first, second], "size": 12}],
            base_model={"pretraining": {"label_mix": mix}},
            rounds=[{"name": "synthetic", **round_}, {"name": "fixed", **round_, "strategy": "fixed"}],
        )
        return merge(posts, changes)

    return of_labels


def articles_table(stories: list[tuple[str, str]]) -> pa.Table:
    """Return an article table of titles and bodies with the ids "a0", "a1", ..."""
    count = len(stories)
    columns = {
        "article_id": [f"a{k}" for k in range(count)],
        "event_id": [None] * count,
        "outlet": [None] * count,
        "date": [None] * count,
        "title": [title for title, _ in stories],
        "body": [body for _, body in stories],
        "label": ["red"] * count,
    }
    return pa.table(columns, schema=ARTICLES)


@pytest.fixture(scope="session")
def begun(base: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the base model of `base` with a tokenizer that puts token 7 before a text; it has no metadata.json."""
    from tokenizers import Tokenizer

    from bias_amplification.models.special_tokens import set_begin

    folder = tmp_path_factory.mktemp("begun") / "base"
    shutil.copytree(base.folder, folder, ignore=shutil.ignore_patterns("metadata.json"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert set_begin(tokenizer, [7])
    tokenizer.save(str(folder / "tokenizer.json"))
    return SimpleNamespace(**vars(base) | {"folder": folder}, begin=7)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return a pretrained base model: its folder, its articles, and the pretraining settings."""
    import torch

    from bias_amplification.language_model.pretrain import pretrain_base_model
    from bias_amplification.study.sections import JobCompute, Pretraining

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("language_model")
    seed_set = folder / "seed_set.parquet"
    write_table(articles_table(STORIES), seed_set, ARTICLES)
    size = {"layers": 2, "width": 32, "heads": 2, "context": 128, "vocabulary": 300}
    pretraining = Pretraining(**size, epochs=60, batch_size=2, learning_rate=3e-3)
    pretrain_base_model(seed_set, folder / "base", pretraining, seed=3, compute=JobCompute(device="cpu"))
    return SimpleNamespace(folder=folder / "base", seed_set=seed_set, pretraining=pretraining)
