"""Space that a study takes on disk."""

from dataclasses import dataclass
from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import free_space
from bias_amplification.study.costs.sizes import UNKNOWN_MODEL, bytes_of, model_bytes
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.plan import Plan

_MB = 1_000_000
_GB = 1_000_000_000

#: Approximate size of a version's tables and logs: a share of its weights, and a least number of bytes.
_TABLES_SHARE = 0.02
_TABLES_LEAST = 500_000

#: Tables that are made with every version's weights. A version that has them, and neurons.parquet if its neurons are
#: analysed, is finished.
_MADE_WITH_WEIGHTS = ("articles.parquet", "perplexity.parquet")

#: Size of a training's saved state, in sizes of the model: weights and two moments, and as much again while a new state
#: is written beside the old one.
_STATE = 6

#: Weights of a round that are on disk for a time only, in sizes of the model: those of a generation and those of the
#: generation that is trained from it.
_PASSING = 2


@dataclass(frozen=True)
class Space:
    """Space that a study takes on disk.

    Attributes
    ----------
    model
        Size of a version's weights, bytes; None if it is not known yet.
    versions, kept
        Number of versions, and of those whose weights stay.
    total
        Size of the finished study, bytes.
    left
        Bytes that are still to be written, states of unfinished trainings included.
    free
        Free bytes on the disk of the results folder.
    """

    model: int | None
    versions: int
    kept: int
    total: int
    left: int
    free: int

    def __str__(self) -> str:
        """Return one line for the terminal."""
        size = "of unknown size until the base model is there" if self.model is None else f"of {_size(self.model)}"
        return (
            f"Disk: {self.versions} model versions {size}, {self.kept} kept: about {_size(self.total)} in the end, "
            f"{_size(self.left)} still to write, states of unfinished trainings included; {_size(self.free)} free."
        )


def space(plan: Plan, trainings: int = 1) -> Space:
    """Compute the space that a study takes on disk, and how much of it is still to be written.

    Parameters
    ----------
    plan
        The study's versions.
    trainings
        Largest number of fine-tuning jobs at the same time. Unfinished rounds limit it further.
    """
    study = plan.study
    model = model_bytes(study)
    each = model or UNKNOWN_MODEL
    tables = max(round(_TABLES_SHARE * each), _TABLES_LEAST)
    results = Path(study.results)
    versions = list(plan.versions())
    kept = [version for version in versions if plan.keeps_weights(version.generation)]
    encoders = encoders_kept(plan)
    total = (len(kept) + 1) * each + len(versions) * tables + sum(encoders.values())
    missing = sum(_lacks_weights(folder) for folder in [results / "base", *(results / v.folder for v in kept)])
    encoders_missing = sum(size for name, size in encoders.items() if _lacks_weights(results / name))
    files = {v: {*_MADE_WITH_WEIGHTS} for v in versions}
    for version in plan.neuron_versions():
        files[version].add("neurons.parquet")
    unfinished = [v for v, names in files.items() if not all((results / v.folder / name).exists() for name in names)]
    at_once = min(trainings, max(len({version.chain for version in unfinished}), missing > 0))
    running = at_once * (_STATE + (_PASSING if len(kept) < len(versions) else 0)) * each
    # States that are there already are replaced, or removed when their training is finished.
    running = max(0, running - sum(map(_current_size, (results / "state").rglob("*.safetensors"))))
    left = missing * each + encoders_missing + running + len(unfinished) * tables
    return Space(model, len(versions), len(kept), total, left, free_space(results))


def encoders_kept(plan: Plan) -> dict[str, int]:
    """Return the folders, below the results folder, in which encoders stay, and the bytes of each one's weights.

    Parameters
    ----------
    plan
        The study. It is not known yet which candidates are selected and second, so the largest is assumed.
    """
    sizes = {candidate.name: bytes_of(candidate) for candidate in plan.study.classifier.candidates}
    chosen = ["selected", *(["second"] if plan.second_classifier else []), *(f"splits/{name}" for name in plan.splits)]
    sizes |= dict.fromkeys(chosen, max(sizes.values()))
    kept = {f"classifier/{folder}": size for folder, size in sizes.items()}
    return kept | {"quality_detector": bytes_of(plan.study.quality.detector)}


def _lacks_weights(folder: Path) -> bool:
    """Return whether a model folder has no weights."""
    return not (folder / "model.safetensors").exists()


def _current_size(file: Path) -> int:
    """Return the size of a file, or 0 if a job that is still running has just removed it."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def trainings_at_once(plan: Plan, cores: int | None, gpus: int | None) -> int:
    """Return how many fine-tuning jobs may run at the same time.

    Parameters
    ----------
    plan
        The study's versions.
    cores
        Cores that Snakemake may use on this machine; None on a cluster, where every chain may train.
    gpus
        GPUs that Snakemake may use; None without a limit.
    """
    compute = plan.study.compute
    if cores is None:
        return len(plan.chains)
    if gpus is not None and gpus_per_job(compute.device):
        return max(1, gpus // compute.gpus)
    return max(1, cores // compute.threads)


def check_space(plan: Plan, trainings: int = 1) -> Space:
    """Check that the disk has room for the files that a study still has to write.

    Parameters
    ----------
    plan, trainings
        As for `space`.

    Raises
    ------
    StudyError
        If there is too little room. The message names the space needed, the free space and the remedy.
    """
    found = space(plan, trainings)
    if found.left > found.free:
        raise StudyError(
            f"The study needs about {_size(found.left)} more in {plan.study.results}, but only {_size(found.free)} are "
            "free: make room, choose another folder in results, or set storage.weights to none or a number "
            "(docs/storage.md)."
        )
    return found


def _size(count: float) -> str:
    """Write a number of bytes with a unit."""
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / _MB:.0f} MB"
