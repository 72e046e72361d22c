"""What jobs ask a cluster for, and what a study takes on disk."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.models import count_parameters
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.plan import Plan
from bias_amplification.study.settings import Study

_MB = 1_000_000
_GB = 1_000_000_000

#: Weights of a hub's model whose size is not known before it is here: GPT-2's.
_UNKNOWN_MODEL = 500 * _MB

#: Tables and logs of a model version, roughly: a share of its weights, and a least size.
_TABLES = (0.02, 500_000)

#: What a version must have for its weights to be of no more use.
_MADE_OF_WEIGHTS = ("articles.parquet", "perplexity.parquet", "neurons.parquet")

#: A training's saved state in sizes of the model: weights and two moments, twice while one replaces the other.
_STATE = 6

#: Weights that a chain passes on and does not keep: those of a generation and of the one trained from it.
_PASSING = 2


@dataclass(frozen=True)
class _Need:
    """Memory besides the model (MB), memory in sizes of the model, and minutes, of one kind of job."""

    memory: int
    models: float
    minutes: int


#: Memory: Python with its libraries and what a job holds besides; training keeps weights, gradients, two moments and
#: a saved state, and on a CPU its activations. Minutes are for GPT-2 124M on one GPU; an attempt that failed doubles
#: them.
_NEEDS = {
    "train": _Need(3200, 6, 120),
    "train_encoder": _Need(2500, 6, 120),
    "generate": _Need(3000, 2, 60),
    "measure": _Need(4000, 2, 60),
    "analyse": _Need(2000, 0, 60),
    "prepare": _Need(3000, 1, 60),
    "light": _Need(700, 0, 10),
}


#: What a training step keeps for its gradients: numbers of a model's width for each token and block. Measured on a CPU
#: (docs/speed.md); an encoder's batches are padded, and attention then keeps its matrices.
_KEPT = {"train": 41, "train_encoder": 54}

#: Blocks and width of a model that is not here: GPT-2's and RoBERTa-base's.
_USUAL_SHAPE = (12, 768)


def activation_bytes(study: Study, kind: str) -> int:
    """Size of what one step of a training keeps for its gradients, in float32.

    Parameters
    ----------
    study
        The study.
    kind
        train (language models) or train_encoder (classifiers, quality detector); anything else keeps nothing.
    """
    steps: list[tuple[tuple[int, int], int]] = []
    if kind == "train":
        base, size, recipe = study.base_model, study.base_model.pretraining, study.finetuning
        shape = (size.layers, size.width) if base.source == "pretrain" else _USUAL_SHAPE
        steps.append((shape, recipe.batch_size * recipe.max_tokens))
        if base.source == "pretrain":
            steps.append((shape, size.batch_size * size.context))
    elif kind == "train_encoder":
        encoders = [(one, study.classifier.training) for one in study.classifier.candidates if one.train]
        # A detector from elsewhere is taken as it is.
        if study.quality.detector.source == "scratch":
            encoders.append((study.quality.detector, study.quality.training))
        for encoder, recipe in encoders:
            shape = (encoder.layers, encoder.width) if encoder.source == "scratch" else _USUAL_SHAPE
            steps.append((shape, recipe.batch_size * recipe.max_tokens))
    return max((4 * _KEPT[kind] * layers * width * tokens for (layers, width), tokens in steps), default=0)


def model_bytes(study: Study) -> int | None:
    """Size of a model version's weights in float32; None if only the hub knows.

    Parameters
    ----------
    study
        The study: for a model from a folder its parameters are counted, whatever precision they have there; for one
        pretrained by the run they follow from its size.
    """
    base = study.base_model
    made = Path(study.results) / "base" / "model.safetensors"
    if base.source == "pretrain":
        size = base.pretraining
        block = 12 * size.width**2 + 13 * size.width
        return 4 * (size.layers * block + (size.vocabulary + size.context + 2) * size.width)
    if base.source == "folder":
        return 4 * count_parameters(base.path)
    return made.stat().st_size if made.exists() else None


class Needs:
    """What each kind of job asks for; an attempt after a failure asks for more.

    Parameters
    ----------
    study
        The study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.model = model_bytes(study) or _UNKNOWN_MODEL

    def __call__(self, kind: str, gpus: int | None = None) -> dict[str, int | Callable[..., int]]:
        """Return a rule's resources.

        Parameters
        ----------
        kind
            train, train_encoder, generate, measure, analyse, prepare or light.
        gpus
            GPUs where one is used; None for a job that computes on the CPU alone.
        """
        need = _NEEDS[kind]
        # A study that insists on GPUs keeps its activations there.
        kept = 0 if self.study.compute.device == "cuda" else activation_bytes(self.study, kind)
        memory = round(need.memory + (need.models * self.model + kept) / _MB)

        def mem_mb(wildcards: Any, attempt: int) -> int:
            return round(memory * 1.5 ** (attempt - 1))

        def runtime(wildcards: Any, attempt: int) -> int:
            return need.minutes * 2 ** (attempt - 1)

        resources: dict[str, int | Callable[..., int]] = {"mem_mb": mem_mb, "runtime": runtime}
        if gpus is not None:
            resources["gpu"] = gpus * gpus_per_job(self.study.compute.device)
        return resources


@dataclass(frozen=True)
class Space:
    """What a study takes on disk, in bytes: in the end, and what is still to be written on the way there."""

    model: int | None
    versions: int
    kept: int
    total: int
    left: int
    free: int

    def __str__(self) -> str:
        """Tell it in one line."""
        size = "of unknown size until the base model is here" if self.model is None else f"of {_size(self.model)}"
        return (
            f"Disk: {self.versions} model versions {size}, {self.kept} kept: about {_size(self.total)} in the end, "
            f"{_size(self.left)} still to write, states of unfinished trainings included; {_size(self.free)} free."
        )


def space(plan: Plan, trainings: int = 1) -> Space:
    """Compute what a study takes on disk, and what of it is not there yet.

    Parameters
    ----------
    plan
        The study's versions.
    trainings
        How many fine-tunings run at once at most; never more than rounds that are not done.
    """
    study = plan.study
    model = model_bytes(study)
    each = model or _UNKNOWN_MODEL
    tables = max(round(_TABLES[0] * each), _TABLES[1])
    results = Path(study.results)
    versions = list(plan.versions())
    kept = [version for version in versions if plan.keeps_weights(version)]
    total = (len(kept) + 1) * each + len(versions) * tables
    weights = [results / "base", *(results / version.folder for version in kept)]
    missing = sum(not (folder / "model.safetensors").exists() for folder in weights)
    unfinished = [v for v in versions if not all((results / v.folder / name).exists() for name in _MADE_OF_WEIGHTS)]
    at_once = min(trainings, max(len({version.round for version in unfinished}), missing > 0))
    running = at_once * (_STATE + (_PASSING if len(kept) < len(versions) else 0)) * each
    # State that is there already goes when its training is done, and is replaced until then.
    running = max(0, running - sum(map(_size_now, (results / "state").rglob("*.safetensors"))))
    left = missing * each + running + len(unfinished) * tables
    nearest = next(folder for folder in [results, *results.absolute().parents] if folder.exists())
    return Space(model, len(versions), len(kept), total, left, shutil.disk_usage(nearest).free)


def _size_now(file: Path) -> int:
    """Size of a file that a job of an earlier run may be replacing or removing just now."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def trainings_at_once(plan: Plan, cores: int | None, gpus: int | None) -> int:
    """Tell how many fine-tunings may run side by side.

    Parameters
    ----------
    plan
        The study's versions.
    cores
        Of this machine; None on a cluster, where every round may have one.
    gpus
        The budget of GPUs; None without one.
    """
    compute = plan.study.compute
    if cores is None:
        return len(plan.rounds)
    if gpus is not None and gpus_per_job(compute.device):
        return max(1, gpus // compute.gpus)
    return max(1, cores // compute.threads)


def check_space(plan: Plan, trainings: int = 1) -> Space:
    """Refuse to start a study that cannot end for want of space.

    Parameters
    ----------
    plan, trainings
        As for `space`.

    Raises
    ------
    StudyError
        Telling what is needed, what is free, and what to do.
    """
    found = space(plan, trainings)
    if found.left > found.free:
        raise StudyError(
            f"The study will write about {_size(found.left)} into {plan.study.results}, where {_size(found.free)} are "
            "free: make room, name another folder in results, or set storage.weights to none or to a number "
            "(README, Space)."
        )
    return found


def _size(count: float) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / _MB:.0f} MB"
