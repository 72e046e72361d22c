"""Copies of files."""

import shutil
from pathlib import Path

from bias_amplification.artifacts.atomic import new_file


def copy_file(source: Path | str, target: Path | str) -> None:
    """Copy a file, completely or not at all.

    It is a copy and not a link, because a link has the modification time of its source: Snakemake would take it for
    older than its input.
    """
    with new_file(target) as temporary:
        shutil.copyfile(source, temporary)
