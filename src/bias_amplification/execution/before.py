"""What is done before Snakemake reads the config and the Snakefile.

The default profile and the command `bias-amplification study` call it.
"""

import argparse
import getpass
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bias_amplification.artifacts.atomic import StudyError
from bias_amplification.execution.interrupts import explain_interrupts
from bias_amplification.study.config_files import ConfigFiles


def prepare(arguments: Sequence[str]) -> None:
    """Check the config files among Snakemake's arguments, complete what the environment lacks, and explain Ctrl-C.

    Parameters
    ----------
    arguments
        Those of the command line, without the program.

    Raises
    ------
    SystemExit
        If a config file is not valid YAML; the message names file and line.
    """
    explain_interrupts()
    check_config_files(arguments)
    _find_folder_for_caches()
    _name_the_user()


def check_config_files(arguments: Sequence[str]) -> None:
    """End this process with a sentence if a config file among Snakemake's arguments is missing or is not valid YAML.

    Snakemake reads these files before the Snakefile. For an invalid one, its message names neither file nor line, and
    for a missing one it is a traceback. Parameters and errors are those of `prepare`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    with suppress(argparse.ArgumentError):
        known, _ = parser.parse_known_args(list(arguments))
        try:
            for file in known.configfile:
                if not os.path.exists(file) or os.path.isdir(file):
                    raise StudyError(
                        f"{file} stands after --configfile, but is no file: correct the path. A target stands before "
                        "--configfile."
                    )
            ConfigFiles(known.configfile)
        except StudyError as fault:
            raise SystemExit(str(fault)) from None


def _find_folder_for_caches() -> None:
    """Put caches below the current folder if the home folder cannot have them: Snakemake would end with a traceback."""
    try:
        # A user whom the system does not know has no home folder without HOME, which is a RuntimeError.
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache.mkdir(parents=True, exist_ok=True)
        usable = os.access(cache, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):
        usable = False
    if not usable:
        own = Path(".snakemake/cache").absolute()
        os.environ["XDG_CACHE_HOME"] = str(own)
        # Its own default is another folder of the home folder. Without one, every job looks for fonts again.
        os.environ.setdefault("MPLCONFIGDIR", str(own / "matplotlib"))


def _name_the_user() -> None:
    """Use the user's number as name if the system knows none, as in a container: Snakemake and PyTorch ask for one."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
