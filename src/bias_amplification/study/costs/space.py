"""Space that a study takes on disk."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.atomic import free_space
from bias_amplification.study.changed_versions import changed_versions, count_texts, count_units
from bias_amplification.study.costs.sizes import UNKNOWN_MODEL, bytes_of, model_bytes
from bias_amplification.study.costs.training import trained_bytes
from bias_amplification.study.machine import gpus_per_job
from bias_amplification.study.plan import Plan
from bias_amplification.study.versions import Version

_MB = 1_000_000
_GB = 1_000_000_000

#: Approximate size of a version's tables and logs: a share of its weights, and a least number of bytes.
_TABLES_SHARE = 0.02
_TABLES_LEAST = 500_000

#: Bytes of a text that a version with changed neurons writes, with its predictions and its quality. 60 to 250 were
#: measured, because the same articles under hundreds of conditions are much alike; sampled texts are less so.
_CHANGED_TEXT = 1_000

#: Bytes of a row of the table of changed neurons (27 measured).
_CHANGED_UNIT = 30

#: Size of a training's saved state, in sizes of what is trained: weights and two moments, and as much again while a new
#: state is written beside the old one.
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
        Bytes that the run will write, states of unfinished trainings included.
    replaced
        Bytes of files that the run will replace.
    free
        Free bytes on the disk of the results folder.
    """

    model: int | None
    versions: int
    kept: int
    total: int
    left: int
    replaced: int
    free: int

    def __str__(self) -> str:
        """Return one line for the terminal."""
        size = "of unknown size until the base model is there" if self.model is None else f"of {_size(self.model)}"
        return (
            f"Disk: {self.versions} model versions {size}, {self.kept} kept: about {_size(self.total)} in the end, "
            f"{_size(self.left)} still to write, states of unfinished trainings included; {_size(self.free)} free."
        )


def space(plan: Plan, outputs: Mapping[str, bool], trainings: int = 1) -> Space:
    """Compute the space that a study takes on disk, and how much of it is still to be written.

    Parameters
    ----------
    plan
        The study's versions.
    outputs
        Files that the run's jobs make, and whether each will be made in this run, also if it exists.
    trainings
        Largest number of fine-tuning jobs at the same time. Unfinished rounds limit it further.
    """
    study = plan.study
    model = model_bytes(study)
    each = model or UNKNOWN_MODEL
    tables = max(round(_TABLES_SHARE * each), _TABLES_LEAST)
    versions = list(plan.versions())
    kept = [version for version in versions if plan.keeps_weights(version.generation)]
    encoders = encoders_kept(plan)
    weights = {folder: each for folder in ["base", *(version.folder for version in kept)]} | encoders
    changed = {version.intervention_folder: changed_bytes(plan, version) for version in changed_versions(plan)}
    total = sum(weights.values()) + len(versions) * tables + sum(changed.values())
    written = {file for file, is_made in outputs.items() if is_made}

    def is_written(folder: str) -> bool:
        return f"{study.results}/{folder}/model.safetensors" in written

    left = sum(size for folder, size in weights.items() if is_written(folder))
    unfinished = _unfinished(plan, outputs)
    left += round(sum(unfinished[version.folder] * tables for version in versions))
    left += round(sum(unfinished[folder] * size for folder, size in changed.items()))
    remade = [version for version in versions if is_written(version.folder)]
    # Given models, and a generation 0 that other rounds share, are copied.
    trained = {
        version.chain
        for version in remade
        if version.round not in plan.given and (version.generation or version.chain.name not in plan.sharing)
    }
    pretrained = study.base_model.source == "pretrain" and is_written("base")
    state = _STATE * trained_bytes(study, each) + _PASSING * (len(kept) < len(versions)) * each
    states = min(trainings, max(len(trained), pretrained)) * state
    # States that are there already are replaced, or removed when their training is finished.
    states = max(0, states - sum(map(_current_size, (Path(study.results) / "state").rglob("*.safetensors"))))
    # Given models that do not stay may all be copied before the first of them is removed.
    passing = each * sum(v.round in plan.given and not plan.keeps_weights(v.generation) for v in remade)
    replaced = sum(_current_size(Path(file)) for file in written)
    return Space(model, len(versions), len(kept), total, left + states + passing, replaced, free_space(study.results))


def changed_bytes(plan: Plan, version: Version) -> int:
    """Return the size of the tables of a version whose neurons are changed, bytes."""
    return count_texts(plan, version) * _CHANGED_TEXT + count_units(plan) * _CHANGED_UNIT


def _unfinished(plan: Plan, outputs: Mapping[str, bool]) -> defaultdict[str, float]:
    """Return which share of each folder's tables and logs the run will make, by folder below the results folder."""
    made = defaultdict(list)
    for file, is_made in outputs.items():
        if not file.endswith(".safetensors"):
            made[os.path.relpath(os.path.dirname(file), plan.study.results)].append(is_made)
    return defaultdict(float, {folder: sum(files) / len(files) for folder, files in made.items()})


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


def _current_size(file: Path) -> int:
    """Return the size of a file, or 0 if it does not exist, for example because a running job has just removed it.

    A link into Snakemake's cache counts 0: its removal frees nothing.
    """
    try:
        return 0 if file.is_symlink() else file.stat().st_size
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


def check_space(plan: Plan, outputs: Mapping[str, bool], trainings: int = 1) -> Space:
    """Check that the disk has room for the files that a study still has to write.

    Parameters
    ----------
    plan, outputs, trainings
        As for `space`.

    Raises
    ------
    StudyError
        If there is too little room. The message names the space needed, the free space and the remedy.
    """
    found = space(plan, outputs, trainings)
    needed = found.left - found.replaced
    if needed > found.free:
        raise StudyError(
            f"The study needs about {_size(needed)} more in {plan.study.results}, but only {_size(found.free)} are "
            "free: make room, choose another folder in results, or set storage.weights to none or a number "
            "(docs/storage.md)."
        )
    return found


def _size(count: float) -> str:
    """Write a number of bytes with a unit."""
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / _MB:.0f} MB"
