"""Memory, time and GPUs that jobs ask a cluster for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bias_amplification.study.costs.sizes import (
    FLOAT,
    UNKNOWN_MODEL,
    base_shape,
    encoder_bytes,
    model_bytes,
    working_bytes,
)
from bias_amplification.study.costs.training import Training, trained_bytes
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.settings import Study

_MB = 1_000_000


@dataclass(frozen=True)
class _Need:
    """What one kind of job needs.

    Attributes
    ----------
    memory
        Memory besides the model, MB: Python, its libraries and the job's data.
    models
        Memory for the model, in sizes of its weights.
    minutes
        Run time of the first attempt, minutes.
    """

    memory: int
    models: float
    minutes: int


#: Needs by kind of job. Training holds weights, gradients, two moments and a saved state. Writing and measuring hold
#: the weights and a packed copy. On a CPU the activations of `working_bytes` are added. Minutes are for GPT-2 124M on
#: one GPU.
_NEEDS = {
    "train": _Need(3200, 6, 120),
    "train_encoder": _Need(2500, 6, 120),
    "generate": _Need(1500, 2.5, 60),
    "measure": _Need(3400, 2.5, 60),
    "analyse": _Need(2000, 0, 60),
    "prepare": _Need(3000, 2, 60),
    "light": _Need(700, 0, 10),
}

#: Memory of a GPU for its context and its libraries' working memory, MB. Activations take as much as on a CPU.
_GPU_CONTEXT = 1000

#: Gradients and moments of a training, in sizes of what is trained.
_TRAINED_STATES = 3

#: Memory for the weights of a model whose adapter is trained, in sizes of the model: there are two copies while it is
#: read. Of what training holds, only the adapter's part is added.
_ADAPTED = 2

#: Needs of each further process of a fine-tuning: Python with its libraries, a GPU's context, and the model, of which
#: there are two copies while it is read.
_PROCESS = _Need(2500, 2, 0)


class Needs:
    """Resources of the workflow's rules. An attempt after a failure asks for more memory and time.

    Parameters
    ----------
    study
        The config.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        model, encoder = model_bytes(study) or UNKNOWN_MODEL, encoder_bytes(study)
        self.models = dict.fromkeys(_NEEDS, model) | {"train_encoder": encoder, "measure": max(model, encoder)}

    def __call__(
        self, kind: str, gpus: int | None = None, times: int | Callable[[Any], int] = 1
    ) -> dict[str, int | Callable[..., int]]:
        """Return a rule's resources.

        Parameters
        ----------
        kind
            train, train_encoder, generate, measure, analyse, prepare or light.
        gpus
            Number of GPUs of the job if the study uses GPUs; None for a job that never uses one.
        times
            How many times the work of a version the job does, or a function of the job's wildcards that returns it.
        """
        need = _NEEDS[kind]
        # With `device: cuda`, activations are in the GPU's memory.
        working = working_bytes(self.study, kind)
        activations = 0 if self.study.compute.device == "cuda" else working
        memory = need.memory + (self._weights(kind) + activations) / _MB
        asked = (gpus or 0) * gpus_per_job(self.study.compute.device)
        if kind == "train" and asked > 1:
            memory += (asked - 1) * (_PROCESS.memory + _PROCESS.models * self.models[kind] / _MB)

        def mem_mb(wildcards: Any, attempt: int) -> int:
            return round(round(memory) * 1.5 ** (attempt - 1))

        def runtime(wildcards: Any, attempt: int) -> int:
            return need.minutes * (times(wildcards) if callable(times) else times) * 2 ** (attempt - 1)

        resources: dict[str, int | Callable[..., int]] = {"mem_mb": mem_mb, "runtime": runtime}
        if gpus is not None:
            resources["gpu"] = asked
        if asked:
            on_gpu = self._trained_on_gpu(asked) if kind == "train" else self._weights_on_gpu(kind) + working
            resources["gpu_mb"] = round(_GPU_CONTEXT + on_gpu / _MB)
        return resources

    def _weights(self, kind: str) -> float:
        """Return the bytes that a kind of job needs for the model."""
        model, models = self.models[kind], _NEEDS[kind].models
        trained = trained_bytes(self.study, model) if kind == "train" else model
        return models * trained + (_ADAPTED * model if trained < model else 0)

    def _weights_on_gpu(self, kind: str) -> float:
        """Return the bytes of the weights on a GPU and, for an encoder's training, of their gradients and moments."""
        return self.models[kind] * (1 + _TRAINED_STATES * (kind == "train_encoder"))

    def _trained_on_gpu(self, gpus: int) -> int:
        """Return the bytes that the training of a language model takes on each of its GPUs."""
        study, model = self.study, self.models["train"]
        shared = {"parameters": model // FLOAT, "shape": base_shape(study)}
        finetuning, pretraining = study.finetuning, study.base_model.pretraining
        trainings = [
            Training(
                **shared,
                rows=finetuning.batch_size,
                tokens=finetuning.max_tokens,
                devices=gpus,
                sharded=study.compute.accelerate_config is not None,
                adapter=finetuning.adapter,
            )
        ]
        if study.base_model.source == "pretrain":
            trainings.append(Training(**shared, rows=pretraining.batch_size, tokens=pretraining.context))
        # Each GPU holds the whole model before FSDP divides it.
        return max(model, *(training.memory for training in trainings))
