import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.provenance import checksums
from bias_amplification.measures.selection import select_classifier
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES


def write_candidate(folder, name, macro_f1):
    """Write a candidate's folder whose files differ from those of other candidates."""
    folder.mkdir()
    save_file({"weight": np.full(2, macro_f1)}, folder / "model.safetensors")
    for file in MODEL_AND_TOKENIZER_FILES[1:]:
        (folder / file).write_text(json.dumps({"of": name}))
    about = {"candidate": name, "validation": {"macro_f1": macro_f1}}
    kept = {"checksums": checksums(folder, MODEL_AND_TOKENIZER_FILES)}
    (folder / "scores.json").write_text(json.dumps(about | kept))
    return folder


@pytest.fixture
def candidates(tmp_path):
    return [write_candidate(tmp_path / name, name, f1) for name, f1 in (("a", 0.7), ("b", 0.9), ("c", 0.9))]


def test_the_best_candidate_is_copied_and_the_first_wins_a_tie(candidates, tmp_path):
    select_classifier(candidates, tmp_path / "selected")
    for file in (*MODEL_AND_TOKENIZER_FILES, "scores.json"):
        assert (tmp_path / "selected" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    selected = json.loads((tmp_path / "selected/selected.json").read_text())
    assert selected == {"selected": "b", "validation_macro_f1": {"a": 0.7, "b": 0.9, "c": 0.9}}


def test_the_second_best_candidate_is_copied_on_request(candidates, tmp_path):
    select_classifier(candidates, tmp_path / "selected", tmp_path / "second")
    names = [json.loads((tmp_path / name / "selected.json").read_text())["selected"] for name in ("selected", "second")]
    assert names == ["b", "c"]
    for file in MODEL_AND_TOKENIZER_FILES:
        assert (tmp_path / "second" / file).read_bytes() == (tmp_path / "c" / file).read_bytes()


def test_a_copy_is_not_older_than_its_inputs(candidates, tmp_path):
    """A linked file would have the time of the original, and Snakemake would make it again and again."""
    newest = max(file.stat().st_mtime_ns for folder in candidates for file in folder.iterdir())
    select_classifier(candidates, tmp_path / "selected")
    assert all(file.stat().st_mtime_ns >= newest for file in (tmp_path / "selected").iterdir())


def test_a_damaged_candidate_is_refused(candidates, tmp_path):
    (tmp_path / "b/tokenizer.json").write_text("{}")
    with pytest.raises(StudyError, match=r"b/tokenizer.json .*delete it and run snakemake again"):
        select_classifier(candidates, tmp_path / "selected")
    (tmp_path / "b/model.safetensors").unlink()
    with pytest.raises(StudyError, match=r"has no weights .*: delete the folder and run snakemake again"):
        select_classifier(candidates, tmp_path / "selected")
    (tmp_path / "a/scores.json").write_text("{")
    with pytest.raises(StudyError, match=r"scores.json is missing or damaged"):
        select_classifier(candidates, tmp_path / "selected")
    assert not (tmp_path / "selected").exists()
