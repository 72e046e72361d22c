"""Model folders, checked without loading the models."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bias_amplification.artifacts import StudyError
from bias_amplification.models.folders import (
    Shape,
    check_model_folder,
    count_parameters,
    keep_only,
    read_shape,
    source_files,
    tensors,
)


def write_safetensors(path: Path, header: object, data: bytes) -> None:
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    header = {"weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    write_safetensors(tmp_path / "model.safetensors", header, bytes(16))
    return tmp_path


def fault(folder: Path) -> str:
    with pytest.raises(StudyError) as caught:
        check_model_folder(folder, "quality.detector.path")
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_complete_folder(folder: Path) -> None:
    assert check_model_folder(str(folder)) == folder


def test_files_of_the_safetensors_library_are_complete(folder: Path) -> None:
    save_file({"a": np.ones((3, 5)), "b": np.zeros(0)}, folder / "model.safetensors")

    assert check_model_folder(folder) == folder


def test_temporary_files_are_ignored(folder: Path) -> None:
    (folder / ".model.0123abcd-7-x.safetensors").write_bytes(b"half")

    assert check_model_folder(folder) == folder
    assert count_parameters(folder) == 4


def test_a_missing_folder(folder: Path) -> None:
    message = fault(folder / "none")
    assert "is not a folder" in message
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
        # Four heads share the keys of two; and heads that are wider than the hidden state divided by the heads.
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
def test_shapes_of_configs(folder: Path, named: dict, shape: Shape | None) -> None:
    (folder / "config.json").write_text(json.dumps({"vocab_size": 9} | named))

    assert read_shape(folder) == shape


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_config_that_is_not_an_object(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)

    assert "config.json is not a JSON object" in fault(folder)


def test_a_missing_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    message = fault(folder)
    assert "has no config.json" in message
    assert "quality.detector.path" in message


@pytest.mark.parametrize("other", [None, "pytorch_model.bin"])
def test_missing_and_pickled_weights(folder: Path, other: str | None) -> None:
    (folder / "model.safetensors").unlink()
    if other:
        (folder / other).write_bytes(b"pickle")
    message = fault(folder)
    assert "has no weights in safetensors" in message
    if other:
        assert "but pytorch_model.bin, whose pickled weights are never loaded: convert them" in message
    else:
        assert message.endswith(": give quality.detector.path a model in Hugging Face format.")


def test_every_truncation_is_afault(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert "is not a whole safetensors file" in fault(folder)


def write_parts(folder: Path) -> dict[str, str]:
    """Replace a folder's weights by two files, and return the file of each tensor."""
    named = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors", "c": "model-2-of-2.safetensors"}
    (folder / "model.safetensors").unlink()
    for name in set(named.values()):
        save_file({t: np.ones((2, 3), np.float32) for t, f in named.items() if f == name}, folder / name)
    return named


def test_weights_in_several_files_are_complete(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    named = write_parts(folder)
    assert "has parts of a model but not their index model.safetensors.index.json: download it again" in fault(folder)

    index.write_text(json.dumps({"metadata": {}, "weight_map": named}))
    assert check_model_folder(folder) == folder
    assert count_parameters(folder) == 18
    assert {name: entry["shape"] for name, entry in tensors(folder).items()} == {name: [2, 3] for name in "abc"}

    index.write_text(json.dumps({"weight_map": named | {"d": "model-1-of-2.safetensors"}}))
    assert "model-1-of-2.safetensors lacks the tensor d, which" in fault(folder)
    index.write_text(json.dumps({"weight_map": named | {"d": "model-3-of-2.safetensors"}}))
    assert "model-3-of-2.safetensors does not exist, but model.safetensors.index.json" in fault(folder)
    for content in ("{}", "[", '{"weight_map": []}', '{"weight_map": {}}'):
        index.write_text(content)
        assert "model.safetensors.index.json is damaged" in fault(folder)


def test_an_extra_byte_is_afault(folder: Path) -> None:
    file = folder / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"x")
    assert f"it has {size + 1} bytes instead of {size}" in fault(folder)


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"weight": 3},
        {"weight": {"data_offsets": []}},
        {"weight": {}},
        {"weight": {"dtype": "F32", "data_offsets": [0, 0]}},
        {"weight": {"dtype": "F32", "shape": ["2"], "data_offsets": [0, 0]}},
        None,
    ],
)
def test_damaged_headers(folder: Path, header: object) -> None:
    write_safetensors(folder / "model.safetensors", header, b"")
    assert "is not a whole safetensors file" in fault(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "vocab.json", "spiece.model"])
def test_a_tokenizer_is_required_where_asked(folder: Path, name: str) -> None:
    with pytest.raises(StudyError, match=r"has no tokenizer \(tokenizer.json\): give quality.detector.path a model"):
        check_model_folder(folder, "quality.detector.path", tokenizer=True)

    (folder / name).write_text("{}")

    assert check_model_folder(folder, "quality.detector.path", tokenizer=True) == folder


def test_faults_of_the_runs_own_folders_are_mended_by_a_rerun(folder: Path) -> None:
    (folder / "config.json").unlink()

    with pytest.raises(StudyError, match=r"has no config.json: delete the folder and run snakemake again\."):
        check_model_folder(folder)


def test_files_of_a_folder(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt", "pytorch_model.bin"):
        (folder / name).write_text("")

    assert [Path(file).name for file in source_files(folder)] == ["config.json", "model.safetensors", "tokenizer.json"]
    keep_only(folder, ("config.json", "vocab.txt"))
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "vocab.txt"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer_config.json", "model-2.safetensors"])
def test_links_that_lead_nowhere_folders_and_pipes_are_no_files(folder: Path, name: str) -> None:
    file = folder / name
    for make, words in (
        (lambda: file.symlink_to("../gone"), f"{file} is a link that leads nowhere (to ../gone): copy or download it"),
        (lambda: file.symlink_to(name), f"{file} is a link that leads nowhere (to {name})"),
        (file.mkdir, f"{file} is a folder, but must be a file"),
        (lambda: os.mkfifo(file), f"{file} is a device or a pipe, but must be a file"),
    ):
        file.unlink(missing_ok=True)
        make()
        assert fault(folder).startswith(words)
        if file.is_dir():
            file.rmdir()


@pytest.mark.parametrize("name", [".", "config.json", "model.safetensors"])
def test_places_without_permission_are_told(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, access = folder / name, os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != locked and access(place, mode))

    message = fault(folder)

    assert message.startswith(f"{locked} cannot be read (Permission denied): change its access rights, or correct qual")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.safetensors", "is not a whole safetensors file ([Errno 5] Inp"),
        ("config.json", "is not a JSON object ("),
    ],
)
def test_a_file_that_fails_while_it_is_read_is_one_sentence(
    folder: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def fail(file: Path, *arguments: Any, **options: Any) -> Any:
        if file.name == name:
            raise OSError(5, "Input/output error")
        return opened(file, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail)

    assert fault(folder).startswith(f"{folder / name} {words}")


def test_json_that_is_nested_without_end_is_one_sentence(folder: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000)
    assert "config.json is not a JSON object" in fault(folder)


@pytest.mark.parametrize("name", [".", "..", "", "/etc/passwd", "../model.safetensors", ["a"], 5, None, "a.bin"])
def test_an_index_names_files_beside_it(folder: Path, name: object) -> None:
    named = write_parts(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named | {"d": name}}))

    assert "which names no safetensors file beside it): download it again" in fault(folder)


def test_an_index_with_a_name_that_no_file_can_have(folder: Path) -> None:
    named = write_parts(folder) | {"d": "x" * 300 + ".safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))

    assert "model.safetensors.index.json is damaged ([Errno 36] File name too long" in fault(folder)


def test_parts_beside_whole_weights_are_not_read(folder: Path) -> None:
    save_file({"other": np.ones((3, 5), np.float32)}, folder / "model-00001-of-00002.safetensors")

    assert list(tensors(folder)) == ["weight"]
    assert count_parameters(folder) == 4


def test_files_that_the_index_does_not_name_are_not_read(folder: Path) -> None:
    named = write_parts(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))
    before = count_parameters(folder)
    save_file({"a.int8": np.ones((3, 5), np.int8)}, folder / "consolidated.safetensors")

    assert count_parameters(folder) == before
    assert "a.int8" not in tensors(folder)
