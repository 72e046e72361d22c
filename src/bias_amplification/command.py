"""The command `bias-amplification`, which runs a study from any folder and compares sets of significant neurons."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bias_amplification import ROOT, __version__


def run_study(arguments: Sequence[str]) -> NoReturn:
    """Run the workflow with Snakemake in the current folder.

    Snakemake takes the place of this process, so that Ctrl-C and SIGTERM reach it, and it can end its jobs in order.

    Parameters
    ----------
    arguments
        For Snakemake, such as ``--cores all --configfile study.yaml``. The project's default profile is added unless
        another workflow profile is among them.

    Raises
    ------
    SystemExit
        If a config file is not valid YAML; its message names file and line.
    """
    from bias_amplification.execution.before import prepare

    prepare(arguments)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    if not any(argument.startswith("--workflow-profile") for argument in arguments):
        command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    # Where the locale is not UTF-8, Snakemake and its jobs could not name a file in another script.
    os.environ.setdefault("PYTHONUTF8", "1")
    os.execv(sys.executable, [*command, *arguments])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of this process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error, which is printed.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # Everything after `study` is for Snakemake, even --help.
    if arguments[:1] == ["study"]:
        run_study(arguments[1:])
    options = _parser().parse_args(arguments)
    return compare_files(options.bias, options.quality, options.alpha, options.out)


def compare_files(bias: Path, quality: Path, alpha: float, out: Path | None) -> int:
    """Compare the significant neurons of two CSV files; see `neurons.given.compare_p_values`.

    Parameters
    ----------
    bias, quality
        CSV files with the columns layer, neuron, p.
    alpha
        Significance level, between 0 and 1.
    out
        The CSV file to write, one row for all layers and one for each layer; its folder is made if it does not exist.
        None prints the row for all layers.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error, which is printed.
    """
    from bias_amplification.artifacts import StudyError, new_file
    from bias_amplification.neurons.given import compare_p_values

    try:
        if out and out.exists() and any(file.exists() and out.samefile(file) for file in (bias, quality)):
            raise StudyError(f"{out} (--out) is one of the files to compare: give another path.")
        table = compare_p_values(bias, quality, alpha)
        if out:
            with new_file(out) as temporary:
                table.to_csv(temporary, index=False)
        else:
            print(table.iloc[0].to_string(), flush=True)
    except StudyError as fault:
        print(fault, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has what it wanted. Python writes what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as fault:
        print(f"{out} (--out) cannot be written ({fault.strerror}): give another path.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bias-amplification",
        description="Measure how a language model trained on its own output grows more biased.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("study", help="run a study in this folder; the arguments are Snakemake's, such as --cores all")
    compared = commands.add_parser("p-values", help="compare the neurons that are significant in two files of p-values")
    compared.add_argument("bias", type=Path, help="CSV with the columns layer, neuron, p: the tests of bias")
    compared.add_argument("quality", type=Path, help="CSV with the same columns: the tests of text quality")
    compared.add_argument("--alpha", type=float, default=0.05, help="significance level (default: 0.05)")
    compared.add_argument(
        "--out", type=Path, help="CSV to write, with a row for each layer; by default, totals are printed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
