"""What unit tests share: a small config, a few articles, a small trained model. Heavy imports wait for their users."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import yaml

from bias_amplification.artifacts import write_table
from bias_amplification.artifacts.schemas import ARTICLES

ROOT = Path(__file__).parents[2]

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
    """Give back what signals meant: jobs that keep their state listen to them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def config() -> dict:
    """A config as Snakemake would load it: a study of the paper's shape, with labels of its own."""
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


def merge(below: dict, above: dict) -> dict:
    """Lay a config over another one, as Snakemake does."""
    for key, value in above.items():
        below[key] = merge(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
    return below


@pytest.fixture
def shipped():
    """A function that merges config/config.yaml with overlays beside it, by name, and with changes."""

    def read(*names: str, **changes) -> dict:
        config: dict = {}
        for name in ("config", *names):
            merge(config, yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")))
        return merge(config, changes)

    return read


def articles_table(stories: list[tuple[str, str]]) -> pa.Table:
    """An article table of titles and bodies, ids "a0", "a1", ..."""
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
def base(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A base model that `pretrain_base_model` made: its folder, its seed set, the settings."""
    import torch

    from bias_amplification.language_model.pretrain import pretrain_base_model

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("language_model")
    seed_set = folder / "seed_set.parquet"
    write_table(articles_table(STORIES), seed_set, ARTICLES)
    settings = {"layers": 2, "width": 32, "heads": 2, "context": 128, "tokenizer": None, "vocabulary": 300}
    settings |= {"epochs": 60, "batch_size": 2, "learning_rate": 3e-3, "weight_decay": 0.01, "warmup": 0.05}
    pretrain_base_model(seed_set, folder / "base", settings=settings, seed=3, device="cpu", precision="float32")
    return SimpleNamespace(folder=folder / "base", seed_set=seed_set, settings=settings)
