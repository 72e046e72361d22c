"""Space that a study takes on disk."""

import shutil
from types import SimpleNamespace

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Plan
from bias_amplification.study.costs.space import check_space, encoders_kept, space, trainings_at_once

#: Files of a version besides its weights, some of those of a real run.
TABLES = ("articles.parquet", "perplexity.parquet", "quality.parquet", "neurons.parquet")


def outputs(plan: Plan, *, finished: bool = False) -> dict[str, bool]:
    """Return the files of a run, and whether each is still to be made."""
    folders = ["base", *encoders_kept(plan), *(version.folder for version in plan.versions())]
    files = [f"{folder}/model.safetensors" for folder in folders]
    files += [f"{version.folder}/{name}" for version in plan.versions() for name in TABLES]
    return {f"{plan.study.results}/{file}": not finished for file in files}


@pytest.mark.parametrize(("weights", "kept"), [("all", 66), ("none", 0), (5, 18), (10, 12), (1, 66)])
def test_space_depends_on_the_weights_that_stay(make_study, weights, kept):
    plan = Plan(make_study(storage={"weights": weights}, interventions={"rounds": []}))

    found = space(plan, outputs(plan))

    assert (found.versions, found.kept) == (66, kept)
    assert found.total == (kept + 1) * found.model + 66 * 500_000 + sum(encoders_kept(plan).values())
    assert str(found).startswith("Disk: 66 model versions of ")
    assert plan.keeps_weights(10) == (weights in ("all", 5, 10, 1))
    assert space(plan, outputs(plan, finished=True), trainings=6).left == 0


def test_too_little_space_is_refused(make_study, monkeypatch):
    plan = Plan(make_study())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))

    with pytest.raises(
        StudyError, match=r"needs about .* more in .*results, but only 1 MB are free: make room, .* storage.weights"
    ):
        check_space(plan, outputs(plan))
    assert check_space(plan, outputs(plan, finished=True)).free == 1_000_000


def test_one_missing_version_needs_its_own_space(make_study):
    plan = Plan(make_study())
    files, last = outputs(plan, finished=True), list(plan.versions())[-1]
    folder = f"{plan.study.results}/{last.folder}"

    missing = files | {f"{folder}/{name}": True for name in ("model.safetensors", *TABLES)}
    half = files | {f"{folder}/{name}": True for name in TABLES[:2]}

    found = space(plan, missing, trainings=6)
    # Its weights, its tables, and two states of its training, because a new state is written beside the old one.
    assert found.left == (1 + 6) * found.model + 500_000
    # Nothing is trained for tables alone.
    assert space(plan, half, trainings=6).left == 250_000


def test_the_tables_of_changed_neurons_take_space(make_study):
    changes = {"articles": 8, "sizes": [10, 30], "controls": 19, "actions": [{"kind": "scale", "amounts": [0.5, 2]}]}
    without, plan = (
        Plan(make_study(interventions={"rounds": rounds} | changes))
        for rounds in ([], ["balanced_synthetic", "center_synthetic"])
    )
    # Two sets of two sizes, each with 19 controls and two amounts, and the texts without a change.
    texts, neurons = 8 * (1 + 2 * 2 * 20 * 2), 2 * (10 + 30) * 20
    each = 1_000 * texts + 30 * neurons

    assert space(plan, {}).total - space(without, {}).total == 2 * each
    folder = f"{plan.study.results}/interventions/center_synthetic/generation_10"
    files = {f"{folder}/{name}.parquet": name == "quality" for name in ("units", "conditions", "articles", "quality")}
    assert space(plan, files).left == each / 4
    # A seed set may have fewer articles than are asked for.
    many = Plan(make_study(interventions={"rounds": ["balanced_synthetic"]} | changes | {"articles": 10_000}))
    size = next(one.size for one in many.study.seed_sets if one.name == "balanced")
    assert space(many, {}).total - space(without, {}).total == 1_000 * size * texts // 8 + 30 * neurons


def test_a_shared_generation_is_copied_and_not_trained(make_study):
    plan = Plan(make_study())
    shared = next(version for version in plan.versions() if version.chain.name in plan.sharing)
    weights = f"{plan.study.results}/{shared.folder}/model.safetensors"

    found = space(plan, outputs(plan, finished=True) | {weights: True}, trainings=6)

    assert found.left == found.model


def test_a_file_that_is_remade_takes_the_place_of_the_old_one(make_study, tmp_path, monkeypatch):
    plan = Plan(make_study())
    file = tmp_path / "results" / "quality_detector" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(700))
    files = outputs(plan, finished=True) | {str(file): True}
    needed = encoders_kept(plan)["quality_detector"] - 700

    found = space(plan, files)

    assert (found.left, found.replaced) == (needed + 700, 700)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    assert check_space(plan, files).free == needed
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(StudyError, match="needs about"):
        check_space(plan, files)


@pytest.mark.parametrize(("weights", "each"), [("all", 6), ("none", 6 + 2), (5, 6 + 2)])
def test_every_running_round_needs_space_for_its_state(make_study, tmp_path, weights, each):
    plan = Plan(make_study(storage={"weights": weights}))
    kept = sum(plan.keeps_weights(version.generation) for version in plan.versions())

    found = space(plan, outputs(plan), trainings=100)

    rest = 66 * 500_000 + sum(encoders_kept(plan).values())
    assert found.left == (kept + 1 + 6 * each) * found.model + rest
    assert space(plan, outputs(plan), trainings=1).left == (kept + 1 + each) * found.model + rest
    state = tmp_path / "results" / "state" / "rounds" / "a" / "finetune.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(bytes(1000))
    # A link, such as one into Snakemake's cache: its removal frees nothing.
    state.with_name("linked.safetensors").symlink_to(state)
    assert space(plan, outputs(plan), trainings=100).left == found.left - 1000


def test_the_weights_of_a_base_model_alone_need_one_state(make_study):
    plan = Plan(make_study())
    files = outputs(plan, finished=True) | {f"{plan.study.results}/base/model.safetensors": True}

    found = space(plan, files, trainings=6)

    assert found.left == (1 + 6) * found.model


@pytest.mark.parametrize("weights", ["all", "none"])
def test_given_models_are_copied_and_not_trained(make_study, shipped, weights):
    rounds = shipped()["rounds"]
    rounds[0]["models"] = [{"source": "hub", "hub_id": f"owner/model-{k}", "revision": "0" * 40} for k in range(11)]
    plan = Plan(make_study(rounds=rounds, storage={"weights": weights}))
    given = [version for version in plan.versions() if version.round == rounds[0]["name"]]
    files = outputs(plan, finished=True) | {
        f"{plan.study.results}/{version.folder}/model.safetensors": True for version in given
    }

    found = space(plan, files, trainings=6)

    assert found.left == 11 * found.model


def test_folders_of_encoders(make_study):
    study = make_study(classifier={"splits": ["event"]})

    assert list(encoders_kept(Plan(study))) == [
        "classifier/small", "classifier/smaller", "classifier/selected", "classifier/second",
        "classifier/splits/event", "quality_detector",
    ]  # fmt: skip
    alone = make_study(classifier={"candidates": [{"name": "one"}], "splits": []})
    columns = {"title": "title", "body": "text", "label": "label", "outlet": "paper"}
    table = make_study(corpus={"source": "table", "path": "a.csv", "columns": columns})
    assert "classifier/splits/outlet" in encoders_kept(Plan(table))
    assert "classifier/splits/event" not in encoders_kept(Plan(table)), "the table has no column of events"
    assert list(encoders_kept(Plan(alone))) == ["classifier/one", "classifier/selected", "quality_detector"]


def test_trainings_at_once(make_study):
    on_cpu = Plan(make_study(compute={"device": "cpu", "threads": 2}))
    on_gpu = Plan(make_study(compute={"device": "cuda", "gpus": 2}))

    assert [trainings_at_once(on_cpu, cores, 1) for cores in (1, 2, 8)] == [1, 1, 4]
    assert [trainings_at_once(on_gpu, 8, gpus) for gpus in (1, 2, 8, None)] == [1, 1, 4, 8]
    assert trainings_at_once(on_gpu, None, 1) == 6
