"""Plain values become the types of a function's parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from bias_amplification.execution.tasks import typed_arguments
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study.sections import Decoding, Generation, SeedSet


def job(
    model: ModelFolders,
    out: Path | str,
    decoding: Decoding,
    seed_sets: Mapping[str, SeedSet],
    versions: Sequence[tuple[str, int]],
    rate: float | None = None,
) -> None:
    """Take one argument of each kind that jobs have."""


def test_sections_and_folders_are_made_of_plain_values() -> None:
    seed_set = SeedSet(name="balanced", labels=["left", "right"], size=4)
    plain = {
        "model": ["a/model", "a/tokenizer"],
        "out": "a.parquet",
        "decoding": Decoding(method="beam", beams=3).model_dump(),
        "seed_sets": {"balanced": seed_set.model_dump()},
        "versions": [["round", 1]],
        "rate": 5e-5,
    }

    found = typed_arguments(job, plain)

    assert found["model"] == ModelFolders("a/model", "a/tokenizer")
    assert str(found["out"]) == "a.parquet"
    assert found["decoding"] == Decoding(method="beam", beams=3)
    assert found["seed_sets"] == {"balanced": seed_set}
    assert found["versions"] == [("round", 1)]
    assert found["rate"] == 5e-5


def test_a_key_left_out_of_a_section_has_no_value() -> None:
    arguments = {
        "decoding": {"method": "nucleus"},
        "seed_sets": {"one": {"name": "one", "labels": ["left"], "size": 2}},
    }

    found = typed_arguments(job, arguments)

    assert found["decoding"].method == "nucleus"
    with pytest.raises(AttributeError, match="beams"):
        _ = found["decoding"].beams
    with pytest.raises(AttributeError, match="draw"):
        _ = found["seed_sets"]["one"].draw


def test_the_keys_of_other_sections_keep_their_defaults() -> None:
    typed_arguments(job, {"decoding": {"method": "nucleus"}})

    assert Decoding(method="nucleus").beams == Decoding().beams


def write(generation: Generation) -> None: ...


def test_a_later_key_keeps_its_default_where_an_earlier_study_has_none() -> None:
    parameters = Generation().model_dump()
    assert "precision" not in parameters

    assert typed_arguments(write, {"generation": parameters})["generation"].precision == "float32"
    changed = Generation(precision="tf32").model_dump()
    assert changed == parameters | {"precision": "tf32"}
    assert typed_arguments(write, {"generation": changed})["generation"].precision == "tf32"


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="beams"):
        typed_arguments(job, {"decoding": {"method": "beam", "beams": "three"}})
