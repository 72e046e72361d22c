"""Space that a study takes on disk."""

import shutil
from types import SimpleNamespace

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Plan
from bias_amplification.study.costs.space import check_space, encoders_kept, space, trainings_at_once


@pytest.mark.parametrize(("weights", "kept"), [("all", 66), ("none", 0), (5, 18), (10, 12), (1, 66)])
def test_space_depends_on_the_weights_that_stay(make_study, weights, kept):
    plan = Plan(make_study(storage={"weights": weights}))

    found = space(plan)

    assert (found.versions, found.kept) == (66, kept)
    assert found.total == (kept + 1) * found.model + 66 * 500_000 + sum(encoders_kept(plan).values())
    assert str(found).startswith("Disk: 66 model versions of ")
    assert plan.keeps_weights(10) == (weights in ("all", 5, 10, 1))


def test_too_little_space_is_refused(make_study, tmp_path, monkeypatch):
    plan = Plan(make_study())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))

    with pytest.raises(
        StudyError, match=r"needs about .* more in .*results, but only 1 MB are free: make room, .* storage.weights"
    ):
        check_space(plan)
    # The page of an earlier run does not show that nothing is missing.
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "index.html").touch()
    with pytest.raises(StudyError, match="needs about"):
        check_space(plan)


def finish(folder):
    """Make the files of a finished version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "articles.parquet", "perplexity.parquet", "neurons.parquet"):
        (folder / name).touch()


def test_one_missing_version_needs_its_own_space(make_study, tmp_path, monkeypatch):
    plan = Plan(make_study())
    places = ["base", *encoders_kept(plan), *(version.folder for version in plan.versions())]
    folders = [tmp_path / "results" / place for place in places]
    for folder in folders[:-1]:
        finish(folder)

    found = space(plan, trainings=6)

    # Its weights, its tables, and two states of its training, because a new state is written beside the old one.
    assert found.left == (1 + 6) * found.model + 500_000
    finish(folders[-1])
    assert space(plan, trainings=6).left == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert check_space(plan).free == 0


@pytest.mark.parametrize(("weights", "each"), [("all", 6), ("none", 6 + 2), (5, 6 + 2)])
def test_every_running_round_needs_space_for_its_state(make_study, tmp_path, weights, each):
    plan = Plan(make_study(storage={"weights": weights}))
    kept = sum(plan.keeps_weights(version.generation) for version in plan.versions())

    found = space(plan, trainings=100)

    rest = 66 * 500_000 + sum(encoders_kept(plan).values())
    assert found.left == (kept + 1 + 6 * each) * found.model + rest
    assert space(plan, trainings=1).left == (kept + 1 + each) * found.model + rest
    state = tmp_path / "results" / "state" / "rounds" / "a" / "finetune.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(bytes(1000))
    # A file that is removed while the states are listed.
    state.with_name("gone.safetensors").symlink_to(tmp_path / "nothing")
    assert space(plan, trainings=100).left == found.left - 1000


def test_a_version_whose_neurons_are_not_analysed_is_finished_without_them(make_study, tmp_path):
    plan = Plan(make_study(neurons={"rounds": ["balanced_synthetic"]}))
    for place in ["base", *encoders_kept(plan), *(version.folder for version in plan.versions())]:
        finish(tmp_path / "results" / place)
    for version in set(plan.versions()) - set(plan.neuron_versions()):
        (tmp_path / "results" / version.folder / "neurons.parquet").unlink()

    assert space(plan, trainings=6).left == 0
    analysed = next(iter(plan.neuron_versions()))
    (tmp_path / "results" / analysed.folder / "neurons.parquet").unlink()
    assert space(plan, trainings=6).left > 0


def test_removed_weights_are_not_missing(make_study, tmp_path):
    plan = Plan(make_study(storage={"weights": "none"}))
    for place in ["base", *encoders_kept(plan), *(version.folder for version in plan.versions())]:
        finish(tmp_path / "results" / place)
    for version in plan.versions():
        (tmp_path / "results" / version.folder / "model.safetensors").unlink()

    assert space(plan, trainings=6).left == 0


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
