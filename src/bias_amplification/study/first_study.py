"""The user's model and articles as a config file, which is put over `config/real.yaml` (``make real``).

Run it as ``python -m bias_amplification.study.first_study --out FILE --model FOLDER --articles TABLE``, with ``src`` on
the path.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bias_amplification.artifacts import StudyError, new_file
from bias_amplification.models.given import LanguageModelUse, check_given_model
from bias_amplification.study.sections.section import COMMIT_PATTERN

#: An id on the hub: an owner and a name, or a name alone.
_HUB_ID = r"[\w.-]+(/[\w.-]+)?"

#: What is demanded of MODEL before the run starts. The file of CONFIG may set lengths and the layout of neurons, so the
#: run checks these: here any layout passes.
_LANGUAGE_MODEL = LanguageModelUse(architecture="gpt2")

#: Training of a pretrained encoder, whose learning rate must be small.
_ENCODER_TRAINING = {"epochs": 3, "batch_size": 16, "learning_rate": 5.0e-5, "max_tokens": 128}


def name_inputs(
    model: str, articles: str, revision: str = "", encoder: str = "", encoder_revision: str = ""
) -> dict[str, Any]:
    """Return the keys of the config that name the user's model and articles.

    Parameters
    ----------
    model, encoder
        A folder in Hugging Face format, or an id on the hub. Without an encoder, the classifier begins with random
        weights.
    revision, encoder_revision
        For an id on the hub: the commit of its repository.
    articles
        A table of articles, or a folder of tables.

    Raises
    ------
    StudyError
        If a variable of ``make real`` is missing, or names nothing, or a folder whose model cannot be used. The message
        says which variable, and what to do.
    """
    # A shell leaves the `~` of `MODEL=~/model` to the program.
    model, articles, encoder = map(os.path.expanduser, (model, articles, encoder))
    if not articles:
        raise StudyError(
            "make real needs ARTICLES, a table with the columns title, body and label: add ARTICLES=articles.csv."
        )
    if not os.path.exists(articles):
        raise StudyError(f"ARTICLES is {articles}, which does not exist: give the path of a table of articles.")
    if not model:
        raise StudyError(
            "make real needs MODEL, a folder with a language model or its id on the hub: add MODEL=models/smollm2."
        )
    found = {"base_model": _source("MODEL", model, revision), "corpus": {"path": articles}}
    if encoder:
        candidate = {"name": "encoder", **_source("ENCODER", encoder, encoder_revision)}
        found["classifier"] = {"candidates": [candidate], "training": dict(_ENCODER_TRAINING)}
    elif encoder_revision:
        raise StudyError("ENCODER_REVISION is set, but ENCODER is missing: add ENCODER, or leave ENCODER_REVISION out.")
    return found


def _source(variable: str, name: str, revision: str) -> dict[str, str | None]:
    """Return the source of a model that a variable of ``make real`` names: a folder, or a hub id with its commit."""
    commit = f"{'' if variable == 'MODEL' else 'ENCODER_'}REVISION"
    if os.path.isdir(name):
        if revision:
            raise StudyError(f"{variable} is {name}, a folder, which has no revision: leave {commit} out.")
        check_given_model(name, variable, _LANGUAGE_MODEL if variable == "MODEL" else None)
        return {"source": "folder", "path": name}
    if not re.fullmatch(_HUB_ID, name) or os.path.exists(name):
        raise StudyError(f"{variable} is {name}, which is no folder: give a model's folder, or its id on the hub.")
    if not re.fullmatch(COMMIT_PATTERN, revision):
        what = f"{commit} is {revision!r}" if revision else f"{commit} is missing"
        raise StudyError(
            f"{variable} is {name}, which is no folder here, so it is taken for a model of the hub, but {what}: give "
            "the commit of its repository, 40 hex digits, or correct the folder."
        )
    # config/real.yaml names a folder.
    return {"source": "hub", "path": None, "hub_id": name, "revision": revision}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the config file.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of this process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error, which is printed.
    """
    parser = argparse.ArgumentParser(description="Write a config file that names your model and your articles.")
    parser.add_argument("--out", type=Path, required=True, help="the config file to write")
    for name in ("model", "articles", "revision", "encoder", "encoder-revision"):
        parser.add_argument(f"--{name}", default="")
    given = vars(parser.parse_args(arguments))
    out = given.pop("out")
    try:
        keys = name_inputs(**given)
        out.parent.mkdir(parents=True, exist_ok=True)
        with new_file(out) as temporary:
            text = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)
            temporary.write_text(f"# Made by `make real` from its variables. It is put over config/real.yaml.\n{text}")
    except StudyError as fault:
        print(fault, file=sys.stderr)
        return 1
    except OSError as fault:
        print(f"{out} cannot be written ({fault.strerror}): correct the folder.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
