"""Memory, time and GPUs that jobs ask for."""

from collections.abc import Callable

import pytest

from bias_amplification.study import Study
from bias_amplification.study.costs.needs import Needs


def memory(needs: Needs, kind: str, gpus: int | None = None, attempt: int = 1) -> int:
    """Return the memory that a kind of job asks for, MB."""
    return needs(kind, gpus)["mem_mb"](None, attempt=attempt)


def test_later_attempts_ask_for_more(make_study: Callable[..., Study]) -> None:
    needs = Needs(make_study())

    asked = [memory(needs, "train", attempt=attempt) for attempt in (1, 2, 3)]

    assert asked[1] == pytest.approx(1.5 * asked[0], abs=1)
    assert asked[2] == pytest.approx(2.25 * asked[0], abs=1)
    assert [needs("train")["runtime"](None, attempt=attempt) for attempt in (1, 2, 3)] == [120, 240, 480]


def test_time_follows_the_work_of_a_job(make_study: Callable[..., Study]) -> None:
    needs = Needs(make_study())

    of_length = needs("measure", times=len)["runtime"]
    assert [of_length("abc", attempt=1), of_length("a", attempt=1), of_length("ab", attempt=2)] == [180, 60, 240]
    assert needs("generate", times=5)["runtime"](None, attempt=2) == 600


def test_gpus_are_asked_for_if_the_study_uses_them(make_study: Callable[..., Study]) -> None:
    on_gpu, on_cpu = (Needs(make_study(compute={"device": device})) for device in ("cuda", "cpu"))

    assert on_gpu("train", gpus=2)["gpu"] == 2
    assert on_cpu("train", gpus=2)["gpu"] == 0
    assert "gpu" not in on_gpu("light")
    assert "gpu_mb" not in on_cpu("train", gpus=2)
    # Weights, gradients, moments, activations and logits of a small model, and the GPU's context.
    assert 1000 < on_gpu("measure", gpus=1)["gpu_mb"] < on_gpu("train", gpus=1)["gpu_mb"] < 3000
    assert on_gpu("train", gpus=2)["gpu_mb"] <= on_gpu("train", gpus=1)["gpu_mb"]
    assert memory(on_gpu, "generate", gpus=1) == memory(on_gpu, "generate")
    # The second process loads Python, its libraries and the model, too.
    assert memory(on_gpu, "train", gpus=2) > memory(on_gpu, "train", gpus=1) + 2000


def test_memory_exceeds_measured_peaks(make_study: Callable[..., Study], shipped: Callable[..., dict]) -> None:
    """The peaks, in MB, are those of a rehearsal with models of the paper's sizes on a CPU (docs/speed.md)."""
    peaks = {"train": 8732, "train_encoder": 18665, "generate": 2447, "measure": 1325, "analyse": 489, "light": 484}
    paper = {name: shipped("paper")[name] for name in ("base_model", "finetuning", "classifier", "quality")}

    needs = Needs(make_study(**paper))

    assert all(1.1 * peak < memory(needs, kind) < 6 * peak for kind, peak in peaks.items())
    assert memory(Needs(make_study(**paper, compute={"device": "cuda"})), "train") < 6500


def test_small_models_need_little_memory(make_study: Callable[..., Study]) -> None:
    needs = Needs(make_study())

    assert memory(needs, "train") < 3500
    assert memory(needs, "train_encoder") < 3500


def test_an_adapter_needs_less_memory(make_study: Callable[..., Study], shipped: Callable[..., dict]) -> None:
    base_model = shipped("paper")["base_model"]
    full, adapted = (
        Needs(make_study(base_model=base_model, finetuning={"adapter": adapter}, compute={"device": "cuda"}))
        for adapter in (None, {"rank": 8})
    )

    # Of a GPT-2 that is not downloaded yet, 4 of 6 sizes, less 6 sizes of an adapter of 0.3 M parameters.
    assert memory(full, "train") - memory(adapted, "train") == pytest.approx(4 * 500 - 6 * 4 * 0.295, abs=2)
    assert memory(full, "generate") == memory(adapted, "generate")
    # The base model is pretrained with all its weights.
    pretrained = [Needs(make_study(finetuning={"adapter": adapter})) for adapter in (None, {"rank": 8})]
    assert memory(pretrained[0], "train") == memory(pretrained[1], "train")
