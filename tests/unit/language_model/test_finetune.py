"""Fine-tuning of one generation: its training examples, and the files that it writes."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    GENERATED_ARTICLES,
    HELD_UNITS,
    TRAINING_LOG,
    TRAINING_SET,
    TRAINING_SET_WITH_TITLES,
)
from bias_amplification.language_model.finetune import InitialModel, finetune_generation, training_examples
from bias_amplification.language_model.load import load_model, load_tokenizer
from bias_amplification.study import strategies, training_sets
from bias_amplification.study.sections import Adapter, Finetuning, JobCompute, Strategies
from helpers import ROOT

RECIPE = Finetuning(epochs=2, batch_size=4, learning_rate=1e-3, max_tokens=64)


@pytest.fixture
def sources(base: SimpleNamespace, tmp_path: Path) -> dict[str, Path]:
    """The seed set, and a generation that wrote "Synthetic text 0." and so on."""
    count = 6
    columns = {
        "article_id": [f"a{k}" for k in range(count)],
        "title": [f"Title {k}" for k in range(count)],
        "head": [""] * count,
        "text": [f"Synthetic text {k}.\nMore." for k in range(count)],
        "prompts": [1] * count,
        "new_tokens": [3] * count,
    }
    write_table(pa.table(columns), tmp_path / "articles.parquet", GENERATED_ARTICLES)
    return {"seed_set": base.seed_set, "generation_00": tmp_path / "articles.parquet"}


@pytest.fixture
def compose(base: SimpleNamespace, tmp_path: Path):
    """A function that writes the training set of a strategy and a generation, and returns its path."""

    def compose(strategy: str, generation: int) -> Path:
        ids = [f"a{k}" for k in range(6)]
        material = strategies.Material(ids, generation, real=[f"real {k}" for k in range(6)])
        rows = training_sets.training_texts(strategy, material, Strategies(preserved_share=0.34), seed=1)
        titled = "title_id" in rows.column_names
        write_table(rows, tmp_path / "set.parquet", TRAINING_SET_WITH_TITLES if titled else TRAINING_SET)
        return tmp_path / "set.parquet"

    return compose


def examples(base: SimpleNamespace, training_set: Path, sources: dict, **changes: Any) -> list[list[int]]:
    """Return the examples of a training set; the end-of-text token is 0."""
    finetuning = RECIPE.model_copy(update=changes)
    return training_examples(training_set, sources, load_tokenizer(base.folder), finetuning, 0).tokens


def decoded(base: SimpleNamespace, rows: list[list[int]]) -> list[str]:
    return [load_tokenizer(base.folder).decode(tokens) for tokens in rows]


def finetune(base: SimpleNamespace, training_set: Path, sources: dict, out: Path, **changes: Any) -> None:
    finetuning = RECIPE.model_copy(update=changes)
    initial = InitialModel(base.folder, base.folder)
    finetune_generation(training_set, sources, initial, out, finetuning, seed=5, compute=JobCompute(device="cpu"))


@pytest.mark.parametrize(
    ("changes", "text_of"),
    [
        ({}, lambda k: [f"Title {k}\nSynthetic text {k}.\nMore."]),
        ({"example": "line"}, lambda k: [f"Title {k}", f"Synthetic text {k}.", "More."]),
    ],
)
def test_articles_or_their_lines_are_examples(
    base: SimpleNamespace, sources: dict, compose, changes: dict, text_of
) -> None:
    found = examples(base, compose("synthetic", 1), sources, **changes)

    assert decoded(base, found) == [text for k in range(6) for text in text_of(k)]


def test_blank_lines_are_examples_if_asked_for(base: SimpleNamespace, sources: dict, compose) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    blank = table.set_column(3, "text", pa.array([text.replace("\n", "\n\n") for text in table["text"].to_pylist()]))
    write_table(blank, sources["generation_00"], GENERATED_ARTICLES)

    found = examples(base, compose("synthetic", 1), sources, example="line", blank_lines=True)

    assert found[2::4] == [[0]] * 6
    texts = [f"Title {k}\nSynthetic text {k}.\nMore." for k in range(6)]
    assert decoded(base, [tokens for tokens in found if tokens != [0]]) == "\n".join(texts).split("\n")


def test_each_text_is_read_from_its_origin(base: SimpleNamespace, sources: dict, compose) -> None:
    found = decoded(base, examples(base, compose("accumulation", 1), sources, max_tokens=128))

    real = [f"{row['title']}\n{row['body']}" for row in read_table(base.seed_set, ARTICLES).to_pylist()]
    assert found == real + [f"Title {k}\nSynthetic text {k}.\nMore." for k in range(6)]


def test_shuffled_texts_are_read_under_the_titles_of_others(base: SimpleNamespace, sources: dict, compose) -> None:
    path = compose("shuffled", 1)
    titles = read_table(path, TRAINING_SET_WITH_TITLES)["title_id"].to_pylist()

    rows = decoded(base, examples(base, path, sources))

    assert rows == [f"Title {title[1:]}\nSynthetic text {k}.\nMore." for k, title in enumerate(titles)]
    assert all(title != f"a{k}" for k, title in enumerate(titles))


def test_heads_stand_between_titles_and_texts(base: SimpleNamespace, sources: dict, compose) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    heads = pa.array([f"Head {k}" for k in range(6)])
    texts = pa.array([f" and the rest {k}" for k in range(5)] + [""])
    table = table.set_column(2, "head", heads).set_column(3, "text", texts)
    write_table(table, sources["generation_00"], GENERATED_ARTICLES)
    shuffled = compose("shuffled", 1)
    titles = [int(title[1:]) for title in read_table(shuffled, TRAINING_SET_WITH_TITLES)["title_id"].to_pylist()]

    # A head moves to another text with its title.
    moved = decoded(base, examples(base, shuffled, sources))
    assert moved == [f"Title {j}\nHead {j}{text}" for j, text in zip(titles, texts.to_pylist(), strict=True)]
    own = decoded(base, examples(base, compose("synthetic", 1), sources))
    assert own == [f"Title {k}\nHead {k}{text}" for k, text in enumerate(texts.to_pylist())]


@pytest.mark.parametrize("blank_lines", [False, True])
def test_texts_without_examples_are_reported(
    base: SimpleNamespace, sources: dict, compose, tmp_path: Path, capsys: pytest.CaptureFixture, blank_lines: bool
) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    none = pa.array([""] * 6)
    texts = pa.array(["", "Two lines.\n\nMore.", "", "Long enough.", "", ""])
    table = table.set_column(1, "title", none).set_column(3, "text", texts)
    write_table(table, sources["generation_00"], GENERATED_ARTICLES)
    changes = {"example": "line", "batch_size": 2, "blank_lines": blank_lines}

    finetune(base, compose("synthetic", 1), sources, tmp_path / "out", **changes)

    lines = capsys.readouterr().out.splitlines()
    # Two epochs of three lines, or four with the blank one. With four texts more, it would be seven or eight.
    count = 4 if blank_lines else 3
    assert lines[0] == f"{count} examples from 2 of 6 texts, 4 steps of 8 planned"
    assert lines[1] == (
        f"warning: 4 of the 6 texts that {tmp_path / 'out'} is trained on have fewer than two tokens and teach "
        "nothing: its training has 4 steps of 8 planned."
    )
    facts = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert (facts["texts"], facts["texts_lost"], facts["examples"]) == (6, 4, count)
    assert (facts["training"]["steps"], facts["training"]["steps_planned"]) == (4, 8)


def test_real_articles_outside_the_seed_set_are_read(base: SimpleNamespace, sources: dict, compose) -> None:
    table = read_table(base.seed_set, ARTICLES)
    ids = pa.array([f"real {k}" for k in range(table.num_rows)])
    write_table(table.set_column(0, ARTICLES.field(0), ids), base.folder.parent / "other.parquet", ARTICLES)

    rows = examples(base, compose("real", 1), {"real": base.folder.parent / "other.parquet"})

    assert rows == examples(base, compose("synthetic", 0), sources)


@pytest.mark.parametrize("learn_end", [False, True])
def test_examples_are_cut_with_their_end_token(base: SimpleNamespace, sources: dict, compose, learn_end: bool) -> None:
    found = examples(base, compose("overfitting", 0), sources, learn_end=learn_end, max_tokens=16)

    assert [len(tokens) for tokens in found] == [16] * 6
    assert [tokens[-1] == 0 for tokens in found] == [learn_end] * 6
    assert 0 not in [token for tokens in found for token in tokens[:-1]]


@pytest.mark.parametrize("learn_end", [False, True])
def test_examples_begin_with_the_begin_token(
    base: SimpleNamespace, begun: SimpleNamespace, sources: dict, compose, learn_end: bool
) -> None:
    training_set, changes = compose("synthetic", 1), {"example": "line", "learn_end": learn_end}
    plain, found = (examples(model, training_set, sources, **changes) for model in (base, begun))
    cut = examples(begun, training_set, sources, max_tokens=16, learn_end=learn_end)

    assert found == [[begun.begin, *tokens] for tokens in plain]
    assert {len(tokens) for tokens in cut} == {16}
    assert {(tokens[0], tokens[-1] == 0) for tokens in cut} == {(begun.begin, learn_end)}


def test_a_blank_line_is_the_begin_token_alone(begun: SimpleNamespace, sources: dict, compose) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    blank = table.set_column(3, "text", pa.array([text.replace("\n", "\n\n") for text in table["text"].to_pylist()]))
    write_table(blank, sources["generation_00"], GENERATED_ARTICLES)

    found = examples(begun, compose("synthetic", 1), sources, example="line", blank_lines=True)

    assert found[2::4] == [[begun.begin]] * 6


def test_learning_the_end_makes_it_likelier(base: SimpleNamespace, sources: dict, compose, tmp_path: Path) -> None:
    prompt = torch.tensor([load_tokenizer(base.folder).encode("Title 2\nSynthetic text 2.\nMore.").ids])
    chances = {}
    for learn_end in (False, True):
        out = tmp_path / f"{learn_end}"
        finetune(base, compose("synthetic", 1), sources, out, learn_end=learn_end, epochs=20)
        chances[learn_end] = load_model(out)(prompt).logits[0, -1].softmax(-1)[0].item()

    assert chances[True] > 0.5
    assert chances[False] < 0.5


def test_the_files_of_a_generation(base: SimpleNamespace, sources: dict, compose, tmp_path: Path) -> None:
    for place in ("one", "two"):
        finetune(base, compose("synthetic", 1), sources, tmp_path / place)

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
    assert (metadata["seed"], metadata["examples"], metadata["texts_lost"]) == (5, 6, 0)
    assert metadata["training"]["steps_planned"] == 4
    for name in ("model.safetensors", "config.json", "training_log.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "model.safetensors").read_bytes() != (base.folder / "model.safetensors").read_bytes()


def test_blank_lines_take_places_in_batches(base: SimpleNamespace, sources: dict, compose, tmp_path: Path) -> None:
    table = read_table(sources["generation_00"], GENERATED_ARTICLES)
    blank = table.set_column(3, "text", pa.array([text.replace("\n", "\n\n") for text in table["text"].to_pylist()]))
    write_table(blank, sources["generation_00"], GENERATED_ARTICLES)
    steps = {}
    for blank_lines in (False, True):
        out = tmp_path / f"{blank_lines}"
        finetune(base, compose("synthetic", 1), sources, out, example="line", blank_lines=blank_lines)
        steps[blank_lines] = read_table(out / "training_log.parquet", TRAINING_LOG).num_rows

    # Two epochs in batches of 4: of 18 lines, and of 24 with the blank ones.
    assert steps == {False: 10, True: 12}


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(base: SimpleNamespace, sources: dict, compose, tmp_path: Path) -> None:
    # Of 6 examples in batches of 5, the processes have three and two of the first, and one and none of the second.
    recipe = RECIPE.model_copy(update={"epochs": 3, "batch_size": 5})
    initial = InitialModel(base.folder, base.folder)
    for processes in (1, 2):
        compute = JobCompute(device="cpu", processes=processes)
        finetune_generation(compose("synthetic", 1), sources, initial, tmp_path / f"{processes}", recipe, 5, compute)

    one, two = tmp_path / "1", tmp_path / "2"
    assert json.loads((two / "metadata.json").read_text())["training"]["processes"] == 2
    losses = [read_table(place / "training_log.parquet", TRAINING_LOG)["loss"].to_pylist() for place in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    # Logits are compared instead of weights: the keys' biases change no logit, and AdamW turns the rounding of their
    # gradients into whole steps.
    tokens = torch.tensor([load_tokenizer(base.folder).encode("The harbour council wins the vote.").ids])
    logits = [load_model(place)(tokens).logits for place in (base.folder, one, two)]
    assert torch.allclose(logits[2], logits[1], atol=1e-4)
    assert not torch.allclose(logits[0], logits[1], atol=0.1)


@pytest.fixture
def hold(base: SimpleNamespace, tmp_path: Path):
    """A function that writes a table of held neurons, and returns an initial model in which they are held."""

    def hold(model: Path, penalty: float | None = None, neuron: int = 31) -> InitialModel:
        table = pa.table({"layer": [0, 1, 1], "neuron": [3, 0, neuron], "penalty": [penalty] * 3})
        write_table(table, tmp_path / "held.parquet", HELD_UNITS)
        return InitialModel(model, base.folder, tmp_path / "held.parquet")

    return hold


def held_weights(folder: Path) -> list[torch.Tensor]:
    """Return the weights and biases of the neurons of `hold`, and those of all others, of a model's second projections.

    Those of GPT-2 are [inputs, outputs].
    """
    projections = [block.mlp.c_proj for block in load_model(folder).transformer.h]
    both = [torch.vstack([one.weight, one.bias]).detach() for one in projections]
    return [both[0][:, [3]], both[1][:, [0, 31]], both[0][:, [0, 1, 2, *range(4, 32)]], both[1][:, 1:31]]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_frozen_neurons_are_those_of_the_initial_model(
    base: SimpleNamespace, sources: dict, compose, hold, tmp_path: Path, processes: int, precision: str
) -> None:
    compute = JobCompute(device="cpu", processes=processes, precision=precision)
    recipe = RECIPE.model_copy(update={"weight_decay": 0.5})

    finetune_generation(compose("synthetic", 1), sources, hold(base.folder), tmp_path / "out", recipe, 5, compute)

    before, after = held_weights(base.folder), held_weights(tmp_path / "out")
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, True, False, False]
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert metadata["held"] == {"neurons": 3, "how": "frozen"}
    assert metadata["training"]["processes"] == processes


def test_neurons_are_pulled_to_the_base_model(
    base: SimpleNamespace, sources: dict, compose, hold, tmp_path: Path
) -> None:
    finetune(base, compose("synthetic", 1), sources, tmp_path / "first")
    recipe, compute = RECIPE.model_copy(update={"epochs": 20}), JobCompute(device="cpu")
    for name, penalty in (("free", None), ("weak", 1e-3), ("strong", 10.0)):
        later = hold(tmp_path / "first", penalty) if penalty else InitialModel(tmp_path / "first", base.folder)
        finetune_generation(compose("synthetic", 1), sources, later, tmp_path / name, recipe, 5, compute)

    wanted = held_weights(base.folder)
    away = {
        name: [float((own - other).norm()) for own, other in zip(held_weights(tmp_path / name), wanted, strict=True)]
        for name in ("first", "free", "weak", "strong")
    }
    for place in (0, 1):
        assert away["strong"][place] < 0.2 * away["first"][place] < away["weak"][place]
        assert away["free"][place] > away["first"][place]
    for place in (2, 3):
        assert away["strong"][place] > 0.8 * away["free"][place]
    told = [json.loads((tmp_path / name / "metadata.json").read_text()).get("held") for name in ("free", "strong")]
    assert told == [None, {"neurons": 3, "how": "pulled to the base model", "penalty": 10.0}]


def test_a_held_neuron_that_the_model_lacks_is_refused(
    base: SimpleNamespace, sources: dict, compose, hold, tmp_path: Path
) -> None:
    arguments = (compose("synthetic", 1), sources, hold(base.folder, neuron=32), tmp_path / "out", RECIPE, 5)

    with pytest.raises(StudyError, match=r"held.parquet has neuron 32 of layer 1, which the model does not have: its"):
        finetune_generation(*arguments, JobCompute(device="cpu"))
    assert not (tmp_path / "out").exists()


def test_faults(base: SimpleNamespace, sources: dict, compose, tmp_path: Path) -> None:
    training_set = compose("synthetic", 1)
    with pytest.raises(StudyError, match=r"finetuning.max_tokens is 129, but the base model has 128 positions"):
        finetune(base, training_set, sources, tmp_path / "out", max_tokens=129)

    articles = read_table(sources["generation_00"], GENERATED_ARTICLES)
    write_table(articles.slice(0, 4), sources["generation_00"], GENERATED_ARTICLES)
    with pytest.raises(StudyError, match=r"articles.parquet lacks article a4, which .*set.parquet names"):
        finetune(base, training_set, sources, tmp_path / "out")
    assert not (tmp_path / "out").exists()


#: FSDP by accelerate's config file, with activations that are computed again, and in bfloat16.
SHARDED = {"fsdp": {}, "again": {"fsdp_activation_checkpointing": True}, "bfloat16": {}}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [None, Adapter(rank=4, target_modules="all-linear")])
@pytest.mark.parametrize("kind", list(SHARDED))
def test_processes_that_divide_the_weights_learn_what_one_learns(
    base: SimpleNamespace, sources: dict, compose, tmp_path: Path, adapter: Adapter | None, kind: str
) -> None:
    config = yaml.safe_load((ROOT / "profiles" / "accelerate" / "fsdp.yaml").read_text())
    config["fsdp_config"] |= SHARDED[kind]
    (tmp_path / "accelerate.yaml").write_text(yaml.safe_dump(config))
    recipe = RECIPE.model_copy(update={"epochs": 3, "batch_size": 5, "adapter": adapter})
    initial, training_set = InitialModel(base.folder, base.folder), compose("synthetic", 1)
    for processes, file in ((1, None), (2, str(tmp_path / "accelerate.yaml"))):
        precision = "bfloat16" if kind == "bfloat16" else "float32"
        compute = JobCompute(device="cpu", precision=precision, gpus=2, processes=processes, accelerate_config=file)
        finetune_generation(training_set, sources, initial, tmp_path / f"{processes}", recipe, 5, compute)

    one, two = tmp_path / "1", tmp_path / "2"
    facts = json.loads((two / "metadata.json").read_text())["training"]
    assert (facts["processes"], facts["sharded"]) == (2, True)
    assert (one / "config.json").read_bytes() == (two / "config.json").read_bytes()
    losses = [read_table(place / "training_log.parquet", TRAINING_LOG)["loss"].to_pylist() for place in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=3e-3 if kind == "bfloat16" else 1e-5)
    tokens = torch.tensor([load_tokenizer(base.folder).encode("The harbour council wins the vote.").ids])
    logits = [load_model(place)(tokens).logits for place in (base.folder, one, two)]
    assert torch.allclose(logits[2], logits[1], atol=0.2 if kind == "bfloat16" else 1e-4)
    assert not torch.allclose(logits[0], logits[1], atol=1e-3)
