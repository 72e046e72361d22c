"""What jobs ask for and what a study takes on disk."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from bias_amplification.artifacts import StudyError
from bias_amplification.language_model.pretrain import new_model
from bias_amplification.study import Plan, read_study
from bias_amplification.study.needs import Needs, check_space, model_bytes, space, trainings_at_once
from bias_amplification.study.plan import Version

ROOT = Path(__file__).parents[3]


def make_study(tmp_path, **changes):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    return read_study(config | {"results": str(tmp_path / "results")} | changes)


def test_a_pretrained_model_has_the_size_that_is_told(tmp_path):
    study = make_study(tmp_path)
    size = study.base_model.pretraining
    sizes = {name: getattr(size, name) for name in ("layers", "width", "heads", "context")}
    model = new_model(**sizes, vocabulary=size.vocabulary, end=0, seed=0)

    assert model_bytes(study) == 4 * sum(parameter.numel() for parameter in model.parameters())


def test_requests_grow_with_the_attempt_and_gpus_are_asked_for_where_used(tmp_path):
    needs = Needs(make_study(tmp_path, compute={"device": "cuda"}))

    asked = needs("train", gpus=2)

    assert asked["gpu"] == 2
    memory = [asked["mem_mb"](None, attempt=n) for n in (1, 2, 3)]
    assert memory == sorted(set(memory))
    assert [asked["runtime"](None, attempt=n) for n in (1, 2, 3)] == [120, 240, 480]
    assert "gpu" not in needs("light")
    assert Needs(make_study(tmp_path, compute={"device": "cpu"}))("train", gpus=1)["gpu"] == 0


def test_memory_covers_what_was_measured_at_the_papers_size_on_a_cpu(tmp_path):
    """docs/speed.md: MB at most of a rehearsal with the paper's sizes, and hardly a gigabyte for the embedded study."""
    measured = {"train": 8732, "train_encoder": 18665, "generate": 2447, "measure": 1325, "analyse": 489, "light": 484}
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))
    changes = {name: paper[name] for name in ("base_model", "finetuning", "classifier", "quality")}

    def asked(study):
        return {kind: Needs(study)(kind)["mem_mb"](None, attempt=1) for kind in measured}

    large, small = asked(make_study(tmp_path, **changes)), asked(make_study(tmp_path))
    on_gpu = asked(make_study(tmp_path, **changes, compute={"device": "cuda"}))
    assert all(1.1 * used < large[kind] < 6 * used for kind, used in measured.items())
    assert small["train"] < 3500 and small["train_encoder"] < 3500
    assert on_gpu["train"] < 6500


@pytest.mark.parametrize(("weights", "kept"), [("all", 66), ("none", 0), (5, 18), (10, 12), (1, 66)])
def test_space_follows_from_the_weights_that_stay(tmp_path, weights, kept):
    plan = Plan(make_study(tmp_path, storage={"weights": weights}))

    found = space(plan)

    assert (found.versions, found.kept) == (66, kept)
    assert found.total == (kept + 1) * found.model + 66 * 500_000
    assert str(found).startswith("Disk: 66 model versions of ")
    assert plan.keeps_weights(Version("balanced_synthetic", 10)) == (weights in ("all", 5, 10, 1))


def test_too_little_space_is_told_before_anything_runs(tmp_path, monkeypatch):
    plan = Plan(make_study(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))

    with pytest.raises(StudyError, match=r"will write about .* where 1 MB are free: make room, .* storage.weights"):
        check_space(plan)
    # A page from before says nothing of what is missing now.
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "index.html").touch()
    with pytest.raises(StudyError, match="will write about"):
        check_space(plan)


def finish(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "articles.parquet", "perplexity.parquet", "neurons.parquet"):
        (folder / name).touch()


def test_a_study_with_one_version_missing_needs_little_more(tmp_path, monkeypatch):
    plan = Plan(make_study(tmp_path))
    folders = [tmp_path / "results" / "base", *(tmp_path / "results" / v.folder for v in plan.versions())]
    for folder in folders[:-1]:
        finish(folder)

    found = space(plan, trainings=6)

    # Its weights, its tables, and the state of its training while a new one replaces it.
    assert found.left == (1 + 6) * found.model + 500_000
    finish(folders[-1])
    assert space(plan, trainings=6).left == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert check_space(plan).free == 0


@pytest.mark.parametrize(("weights", "each"), [("all", 6), ("none", 6 + 2), (5, 6 + 2)])
def test_every_round_that_runs_has_a_state_and_passes_weights_on(tmp_path, weights, each):
    plan = Plan(make_study(tmp_path, storage={"weights": weights}))
    kept = sum(map(plan.keeps_weights, plan.versions()))

    found = space(plan, trainings=100)

    assert found.left == (kept + 1 + 6 * each) * found.model + 66 * 500_000
    assert space(plan, trainings=1).left == (kept + 1 + each) * found.model + 66 * 500_000
    state = tmp_path / "results" / "state" / "rounds" / "a" / "finetune.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(bytes(1000))
    # Replaced between the listing and the look at it, by a job that outlives its run.
    state.with_name("gone.safetensors").symlink_to(tmp_path / "nothing")
    assert space(plan, trainings=100).left == found.left - 1000


def test_weights_that_are_gone_are_not_missed(tmp_path):
    plan = Plan(make_study(tmp_path, storage={"weights": "none"}))
    for folder in [tmp_path / "results" / "base", *(tmp_path / "results" / v.folder for v in plan.versions())]:
        finish(folder)
    for version in plan.versions():
        (tmp_path / "results" / version.folder / "model.safetensors").unlink()

    assert space(plan, trainings=6).left == 0


def test_a_model_in_half_precision_is_counted_as_it_will_be_written(tmp_path):
    folder = tmp_path / "half"
    model = new_model(layers=1, width=16, heads=2, context=32, vocabulary=300, end=0, seed=0)
    count = sum(parameter.numel() for parameter in model.parameters())
    model.to(torch.float16).save_pretrained(folder)

    assert model_bytes(make_study(tmp_path, base_model={"source": "folder", "path": str(folder)})) == 4 * count


def test_trainings_side_by_side_follow_from_cores_gpus_and_rounds(tmp_path):
    on_cpu = Plan(make_study(tmp_path, compute={"device": "cpu", "threads": 2}))
    on_gpu = Plan(make_study(tmp_path, compute={"device": "cuda", "gpus": 2}))

    assert [trainings_at_once(on_cpu, cores, 1) for cores in (1, 2, 8)] == [1, 1, 4]
    assert [trainings_at_once(on_gpu, 8, gpus) for gpus in (1, 2, 8, None)] == [1, 1, 4, 8]
    assert trainings_at_once(on_gpu, None, 1) == 6
