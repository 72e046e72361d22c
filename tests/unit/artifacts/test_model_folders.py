"""Model folders, checked without loading them."""

import json
from pathlib import Path

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.models import Shape, check_model_folder, count_parameters, read_shape


def write_safetensors(path: Path, header: object, data: bytes) -> None:
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    header = {"weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    write_safetensors(tmp_path / "model.safetensors", header, bytes(16))
    return tmp_path


def _fault(folder: Path) -> str:
    with pytest.raises(StudyError) as caught:
        check_model_folder(folder, "quality.detector.path")
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_whole_folder(folder: Path) -> None:
    assert check_model_folder(str(folder)) == folder


def test_what_the_library_writes_is_whole(folder: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    numpy.save_file({"a": np.ones((3, 5)), "b": np.zeros(0)}, folder / "model.safetensors")

    assert check_model_folder(folder) == folder


def test_what_a_killed_writer_left_is_no_part_of_the_model(folder: Path) -> None:
    (folder / ".model.0123abcd-7-x.safetensors").write_bytes(b"half")

    assert check_model_folder(folder) == folder
    assert count_parameters(folder) == 4


def test_no_folder(folder: Path) -> None:
    message = _fault(folder / "none")
    assert "is no folder" in message
    assert "quality.detector.path" in message


@pytest.mark.parametrize(
    ("named", "shape"),
    [
        ({"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 4}, Shape(2, 8, 4, 9, plain=False)),
        ({"n_layer": 3, "n_embd": 6, "n_head": 2, "n_ctx": 9, "model_type": "gpt2"}, Shape(3, 6, 2, 9)),
        ({"n_layers": 3, "dim": 6, "n_heads": 2, "text_config": None}, Shape(3, 6, 2, 9, plain=False)),
        (
            {"text_config": {"num_layers": 3, "hidden_size": 6, "num_heads": 2, "vocab_size": 7}},
            Shape(3, 6, 2, 7, False),
        ),
        # Four heads share two heads' keys; and heads that are wider than the hidden state's share of each.
        (
            {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2},
            Shape(2, 8, 4, 9, False, keys=4),
        ),
        (
            {"n_layer": 2, "n_embd": 8, "n_head": 4, "head_dim": 6, "num_key_value_heads": None},
            Shape(2, 8, 4, 9, False, keys=24),
        ),
        ({"num_hidden_layers": 2}, None),
        ({"n_layer": "3", "n_embd": 6, "n_head": 2}, None),
    ],
)
def test_the_shape_that_a_config_tells(folder: Path, named: dict, shape: Shape | None) -> None:
    (folder / "config.json").write_text(json.dumps({"vocab_size": 9} | named))

    assert read_shape(folder) == shape


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_config_that_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)

    assert "config.json is no JSON object" in _fault(folder)


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    message = _fault(folder)
    assert "has no config.json" in message
    assert "quality.detector.path" in message


@pytest.mark.parametrize("other", [None, "pytorch_model.bin"])
def test_no_weights_or_pickled_ones(folder: Path, other: str | None) -> None:
    (folder / "model.safetensors").unlink()
    if other:
        (folder / other).write_bytes(b"pickle")
    message = _fault(folder)
    assert "has no weights in safetensors" in message
    assert "convert them" in message


def test_every_truncation_is_a_fault(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert "is not a whole safetensors file" in _fault(folder)


def test_bytes_too_many(folder: Path) -> None:
    file = folder / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"x")
    assert f"it has {size + 1} bytes instead of {size}" in _fault(folder)


@pytest.mark.parametrize("header", [[], {"weight": 3}, {"weight": {"data_offsets": []}}, {"weight": {}}, None])
def test_headers_of_another_kind(folder: Path, header: object) -> None:
    write_safetensors(folder / "model.safetensors", header, b"")
    assert "is not a whole safetensors file" in _fault(folder)
