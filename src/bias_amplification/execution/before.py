"""What is done before Snakemake reads the config and the Snakefile.

The default profile and the command `bias-amplification study` call it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from bias_amplification.study.config_files import exit_if_invalid


def prepare(arguments: Sequence[str]) -> None:
    """Check the config files among Snakemake's arguments, and find a folder for caches.

    Parameters
    ----------
    arguments
        Those of the command line, without the program.

    Raises
    ------
    SystemExit
        If a config file is not valid YAML; the message names file and line.
    """
    exit_if_invalid(arguments)
    _find_folder_for_caches()


def _find_folder_for_caches() -> None:
    """Put caches below the current folder if the home folder cannot have them: Snakemake would end with a traceback."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        usable = os.access(cache, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        own = Path(".snakemake/cache").absolute()
        os.environ["XDG_CACHE_HOME"] = str(own)
        # Its own default is another folder of the home folder. Without one, every job looks for fonts again.
        os.environ.setdefault("MPLCONFIGDIR", str(own / "matplotlib"))
