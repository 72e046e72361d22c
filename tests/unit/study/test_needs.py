"""What jobs ask a cluster for."""

from pathlib import Path

import yaml

from bias_amplification.study.needs import Needs

ROOT = Path(__file__).parents[3]


def test_requests_grow_with_the_attempt_and_gpus_are_asked_for_where_used(make_study):
    needs = Needs(make_study(compute={"device": "cuda"}))

    asked = needs("train", gpus=2)

    assert asked["gpu"] == 2
    # Each further process has Python, its libraries and the model of its own.
    assert asked["mem_mb"](None, attempt=1) > needs("train", gpus=1)["mem_mb"](None, attempt=1) + 2000
    assert needs("generate", gpus=1)["mem_mb"](None, attempt=1) == needs("generate")["mem_mb"](None, attempt=1)
    memory = [asked["mem_mb"](None, attempt=n) for n in (1, 2, 3)]
    assert memory == sorted(set(memory))
    assert [asked["runtime"](None, attempt=n) for n in (1, 2, 3)] == [120, 240, 480]
    assert "gpu" not in needs("light")
    assert Needs(make_study(compute={"device": "cpu"}))("train", gpus=1)["gpu"] == 0


def test_memory_covers_what_was_measured_at_the_papers_size_on_a_cpu(make_study):
    """docs/speed.md: MB at most of a rehearsal with the paper's sizes, and hardly a gigabyte for the embedded study."""
    measured = {"train": 8732, "train_encoder": 18665, "generate": 2447, "measure": 1325, "analyse": 489, "light": 484}
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))
    changes = {name: paper[name] for name in ("base_model", "finetuning", "classifier", "quality")}

    def asked(study):
        return {kind: Needs(study)(kind)["mem_mb"](None, attempt=1) for kind in measured}

    large, small = asked(make_study(**changes)), asked(make_study())
    on_gpu = asked(make_study(**changes, compute={"device": "cuda"}))
    assert all(1.1 * used < large[kind] < 6 * used for kind, used in measured.items())
    assert small["train"] < 3500 and small["train_encoder"] < 3500
    assert on_gpu["train"] < 6500
