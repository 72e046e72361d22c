"""One file under several names."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bias_amplification.artifacts.atomic import new_file


def copy_files(sources: Sequence[Path | str], targets: Sequence[Path | str]) -> None:
    """Copy each source to its target, whole or not at all.

    Copies rather than links, because a link has its source's time and would seem older than what it was made from.

    Parameters
    ----------
    sources, targets
        Paths, pair by pair.
    """
    for source, target in zip(sources, targets, strict=True):
        with new_file(target) as temporary:
            shutil.copyfile(source, temporary)
