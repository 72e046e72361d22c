"""The choice between trained candidates for the leaning classifier (paper, appendix A)."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_amplification.artifacts.atomic import new_folder
from bias_amplification.measures.encoders import check_encoder, read_scores, write_json
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES


def best_candidate(scores: Sequence[Mapping[str, Any]]) -> int:
    """Return the position of the candidate with the highest validation macro F1; the first one wins a tie.

    Parameters
    ----------
    scores
        Content of each candidate's `scores.json` (see `read_scores`).
    """
    values = [score["validation"]["macro_f1"] for score in scores]
    return values.index(max(values))


def select_classifier(candidates: Sequence[Path | str], out: Path | str, second: Path | str | None = None) -> None:
    """Copy the folder of the best candidate, and of the second best one.

    Parameters
    ----------
    candidates
        Folders that `train_leaning_classifier` has written.
    out
        Folder for the best candidate's `MODEL_AND_TOKENIZER_FILES` and `scores.json`, and for `selected.json`: the
        candidate's name, and the validation macro F1 of every candidate.
    second
        Folder for the same files of the second best candidate; None: not written.

    Raises
    ------
    StudyError
        If a chosen folder lacks a file, or if a file has changed.
    """
    scores = [read_scores(folder) for folder in candidates]
    best = best_candidate(scores)
    targets = {best: out}
    if second is not None:
        others = [position for position in range(len(scores)) if position != best]
        targets[others[best_candidate([scores[position] for position in others])]] = second
    macro_f1 = {score["candidate"]: score["validation"]["macro_f1"] for score in scores}
    for position, target in targets.items():
        check_encoder(candidates[position])
        with new_folder(target) as folder:
            # A hard link would keep the original's time, and be older than the inputs of this job.
            for name in (*MODEL_AND_TOKENIZER_FILES, "scores.json"):
                shutil.copyfile(Path(candidates[position], name), folder / name)
            selected = {"selected": scores[position]["candidate"], "validation_macro_f1": macro_f1}
            write_json(selected, folder / "selected.json")
