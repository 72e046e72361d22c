"""The place of a file in a study. Each file stores it, so that a misplaced file is noticed when it is read."""

import re
from pathlib import Path

from bias_amplification.artifacts.atomic import StudyError

#: A version's folder below the results folder, with the wildcards of Snakemake's rules. Generations have two digits.
#: A chain is one replicate of a round (see `replicate_name`).
VERSION_FOLDER = "rounds/{chain}/generation_{generation}"

#: The folder, below the results folder, of the articles that the base model writes for a draw of a seed set.
BASE_ARTICLES_FOLDER = "base/generated/{draw}"

#: The folder, below the results folder, of what a version writes with changed neurons.
INTERVENTION_FOLDER = "interventions/{chain}/generation_{generation}"

#: Pattern of the names of replicates: of chains and of draws of seed sets.
REPLICATE_PATTERN = r"[^/]+(?:/replicate_\d\d)?"

#: Pattern of versions' folders below the results folder.
VERSION_PATTERN = VERSION_FOLDER.format(chain=REPLICATE_PATTERN, generation=r"\d\d")

#: Pattern of the folders of articles that are measured: those of versions, of the base model, and of versions with
#: changed neurons.
MEASURED_PATTERN = "|".join(
    (
        VERSION_PATTERN,
        BASE_ARTICLES_FOLDER.format(draw=REPLICATE_PATTERN),
        INTERVENTION_FOLDER.format(chain=REPLICATE_PATTERN, generation=r"\d\d"),
    )
)

#: Paths of files that occur many times in a study with the same name and schema.
_PLACES = re.compile(
    rf"(?:^|/)((?:(?:{MEASURED_PATTERN})/|corpus/(?:seed_sets|real)/(?:[^/]+/)?)[^/]+"
    rf"|rounds/{REPLICATE_PATTERN}/held\.parquet)$"
)

#: Files of a generation 0, without their chain.
_FIRST = re.compile(VERSION_FOLDER.format(chain=REPLICATE_PATTERN, generation="00") + "/(.+)")


def replicate_name(name: str, replicate: int) -> str:
    """Return the name of a replicate of a round or of a seed set, in paths.

    The first replicate has the name itself. So a study of one replicate keeps its files when it gets more.
    """
    return name if replicate == 1 else f"{name}/replicate_{replicate:02d}"


def place_in_study(path: Path | str) -> str | None:
    """Return the end of a path that distinguishes a file from others of its kind.

    Returns
    -------
    str or None
        Such as "rounds/balanced_synthetic/generation_03/articles.parquet". None for a file that a study has only once.
    """
    found = _PLACES.search(Path(path).as_posix())
    return found[1] if found else None


def check_place(path: Path | str, made_as: str | None) -> None:
    """Check that a file was made for the place where it is.

    Files of generation 0 may have been made for another round, because rounds may share generation 0.

    Parameters
    ----------
    path
        Where the file is.
    made_as
        The place that is written in the file; None if there is none.

    Raises
    ------
    StudyError
        If the file was made for another place. The message names both places.
    """
    place = place_in_study(path)
    if place is None or made_as is None or place == made_as:
        return
    shared = [_FIRST.fullmatch(name) for name in (place, made_as)]
    if all(shared) and shared[0][1] == shared[1][1]:
        return
    raise StudyError(f"{path} was made as {made_as} and is in the wrong place: delete it and run snakemake again.")
