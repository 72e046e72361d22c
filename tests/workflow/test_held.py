"""A round whose training holds neurons, in the tiny study: what is made, and what a deleted table makes again."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.torch import load_file
from studies import TINY, Study, make_study

from bias_amplification.artifacts.schemas import HELD_UNITS
from bias_amplification.interventions.held import ChoosingVersion, read_version_outcomes
from bias_amplification.study.sections import Neurons, Quality

pytestmark = pytest.mark.slow

STAGES = ("chain", "measures")
SOURCES = ["balanced_synthetic", "balanced_accumulation", "center_preservation"]
FROZEN = {"outcome": "bias", "size": 10, "rounds": SOURCES}
TABLE = "rounds/balanced_held/held.parquet"


def overlay(folder: Path, name: str, **held) -> Path:
    """Write an overlay with the tiny study's rounds and one more, which holds neurons if there are settings."""
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    more = {"name": "balanced_held", "seed_set": "balanced", "strategy": "synthetic", "tracked_label": "right"}
    rounds = [*config["rounds"], *([more | {"held": held}] if held else [])]
    path = folder / f"{name}.yaml"
    # Greedily, models of this size write the same letter again and again, which no outcome tells apart.
    rounds = [row | {"decoding": {"method": "nucleus"}} for row in rounds]
    changes = {"rounds": rounds, "neurons": {"bias": "mean_probability"}, "compute": {"device": "cpu"}}
    path.write_text(yaml.safe_dump(changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> tuple[Study, dict[str, str], set[str]]:
    """The tiny study to which a round with held neurons was added; its files before, and what the second run made."""
    folder = tmp_path_factory.mktemp("held")
    study = make_study(folder / "study")
    study.finish(configs=[TINY, overlay(folder, "before")], targets=STAGES)
    before = study.final()
    made = study.remade(configs=[TINY, overlay(folder, "frozen", **FROZEN)], targets=STAGES)
    return study, before, made


def projection(study: Study, name: str, generation: int) -> np.ndarray:
    """Return the incoming weights and biases of the neurons, [neurons, inputs + 1]."""
    tensors = load_file(study.results / f"rounds/{name}/generation_{generation:02d}/model.safetensors")
    weight, bias = (tensors[f"transformer.h.0.mlp.c_proj.{kind}"].numpy() for kind in ("weight", "bias"))
    return np.vstack([weight, bias]).T


def test_an_added_round_with_held_neurons_trains_no_other_round(held):
    study, before, made = held

    assert {name: total for name, total in study.final().items() if name in before and "rounds/" in name} == {
        name: total for name, total in before.items() if "rounds/" in name
    }
    trained = {name for name in made if name.endswith("training_log.parquet")}
    assert trained == {f"rounds/balanced_held/generation_0{generation}/training_log.parquet" for generation in range(3)}
    assert TABLE in made
    first = [study.results / f"rounds/{name}/generation_00/model.safetensors" for name in (SOURCES[0], "balanced_held")]
    assert first[0].read_bytes() == first[1].read_bytes()


def test_held_neurons_are_those_of_generation_0_and_others_are_not(held):
    study, _, _ = held
    table = pq.read_table(study.results / TABLE)
    units = table["neuron"].to_numpy()
    others = np.setdiff1d(np.arange(32), units)

    assert table.schema.equals(HELD_UNITS) and set(table["layer"].to_pylist()) == {0}
    assert len(set(units.tolist())) == 10 and table["penalty"].null_count == 10
    first = projection(study, "balanced_held", 0)
    for generation in (1, 2):
        now = projection(study, "balanced_held", generation)
        assert np.array_equal(now[units], first[units])
        assert (now[others] != first[others]).any(axis=1).all()
        free = projection(study, SOURCES[0], generation)
        assert (free[units] != first[units]).any(axis=1).all()
        metadata = study.results / f"rounds/balanced_held/generation_0{generation}/metadata.json"
        assert json.loads(metadata.read_text())["held"] == {"neurons": 10, "how": "frozen"}
    for name, generation in (("balanced_held", 0), (SOURCES[0], 2)):
        metadata = study.results / f"rounds/{name}/generation_0{generation}/metadata.json"
        assert "held" not in json.loads(metadata.read_text())


def test_the_outcomes_that_choose_are_those_of_the_metrics(held):
    study, _, _ = held
    rows = pq.read_table(study.results / "metrics.parquet").to_pylist()
    metrics = {(row["round"], row["generation"]): row for row in rows}
    versions = [
        ChoosingVersion(name, 1, generation, "", metrics[name, generation]["tracked_label"], *tables(study, folder))
        for name in SOURCES
        for generation in range(3)
        for folder in [f"rounds/{name}/generation_{generation:02d}"]
    ]

    for bias in ("share", "mean_probability"):
        for score, column in (("class", "text_quality_index"), ("weighted", "text_quality_index_weighted")):
            settings = Neurons(bias=bias), Quality(score=score)
            found = read_version_outcomes(versions, *settings, ["left", "center", "right"])
            wanted = [metrics[one.round, one.generation] for one in versions]
            pair = [row[f"{bias}_{row['tracked_label']}"] for row in wanted], [row[column] for row in wanted]
            assert np.allclose(found.pair(bias, score), np.array(pair), rtol=1e-12, atol=0)
            assert found.versions.generations == (0, 1, 2) * 3 and found.versions.rounds[::3] == tuple(SOURCES)


def tables(study: Study, folder: str) -> list[Path]:
    return [study.results / folder / f"{name}.parquet" for name in ("predictions", "quality", "neurons")]


def test_a_deleted_table_is_made_again_and_nothing_after_it(held):
    study, _, _ = held
    configs = [TINY, study.folder.parent / "frozen.yaml"]
    before = study.final()
    (study.results / TABLE).unlink()

    made = study.remade(configs=configs, targets=[f"results/{TABLE}"])
    rest = study.remade(configs=configs, targets=STAGES)

    # Within one run, Snakemake makes all again that comes after a table. The next run sees that its bytes are the same.
    assert made == {TABLE} and rest == set()
    assert study.final() == before


def test_another_penalty_trains_only_the_round_that_holds(held):
    study, _, _ = held
    changed = overlay(study.folder.parent, "pulled", **FROZEN, penalty=0.5)
    before = study.final()

    made = study.remade(configs=[TINY, changed], targets=["results/rounds/balanced_held/generation_01/metadata.json"])

    assert {name.split("/")[1] for name in made} == {"balanced_held"}
    metadata = json.loads((study.results / "rounds/balanced_held/generation_01/metadata.json").read_text())
    assert metadata["held"] == {"neurons": 10, "how": "pulled to the base model", "penalty": 0.5}
    after = study.final()
    weights = "rounds/balanced_held/generation_0{}/model.safetensors"
    assert [before[weights.format(g)] == after[weights.format(g)] for g in range(2)] == [True, False]


def test_neurons_from_a_file_and_a_neuron_that_the_model_lacks(held):
    study, _, _ = held
    listed = study.folder / "units.csv"
    listed.write_text("layer,neuron\n0,7\n0,3\n")
    configs = [TINY, overlay(study.folder.parent, "listed", file="units.csv")]

    study.finish(configs=configs, targets=[f"results/{TABLE}"])
    assert pq.read_table(study.results / TABLE)["neuron"].to_pylist() == [3, 7]

    listed.write_text("layer,neuron\n0,32\n")
    run = study.run(configs=configs, targets=[f"results/{TABLE}"])
    assert run.status != 0
    assert "units.csv, row 2 has neuron 32 of layer 0, which the model does not have" in run.output
