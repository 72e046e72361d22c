"""Read the press's vocabulary and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.press import checks

FILES = ("country", "outlets", "words", "numbers", "sentences", "outlines", "kinds", "titles", "slant")


@dataclass(frozen=True)
class Press:
    """All that the press can say: the content of its resource files, checked."""

    country: Mapping[str, Any]
    """Places, institutions, parties and names."""
    outlets: Mapping[str, Any]
    """Outlets with leaning, phrases and writers; the marks that identify them."""
    words: Mapping[str, Any]
    """Words that change with the voice."""
    numbers: Mapping[str, Any]
    """Scales of numbers, and the numbers that an event shares."""
    sentences: Mapping[str, Any]
    """Sentences by role, voice and stance."""
    outlines: Mapping[str, Any]
    """Orders of a body's sentences, by voice."""
    kinds: Mapping[str, Any]
    """Kinds of events: leads, details, outlooks and plain headlines."""
    titles: Mapping[str, Any]
    """Slanted headlines."""
    slant: Mapping[str, Any]
    """How strongly a label shows."""
    topics: Mapping[str, Mapping[str, Any]]
    """Topics by file name."""

    def outlets_of(self, label: str) -> list[Mapping[str, Any]]:
        """Return the outlets of one leaning, in the file's order."""
        return [outlet for outlet in self.outlets["outlets"] if outlet["leaning"] == label]


def load_press(resources: Path | str) -> Press:
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
        If a file is missing, is not YAML, lacks a key, has an empty list, an unknown leaning or a slot that nothing
        fills. The message names the file and the place in it.
    """
    resources = Path(resources)
    content = {name: _read(resources / f"{name}.yaml") for name in FILES}
    files = sorted((resources / "topics").glob("*.yaml"))
    if not files:
        raise StudyError(f"{resources / 'topics'} holds no topic (*.yaml): restore the folder from the repository.")
    content["topics"] = {file.stem: _read(file) for file in files}
    checks.check_press(content, resources)
    return Press(**content)


def _read(path: Path) -> Any:
    """Read one YAML file."""
    import yaml

    try:
        # The C loader is the same safe loader, ten times as fast; not every build of PyYAML has it.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}): restore it from the repository.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}," if place else ""
        raise StudyError(f"{path}{line} is not valid YAML: mend it or restore it from the repository.") from error
