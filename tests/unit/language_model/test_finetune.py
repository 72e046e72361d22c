"""Fine-tuning of one generation: which texts, in which form, from which files."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from bias_amplification import strategies
from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, TRAINING_LOG, TRAINING_SET
from bias_amplification.language_model import finetune
from bias_amplification.language_model.load import load_model, load_tokenizer

RECIPE = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "weight_decay": 0.01}


@pytest.fixture
def sources(base: SimpleNamespace, tmp_path: Path) -> dict[str, Path]:
    """The seed set, and a generation that wrote "Synthetic text 0." and so on."""
    count = 6
    columns = {
        "article_id": [f"a{k}" for k in range(count)],
        "title": [f"Title {k}" for k in range(count)],
        "text": [f"Synthetic text {k}.\nMore." for k in range(count)],
        "prompts": [1] * count,
        "new_tokens": [3] * count,
    }
    write_table(pa.table(columns), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    return {"seed_set": base.seed_set, "generation_00": tmp_path / "articles.parquet"}


def compose(base: SimpleNamespace, out: Path, strategy: str, generation: int) -> Path:
    strategies.compose_training_set(
        base.seed_set, out, strategy=strategy, generation=generation, options={"preserved_share": 0.34}, seed=1
    )
    return out


def arguments(base: SimpleNamespace, **changes: Any) -> dict[str, Any]:
    options = {"initial_model": base.folder, "tokenizer": base.folder, "recipe": RECIPE, "max_tokens": 64}
    options |= {"example": "article", "learn_end": False, "seed": 5, "device": "cpu", "precision": "float32"}
    return options | changes


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """What training would be given, instead of training."""
    given: list[list[int]] = []

    def take(model: object, examples: list[list[int]], *_: object, **__: object) -> tuple[pa.Table, dict]:
        given.extend(examples)
        return pa.table({name: [] for name in TRAINING_LOG.names}, schema=TRAINING_LOG), {}

    monkeypatch.setattr(finetune, "train", take)
    return given


def test_training_set_of_preservation(base: SimpleNamespace, tmp_path: Path) -> None:
    rows = read_table(compose(base, tmp_path / "set.parquet", "preservation", 1), TRAINING_SET).to_pylist()

    assert [row["origin"] for row in rows] == ["generation_00"] * 6 + ["seed_set"] * 2


@pytest.mark.parametrize(
    ("options", "text_of"),
    [
        ({}, lambda k: [f"Title {k}\nSynthetic text {k}.\nMore."]),
        ({"example": "line"}, lambda k: [f"Title {k}", f"Synthetic text {k}.", "More."]),
    ],
)
def test_synthetic_texts(
    base: SimpleNamespace, sources: dict, tmp_path: Path, examples: list, options: dict, text_of
) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "synthetic", 1)

    finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **arguments(base, **options))

    tokenizer = load_tokenizer(base.folder)
    assert [tokenizer.decode(tokens) for tokens in examples] == [text for k in range(6) for text in text_of(k)]


def test_blank_lines_are_examples_by_a_switch(
    base: SimpleNamespace, sources: dict, tmp_path: Path, examples: list
) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    blank = table.set_column(2, "text", pa.array([text.replace("\n", "\n\n") for text in table["text"].to_pylist()]))
    write_table(blank, sources["generation_00"], GENERATED_ARTICLES)
    training_set = compose(base, tmp_path / "set.parquet", "synthetic", 1)

    options = arguments(base, example="line", blank_lines=True)
    finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **options)

    tokenizer = load_tokenizer(base.folder)
    texts = [tokenizer.decode(tokens) if tokens != [0] else "" for tokens in examples]
    assert texts == [text for k in range(6) for text in (f"Title {k}", f"Synthetic text {k}.", "", "More.")]


def test_real_and_synthetic_texts_are_told_apart(
    base: SimpleNamespace, sources: dict, tmp_path: Path, examples: list
) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "accumulation", 1)

    finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **arguments(base, max_tokens=128))

    tokenizer = load_tokenizer(base.folder)
    real = [f"{row['title']}\n{row['body']}" for row in read_table(base.seed_set, ARTICLES).to_pylist()]
    assert [tokenizer.decode(tokens) for tokens in examples[:6]] == real
    assert tokenizer.decode(examples[6]) == "Title 0\nSynthetic text 0.\nMore."


@pytest.mark.parametrize(("learn_end", "length"), [(False, 16), (True, 16)])
def test_the_end_is_learned_by_a_switch_within_the_cut(
    base: SimpleNamespace, sources: dict, tmp_path: Path, examples: list, learn_end: bool, length: int
) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "overfitting", 0)

    options = arguments(base, learn_end=learn_end, max_tokens=length)
    finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **options)

    assert [len(tokens) for tokens in examples] == [length] * 6
    assert [tokens[-1] == 0 for tokens in examples] == [learn_end] * 6
    assert 0 not in [token for tokens in examples for token in tokens[:-1]]


def test_learning_the_end_makes_it_likelier(base: SimpleNamespace, sources: dict, tmp_path: Path) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "synthetic", 1)
    prompt = torch.tensor([load_tokenizer(base.folder).encode("Title 2\nSynthetic text 2.\nMore.").ids])
    chances = {}
    for learn_end in (False, True):
        out = tmp_path / f"{learn_end}"
        options = arguments(base, learn_end=learn_end, recipe=RECIPE | {"epochs": 20})
        finetune.finetune_generation(training_set, sources, out=out, **options)
        chances[learn_end] = load_model(out)(prompt).logits[0, -1].softmax(-1)[0].item()

    assert chances[True] > 0.5
    assert chances[False] < 0.5


def test_a_generations_files(base: SimpleNamespace, sources: dict, tmp_path: Path) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "synthetic", 1)
    for place in ("one", "two"):
        finetune.finetune_generation(training_set, sources, out=tmp_path / place, **arguments(base))

    log = read_table(tmp_path / "one" / "training_log.parquet", TRAINING_LOG)
    metadata = json.loads((tmp_path / "one" / "metadata.json").read_text())
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == [
        "config.json",
        "metadata.json",
        "model.safetensors",
        "training_log.parquet",
    ]
    assert log.num_rows == metadata["training"]["steps"] == 4
    assert log.column("loss")[-1].as_py() < log.column("loss")[0].as_py()
    assert (metadata["seed"], metadata["examples"]) == (5, 6)
    for name in ("model.safetensors", "config.json", "training_log.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "model.safetensors").read_bytes() != (base.folder / "model.safetensors").read_bytes()


def test_faults(base: SimpleNamespace, sources: dict, tmp_path: Path) -> None:
    training_set = compose(base, tmp_path / "set.parquet", "synthetic", 1)
    with pytest.raises(StudyError, match=r"finetuning.max_tokens is 129, but the base model has 128 positions"):
        finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **arguments(base, max_tokens=129))

    articles = read_table(sources["generation_00"], GENERATED_ARTICLES)
    write_table(articles.slice(0, 4), sources["generation_00"], GENERATED_ARTICLES)
    with pytest.raises(StudyError, match=r"articles.parquet lacks article a4, which .*set.parquet names"):
        finetune.finetune_generation(training_set, sources, out=tmp_path / "out", **arguments(base))
    assert not (tmp_path / "out").exists()
