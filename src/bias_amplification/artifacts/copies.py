"""One file under several names."""

import shutil
from pathlib import Path

from bias_amplification.artifacts.atomic import new_file


def copy_file(source: Path | str, target: Path | str) -> None:
    """Copy a file, whole or not at all.

    A copy rather than a link, because a link has its source's time and would seem older than what it was made from.
    """
    with new_file(target) as temporary:
        shutil.copyfile(source, temporary)
