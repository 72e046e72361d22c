"""Read the resource files of the press: its vocabulary and its sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.press import checks

FILES = ("country", "outlets", "words", "numbers", "sentences", "outlines", "kinds", "titles", "slant")


@dataclass(frozen=True)
class Press:
    """The checked content of the press's resource files."""

    country: Mapping[str, Any]
    """Places, institutions, parties and names."""
    outlets: Mapping[str, Any]
    """Outlets with leaning, phrases and writers; marks."""
    words: Mapping[str, Any]
    """Words by voice."""
    numbers: Mapping[str, Any]
    """Scales of numbers, and the numbers that an event shares."""
    sentences: Mapping[str, Any]
    """Sentences by role, voice and stance."""
    outlines: Mapping[str, Any]
    """Orders of the sentences of a body, by voice."""
    kinds: Mapping[str, Any]
    """Kinds of events: leads, details, outlooks and plain headlines."""
    titles: Mapping[str, Any]
    """Slanted headlines."""
    slant: Mapping[str, Any]
    """How strongly a label shows."""
    topics: Mapping[str, Mapping[str, Any]]
    """Topics by file name."""

    def outlets_of(self, label: str) -> list[Mapping[str, Any]]:
        """Return the outlets with a leaning, in the order of the file."""
        return [outlet for outlet in self.outlets["outlets"] if outlet["leaning"] == label]


def load_press(resources: Path) -> Press:
    """Read and check the press's resource files.

    Parameters
    ----------
    resources
        The folder with country.yaml, outlets.yaml, ... and the folder topics.

    Returns
    -------
    Press
        Their content.

    Raises
    ------
    StudyError
        If a file is missing, is not YAML, lacks a key, or has an empty list, an unknown leaning or a slot that cannot
        be filled. The message has the file and the place in it.
    """
    content = {name: _read(resources / f"{name}.yaml") for name in FILES}
    files = sorted((resources / "topics").glob("*.yaml"))
    if not files:
        raise StudyError(f"{resources / 'topics'} has no topic (*.yaml): restore the folder from the repository.")
    content["topics"] = {file.stem: _read(file) for file in files}
    checks.check_press(content, resources)
    return Press(**content)


def _read(path: Path) -> Any:
    """Read one YAML file."""
    try:
        # The C loader is ten times as fast, but some builds of PyYAML lack it.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): restore it from the repository.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}," if place else ""
        raise StudyError(f"{path}{line} is not valid YAML: correct it or restore it from the repository.") from error
