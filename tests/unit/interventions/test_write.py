"""Texts that a version writes under conditions, against models whose weights are changed in place."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    ARTICLES,
    GENERATED_ARTICLES,
    INTERVENTION_CONDITIONS,
    INTERVENTION_UNITS,
    NEURONS,
)
from bias_amplification.interventions import write
from bias_amplification.interventions.edits import RowEdits
from bias_amplification.interventions.write import (
    Changes,
    Condition,
    Writing,
    Written,
    intervene,
    list_conditions,
    sample_articles,
)
from bias_amplification.language_model.generate import write_articles
from bias_amplification.language_model.load import load_model, load_tokenizer, save_model
from bias_amplification.models.folders import ModelFolders
from bias_amplification.neurons.extract import extract_neurons
from bias_amplification.study.sections import Action, Decoding, Generation, Interventions, JobCompute, Neurons

SHORT = Generation(prompt="blocks", block_tokens=8, new_tokens=6, batch_prompts=16)
ALL = [
    Action(kind="restore"),
    Action(kind="transplant", generation=3),
    Action(kind="ablate"),
    Action(kind="ablate", output="mean"),
    Action(kind="scale", amounts=[0.5, -2.0]),
    Action(kind="steer", generation=3, amounts=[4.0]),
]
#: Neurons by layer of the set and of its control.
SETS = {0: {0: [1, 5, 9, 20], 1: [30, 31]}, 1: {0: [0, 2, 3, 4], 1: [7, 9]}}


def units_table(sets: dict[int, dict[int, list[int]]] = SETS, name: str = "bias", size: int = 6) -> pa.Table:
    measures = {"weight_norm": 1.0, "weight_change": 0.1, "activation_change": 0.1}
    rows = [
        {"set": name, "size": size, "control": control, "layer": layer, "neuron": neuron, **measures}
        for control, layers in sets.items()
        for layer, neurons in layers.items()
        for neuron in neurons
    ]
    return pa.Table.from_pylist(rows, schema=INTERVENTION_UNITS)


@pytest.fixture(scope="module")
def models(base: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The base model, a version that is changed and a later one, each with a table of its neurons."""
    folder = tmp_path_factory.mktemp("versions")
    folders = {"base": folder / "base", "own": folder / "own", "3": folder / "3"}
    for seed, place in enumerate(folders.values()):
        model = load_model(base.folder)
        torch.manual_seed(seed)
        for parameter in model.parameters():
            parameter.data += 0.15 * seed * parameter.std() * torch.randn_like(parameter)
        save_model(model, place)
        tables = (base.seed_set, place / "neurons.parquet")
        extract_neurons(ModelFolders(place, base.folder), *tables, Neurons(), JobCompute(device="cpu"))
    return SimpleNamespace(**vars(base) | {"folder": folder, "folders": folders, "tokenizer": base.folder})


def run(
    models: SimpleNamespace,
    out: Path,
    units: pa.Table | None = None,
    *,
    actions: list[Action] | None = None,
    articles: int | None = 4,
    own: str = "own",
    decoding: Decoding | None = None,
    **compute: object,
) -> pa.Table:
    write_table(units_table() if units is None else units, out / "units.parquet", INTERVENTION_UNITS)
    settings = Interventions(actions=actions or ALL, articles=articles)
    references = {name: models.folders[name] for name in {action.reference for action in settings.actions} - {None}}
    intervene(
        ModelFolders(models.folders[own], models.tokenizer),
        Changes(out / "units.parquet", references, settings),
        models.seed_set,
        Writing(SHORT, decoding or Decoding(), seed=3, sample_seed=8),
        Written(out / "conditions.parquet", out / "articles.parquet"),
        JobCompute(device="cpu", **compute),
    )
    return read_table(out / "articles.parquet", GENERATED_ARTICLES)


def by_condition(table: pa.Table) -> dict[int, pa.Table]:
    """Split the articles by condition, with the real articles' ids."""
    rows: dict[int, list[dict]] = {}
    for row in table.to_pylist():
        number, article_id = row["article_id"].split("/")
        assert len(number) == 5
        rows.setdefault(int(number), []).append(row | {"article_id": article_id})
    return {number: pa.Table.from_pylist(part, schema=GENERATED_ARTICLES) for number, part in rows.items()}


def means(models: SimpleNamespace, name: str) -> torch.Tensor:
    table = read_table(models.folders[name] / "neurons.parquet", NEURONS)
    return torch.tensor(table["activation_ffn"].to_pylist()).view(2, 32)


def change_in_place(models: SimpleNamespace, control: int, action: str, amount: float | None) -> torch.nn.Module:
    """Return the version with the weights of a set, in GPT-2's second projections, changed."""
    model = load_model(models.folders["own"])
    kind, _, detail = action.partition(" ")
    other = load_model(models.folders[detail]) if kind in ("restore", "transplant") else None
    for layer, neurons in SETS[control].items():
        own = model.transformer.h[layer].mlp.c_proj
        weight, bias = own.weight.data, own.bias.data
        if other:
            new = other.transformer.h[layer].mlp.c_proj
            weight[:, neurons], bias[neurons] = new.weight.data[:, neurons], new.bias.data[neurons]
        elif kind == "steer":
            bias[neurons] += amount * (means(models, "own") - means(models, detail))[layer, neurons]
        else:
            weight[:, neurons] *= amount or 0.0
            bias[neurons] *= amount or 0.0
            if detail == "mean":
                bias[neurons] = means(models, "own")[layer, neurons]
    return model


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(method="nucleus")], ids=lambda decoding: decoding.method)
def test_articles_equal_those_of_models_with_changed_weights(
    models: SimpleNamespace, tmp_path: Path, decoding: Decoding
) -> None:
    found = by_condition(run(models, tmp_path, decoding=decoding))

    conditions = read_table(tmp_path / "conditions.parquet", INTERVENTION_CONDITIONS).to_pylist()
    assert [row["condition"] for row in conditions] == list(found) == list(range(1 + 2 * 7))
    nothing, *others = conditions
    assert set(nothing.values()) == {0, None}
    assert [tuple(row.values())[1:4] for row in others] == [("bias", 6, 0)] * 7 + [("bias", 6, 1)] * 7
    changes = [("restore base", None), ("transplant 3", None), ("ablate zero", None), ("ablate mean", None)]
    changes += [("scale", 0.5), ("scale", -2.0), ("steer 3", 4.0)]
    assert [(row["action"], row["amount"]) for row in others] == changes * 2
    articles = sample_articles(read_table(models.seed_set, ARTICLES), 4, seed=8)
    tokenizer = load_tokenizer(models.tokenizer)

    def plain(model: torch.nn.Module) -> pa.Table:
        return write_articles(model, tokenizer, articles, SHORT, decoding, seed=3).cast(GENERATED_ARTICLES)

    assert found[0].equals(plain(load_model(models.folders["own"])))
    for row in others:
        changed = change_in_place(models, row["control"], row["action"], row["amount"])
        assert found[row["condition"]].equals(plain(changed)), row
    assert len({str(table["text"].to_pylist()) for table in found.values()}) > 12


def test_a_version_without_sets_writes_under_the_first_condition_alone(models: SimpleNamespace, tmp_path: Path) -> None:
    found = run(models, tmp_path, units_table({}), articles=None)

    assert found["article_id"].to_pylist() == [f"00000/a{k}" for k in range(6)]
    assert read_table(tmp_path / "conditions.parquet", INTERVENTION_CONDITIONS).num_rows == 1


def test_what_changes_nothing_gives_the_same_bytes(
    models: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    actions = [Action(kind="restore"), Action(kind="scale", amounts=[1.0, 3.0]), Action(kind="steer", amounts=[0.0, 9])]

    found = by_condition(run(models, tmp_path, own="base", actions=actions))

    texts = {number: table["text"].to_pylist() for number, table in found.items()}
    conditions = read_table(tmp_path / "conditions.parquet", INTERVENTION_CONDITIONS).to_pylist()
    differing = [row["condition"] for row in conditions if texts[row["condition"]] != texts[0]]
    assert {conditions[number]["amount"] for number in differing} == {3.0}
    assert "11 conditions, 8 of them without an effect on any weight or output; 4 articles under each" in (
        capsys.readouterr().out
    )


def test_an_interrupted_job_goes_on(
    models: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    whole = run(models, tmp_path / "whole")
    begin, batches = RowEdits.begin, []

    def interrupted(self: RowEdits, conditions: list[int]) -> None:
        batches.append(conditions)
        if len(batches) == 4:
            raise KeyboardInterrupt
        begin(self, conditions)

    monkeypatch.setattr(RowEdits, "begin", interrupted)
    saved = {"state": str(tmp_path / "state.safetensors"), "checkpoint_seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        run(models, tmp_path / "again", **saved)
    assert not (tmp_path / "again" / "articles.parquet").exists()
    # The state of other conditions is of no use.
    monkeypatch.setattr(RowEdits, "begin", begin)
    state = (tmp_path / "state.safetensors").read_bytes()
    run(models, tmp_path / "other", actions=[*ALL[:-1], Action(kind="steer", generation=3, amounts=[5.0])], **saved)
    assert "going on after batch" not in capsys.readouterr().out
    (tmp_path / "state.safetensors").write_bytes(state)

    found = run(models, tmp_path / "again", **saved)

    assert "going on after batch 3 of" in capsys.readouterr().out
    assert found.equals(whole)
    names = ("articles.parquet", "conditions.parquet")
    assert all((tmp_path / "again" / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in names)
    assert not (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({0: {2: [1]}}, "set bias has layer 2, but the model has only the layers 0 to 1: correct the file of this set"),
        ({0: {1: [31, 32]}}, "set bias has neuron 32, but the model has only the neurons 0 to 31: correct the file"),
        ({0: {1: [-1]}}, "set bias has neuron -1, but"),
    ],
)
def test_neurons_that_the_model_does_not_have(
    models: SimpleNamespace, tmp_path: Path, sets: dict, message: str
) -> None:
    with pytest.raises(StudyError, match=f"units.parquet: {message}"):
        run(models, tmp_path, units_table(sets))


def test_conditions_have_a_stable_order() -> None:
    tables = [
        units_table(SETS, name, size) for name, size in (("quality", 30), ("bias", 30), ("quality", 6), ("bias", 6))
    ]
    settings = Interventions(actions=[Action(kind="scale", amounts=[2.0, 0.5]), Action(kind="restore")])
    scaled, restored = settings.actions

    found = list_conditions(pa.concat_tables(tables), settings)

    sets = [(name, size, control) for name in ("quality", "bias") for size in (6, 30) for control in (0, 1)]
    changes = [(scaled, 2.0), (scaled, 0.5), (restored, None)]
    assert found == [Condition(), *(Condition(*one, *change) for one in sets for change in changes)]


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    articles = pa.table({"number": list(range(50))})

    small, large = (sample_articles(articles, number, seed=1)["number"].to_pylist() for number in (12, 30))

    assert len(small) == 12 and len(large) == 30 and set(small) < set(large)
    assert small == sorted(small) and small != sample_articles(articles, 12, seed=2)["number"].to_pylist()
    assert sample_articles(articles, None, seed=1).equals(articles)
    assert sample_articles(articles, 99, seed=1).equals(articles)


def test_only_models_that_actions_need_are_read(
    models: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(write, "read_projections", lambda folder, *_: read.append(folder.name))
    monkeypatch.setattr(write, "read_means", lambda path: read.append(path.parent.name))

    for actions in (
        [Action(kind="scale", amounts=[2.0])],
        [Action(kind="ablate")],
        [Action(kind="steer", amounts=[1])],
    ):
        changes = Changes(tmp_path, deepcopy(models.folders), Interventions(actions=actions))
        write._Known.read(models.folders["own"], changes, {})

    assert read == ["own", "base"]
