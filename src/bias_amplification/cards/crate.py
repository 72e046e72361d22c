"""Metadata of a run as an RO-Crate, for archives and programs: https://w3id.org/ro/wfrun/process/0.5."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bias_amplification import __version__
from bias_amplification.artifacts.provenance import checksum
from bias_amplification.cards.contents import MAIN_OUTPUTS
from bias_amplification.study import Plan
from bias_amplification.study.unit import with_unit

_PROFILE_VERSION = "0.5"
_PROFILE = f"https://w3id.org/ro/wfrun/process/{_PROFILE_VERSION}"
_PAPER = "https://arxiv.org/abs/2410.15234"
_TIME = "%Y-%m-%dT%H:%M:%SZ"

#: Files that this job writes itself, with a description.
_DESCRIPTIONS = {
    "README.md": "The study's description for readers, in the format of the Hugging Face hub.",
    "config.yaml": "The study's config, without the keys that describe the machine.",
}
_FOLDERS = {
    "rounds/": "One folder for each model version: its articles, their measures and, if kept, its weights.",
    "corpus/": "The real articles, whole and as seed sets.",
    "figures/": "All figures, as PNG, SVG and PDF.",
    "tables/": "All tables, as CSV and HTML.",
}
_TYPES = {".html": "text/html", ".md": "text/markdown", ".yaml": "application/yaml"}
_PARQUET = "application/vnd.apache.parquet"


def crate_metadata(plan: Plan, results: Path, files: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> Any:
    """Return the contents of `ro-crate-metadata.json`, by the profile Process Run Crate.

    Parameters
    ----------
    plan
        The study's versions.
    results
        The results folder, which is the crate.
    files
        The main outputs and the files beside them, as paths below the results folder. They exist.
    facts
        The `metadata.json` of all models of the run that are described: they have its times, versions and commits.

    Returns
    -------
    dict
        JSON-LD. It depends only on the arguments and the files.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    started, ended = _times(facts)
    crate = ROCrate()
    crate.name = f"Bias amplification: study {plan.study.name}"
    crate.description = (
        f"{len(plan.rounds)} rounds of {plan.study.generations} generations of language models that are trained on "
        "what they write themselves, with measures of bias and text quality."
    )
    crate.datePublished = ended
    crate.license = "Not chosen yet: choose a licence before you share this."
    described = {"@type": ["CreativeWork", "Profile"], "name": "Process Run Crate", "version": _PROFILE_VERSION}
    profile = crate.add(ContextEntity(crate, _PROFILE, described))
    crate.root_dataset["conformsTo"] = profile
    crate.add(ContextEntity(crate, _PAPER, {"@type": "ScholarlyArticle", "name": "Bias Amplification"}))
    crate.root_dataset["citation"] = {"@id": _PAPER}
    added = {name: crate.add_file(results / name, name, properties=_file(plan, results / name, name)) for name in files}
    folders = [
        crate.add_dataset(results / name, name, properties={"description": with_unit(text, plan.study.corpus.unit)})
        for name, text in _FOLDERS.items()
        if (results / name).is_dir()
    ]
    software = _software(crate, facts)
    config = added.pop("config.yaml")
    action = {
        "name": f"Run of the study {plan.study.name}",
        "description": "snakemake --configfile config.yaml",
        "startTime": started,
        "endTime": ended,
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    run = crate.add_action(
        software, identifier="#run", object=[config], result=[*added.values(), *folders], properties=action
    )
    crate.root_dataset["mentions"] = run
    return crate.metadata.generate()


def _times(facts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return when the first model's job began, as far as it is recorded, and when the last one ended."""
    ends = [finished(one) for one in facts]
    begun = [
        end - timedelta(seconds=int(one.get("training", {}).get("seconds", 0)))
        for one, end in zip(facts, ends, strict=True)
    ]
    return min(begun).strftime(_TIME), max(ends).strftime(_TIME)


def finished(facts: Mapping[str, Any]) -> datetime:
    """Return when the job of a metadata.json ended.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the file does not say it.
    """
    return datetime.strptime(facts["finished"], _TIME)


def _file(plan: Plan, path: Path, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": with_unit((MAIN_OUTPUTS | _DESCRIPTIONS)[name], plan.study.corpus.unit),
        "encodingFormat": _TYPES.get(path.suffix, _PARQUET),
        "contentSize": str(path.stat().st_size),
        "sha256": checksum(path),
    }


def _software(crate: Any, facts: Sequence[Mapping[str, Any]]) -> Any:
    """Add the workflow and the libraries that the run used, and return the workflow."""
    from rocrate.model import ContextEntity

    used = {(name, version) for one in facts for name, version in one.get("libraries", {}).items()}
    used |= {("python", one["python"]) for one in facts if "python" in one}
    libraries = [
        crate.add(
            ContextEntity(
                crate,
                f"#{name}-{version}",
                {"@type": "SoftwareApplication", "name": name, "softwareVersion": version},
            )
        )
        for name, version in sorted(used)
    ]
    workflow = {
        "@type": ["SoftwareSourceCode", "SoftwareApplication"],
        "name": "bias-amplification",
        "description": "A Snakemake workflow and Python package that measure how a language model trained on its own "
        "output grows more biased.",
        "softwareVersion": __version__,
        # The profile wants one version. Commits identify the code itself; "+changes" stands after one with changes.
        "identifier": sorted({f"git commit {one['commit']}" for one in facts if one.get("commit")}),
        "programmingLanguage": "Snakemake, Python",
        "softwareRequirements": libraries,
    }
    return crate.add(ContextEntity(crate, "#bias-amplification", workflow))
