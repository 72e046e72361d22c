"""Projections that are read from files, against those of the loaded model."""

from pathlib import Path

import pytest
import torch
from small_models import INNER, LAYERS, WIDTH, second_projection, tiny_model
from transformers.pytorch_utils import Conv1D

from bias_amplification.artifacts import StudyError
from bias_amplification.interventions.projections import read_projections
from bias_amplification.models.architectures import ARCHITECTURES


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_projections_equal_those_of_the_loaded_model(tmp_path: Path, model_type: str) -> None:
    model = tiny_model(model_type)
    model.save_pretrained(tmp_path)
    units = torch.tensor([1, 4, 15])

    found = read_projections(tmp_path)
    some = read_projections(tmp_path, units={1: units})

    assert list(found) == list(range(LAYERS)) and list(some) == [1]
    for layer, one in found.items():
        projection = second_projection(model, layer)[2]
        weight = projection.weight.T if isinstance(projection, Conv1D) else projection.weight
        assert one.weight.shape == (WIDTH, INNER)
        assert torch.equal(one.weight, weight)
        assert torch.equal(one.bias, torch.zeros(WIDTH) if projection.bias is None else projection.bias)
    assert torch.equal(some[1].weight, found[1].weight[units])
    for one, all_of_them in zip(some[1].of(units[1:]), found[1].of(units[1:]), strict=True):
        assert torch.equal(one, all_of_them)
    assert read_projections(tmp_path, units={}) == {}


def test_another_layout_is_an_error(tmp_path: Path) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path)

    with pytest.raises(StudyError, match=r"does not have the layout .* config key neurons\.architecture: set the key"):
        read_projections(tmp_path, "llama")


def test_a_missing_unit_is_an_error(tmp_path: Path) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path)

    with pytest.raises(IndexError):
        read_projections(tmp_path, units={0: torch.tensor([WIDTH])})
