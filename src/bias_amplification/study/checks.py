"""What can be seen to be wrong before the first job starts."""

from pathlib import Path

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.models import check_model_folder
from bias_amplification.study.settings import Study


def check_paths(study: Study) -> None:
    """Check that every local file and folder that the config names exists and is of the right kind.

    Raises
    ------
    StudyError
        Naming the config key and the path.
    """
    files = {
        "corpus.path": study.corpus.path,
        "corpus.identity.review_file": study.corpus.identity.review_file,
        "corpus.identity.outlets_file": study.corpus.identity.outlets_file,
    }
    pretraining = study.base_model.pretraining
    if study.base_model.source == "pretrain" and pretraining.tokenizer:
        files["base_model.pretraining.tokenizer"] = f"{pretraining.tokenizer}/tokenizer.json"
    for key, path in files.items():
        if path is not None and not Path(path).exists():
            raise StudyError(f"{key} leads to {path}, which does not exist: correct the path.")
    review = study.corpus.identity.review_file
    if review and Path(review).resolve().is_relative_to(Path(study.results).resolve()):
        raise StudyError(
            f"corpus.identity.review_file is {review}, among the results, where the next run would overwrite it: name "
            "a copy elsewhere."
        )
    models = {"base_model": study.base_model, "quality.detector": study.quality.detector}
    models |= {f"classifier.candidates {c.name}": c for c in study.classifier.candidates}
    models |= {
        f"rounds {r.name}: models.{generation}": model
        for r in study.rounds
        for generation, model in enumerate(r.models)
    }
    for key, model in models.items():
        if model.source == "folder":
            check_model_folder(model.path, f"{key}.path")
