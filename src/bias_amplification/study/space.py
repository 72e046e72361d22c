"""What a study takes on disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.plan import Plan
from bias_amplification.study.sizes import UNKNOWN_MODEL, bytes_of, model_bytes

_MB = 1_000_000
_GB = 1_000_000_000

#: Tables and logs of a model version, roughly: a share of its weights, and a least size.
_TABLES = (0.02, 500_000)

#: What a version must have for its weights to be of no more use.
_MADE_OF_WEIGHTS = ("articles.parquet", "perplexity.parquet", "neurons.parquet")

#: A training's saved state in sizes of the model: weights and two moments, twice while one replaces the other.
_STATE = 6

#: Weights that a chain passes on and does not keep: those of a generation and of the one trained from it.
_PASSING = 2


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
    each = model or UNKNOWN_MODEL
    tables = max(round(_TABLES[0] * each), _TABLES[1])
    results = Path(study.results)
    versions = list(plan.versions())
    kept = [version for version in versions if plan.keeps_weights(version)]
    encoders = encoders_kept(plan)
    total = (len(kept) + 1) * each + len(versions) * tables + sum(encoders.values())
    missing = sum(_lacks_weights(folder) for folder in [results / "base", *(results / v.folder for v in kept)])
    encoders_missing = sum(size for name, size in encoders.items() if _lacks_weights(results / name))
    unfinished = [v for v in versions if not all((results / v.folder / name).exists() for name in _MADE_OF_WEIGHTS)]
    at_once = min(trainings, max(len({version.round for version in unfinished}), missing > 0))
    running = at_once * (_STATE + (_PASSING if len(kept) < len(versions) else 0)) * each
    # State that is there already goes when its training is done, and is replaced until then.
    running = max(0, running - sum(map(_size_now, (results / "state").rglob("*.safetensors"))))
    left = missing * each + encoders_missing + running + len(unfinished) * tables
    nearest = next(folder for folder in [results, *results.absolute().parents] if folder.exists())
    return Space(model, len(versions), len(kept), total, left, shutil.disk_usage(nearest).free)


def encoders_kept(plan: Plan) -> dict[str, int]:
    """Tell the folders in which a study's encoders stay, below the results, and the bytes of each one's weights.

    Parameters
    ----------
    plan
        The study; which candidate is selected and which comes second is not known before: the largest counts.
    """
    sizes = {candidate.name: bytes_of(candidate) for candidate in plan.study.classifier.candidates}
    chosen = ["selected", *(["second"] if plan.second_classifier else []), *(f"splits/{name}" for name in plan.splits)]
    sizes |= dict.fromkeys(chosen, max(sizes.values()))
    kept = {f"classifier/{folder}": size for folder, size in sizes.items()}
    return kept | {"quality_detector": bytes_of(plan.study.quality.detector)}


def _lacks_weights(folder: Path) -> bool:
    return not (folder / "model.safetensors").exists()


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
