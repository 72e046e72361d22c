"""Which file of a study a file is, written into it, so that one in another's place is noticed."""

import re
from pathlib import Path

from bias_amplification.artifacts.atomic import StudyError

#: Places that many files share a name and a schema with.
_PLACES = re.compile(r"(?:^|/)((?:rounds/[^/]+/generation_\d\d|base/generated/[^/]+|corpus/seed_sets)/[^/]+)$")


def identity(path: Path | str) -> str | None:
    """Return the part of a path that tells which of many like files it is; None for a file of which there is one."""
    found = _PLACES.search(Path(path).as_posix())
    return found[1] if found else None


def check_identity(path: Path | str, made_as: str | None) -> None:
    """Check that a file is the one that was made for this place.

    Rounds may have their generation 0 in common, so that its files may be another round's.

    Parameters
    ----------
    path
        Where the file is.
    made_as
        What it says it was made as; None if it says nothing.

    Raises
    ------
    StudyError
        Naming both places and the remedy.
    """
    place = identity(path)
    if place is None or made_as is None or place == made_as:
        return
    shared = [re.fullmatch(r"rounds/[^/]+/(generation_00/.+)", name) for name in (place, made_as)]
    if all(shared) and shared[0][1] == shared[1][1]:
        return
    raise StudyError(f"{path} was made as {made_as} and is in the wrong place: delete it and run snakemake again.")
