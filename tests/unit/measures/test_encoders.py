import json

import pytest
import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.provenance import checksums
from bias_amplification.measures.encoders import (
    MODEL_FILES,
    label_positions,
    load_encoder,
    obtain_encoder,
    read_scores,
    save_encoder,
    train_tokenizer,
)
from bias_amplification.study.sections import Encoder

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "café prices rise again"] * 5


def small(architecture: str) -> Encoder:
    # Not validated: the config may offer fewer architectures than the package can build.
    return Encoder.model_construct(
        source="scratch", architecture=architecture, layers=2, width=16, heads=2, vocabulary=300, dropout=0.0
    )


@pytest.fixture
def folder(tmp_path):
    model, tokenizer = obtain_encoder(small("bert"), TEXTS, ["up", "side ways"], 32, seed=1, key="k")
    save_encoder(model, tokenizer, tmp_path)
    return tmp_path


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert", "electra"])
def test_a_scratch_encoder_survives_a_round_trip(tmp_path, architecture):
    model, tokenizer = obtain_encoder(small(architecture), TEXTS, ["a", "b"], 32, seed=1, key="k")
    save_encoder(model, tokenizer, tmp_path)
    again, tokenizer_again = load_encoder(tmp_path, ["b", "a"], "k")
    # The longest input that it was made for, so that positions run out if they are miscounted.
    batch = tokenizer([" ".join(TEXTS)], truncation=True, max_length=32, return_tensors="pt")
    batch_again = tokenizer_again([" ".join(TEXTS)], truncation=True, max_length=32, return_tensors="pt")
    assert batch["input_ids"].shape == (1, 32)
    assert torch.equal(batch["input_ids"], batch_again["input_ids"])
    weights, weights_again = model.state_dict(), again.state_dict()
    assert weights.keys() == weights_again.keys()
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)
    # Products round by where in memory a matrix lies, and what a file gives lies elsewhere.
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(**batch).logits, again(**batch_again).logits, rtol=1e-5, atol=1e-6)
    assert {file.name for file in tmp_path.iterdir()} == set(MODEL_FILES)
    assert label_positions(again, ["b", "a"]) == [1, 0]


def test_fresh_weights_depend_on_the_seed_alone():
    first, second, third = (
        obtain_encoder(small("bert"), TEXTS, ["a", "b"], 32, seed=seed, key="k")[0].classifier.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_the_tokenizer_gives_back_what_it_read():
    tokenizer = train_tokenizer(TEXTS, 300, 32)
    ids = tokenizer("the cat — naïve\nnews")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "the cat — naïve\nnews"


def test_a_folder_is_trained_on_for_other_labels(folder):
    source = Encoder(source="folder", path=str(folder))
    model, _ = obtain_encoder(source, [], ["x", "y", "z"], 32, seed=1, key="k")
    assert model.config.id2label == {0: "x", 1: "y", 2: "z"}
    assert model.classifier.weight.shape == (3, 16)


def test_labels_are_read_by_name_in_any_case_and_by_alias(folder):
    model, _ = load_encoder(folder, ["Side_Ways", "UP"], "k")
    assert label_positions(model, ["Side_Ways", "UP"]) == [1, 0]
    model, _ = load_encoder(folder, ["across", "up"], "k", aliases={"Side Ways": "across"})
    assert label_positions(model, ["across", "up"]) == [1, 0]


@pytest.mark.parametrize("labels", [["up", "down"], ["up"], ["up", "side ways", "down"]])
def test_another_label_set_is_refused(folder, labels):
    with pytest.raises(
        StudyError, match=rf"{folder} classifies into up, side ways, but the study needs .*\(some.key\)"
    ):
        load_encoder(folder, labels, "some.key")


@pytest.mark.parametrize(
    ("file", "what"), [("model.safetensors", "weights"), ("config.json", "config"), ("tokenizer.json", "tokenizer")]
)
def test_a_folder_without_a_file_is_refused(folder, file, what):
    (folder / file).unlink()
    with pytest.raises(StudyError, match=rf"{folder} has no {what} \({file}\).* in some.key"):
        load_encoder(folder, ["up", "side ways"], "some.key")


def test_damaged_weights_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(StudyError, match=f"{folder} cannot be loaded .* check some.key"):
        load_encoder(folder, ["up", "side ways"], "some.key")


def test_heads_must_divide_the_width():
    source = small("bert").model_copy(update={"heads": 3})
    with pytest.raises(StudyError, match="width 16 cannot have 3 heads"):
        obtain_encoder(source, TEXTS, ["a", "b"], 32, seed=1, key="k")


def test_a_saved_config_names_no_folder(folder):
    assert str(folder) not in json.dumps([(folder / name).read_text() for name in MODEL_FILES if "json" in name])


@pytest.fixture
def made_here(folder):
    """The same folder as the run leaves it: with scores, which tell the checksums."""
    kept = {"validation": {"macro_f1": 0.5}, "checksums": checksums(folder, MODEL_FILES)}
    (folder / "scores.json").write_text(json.dumps(kept))
    load_encoder(folder, ["up", "side ways"], "k")
    return folder


@pytest.mark.parametrize("file", MODEL_FILES)
def test_a_flipped_bit_in_an_encoder_of_the_run_is_noticed(made_here, file):
    content = bytearray((made_here / file).read_bytes())
    content[-3] ^= 4
    (made_here / file).write_bytes(content)

    with pytest.raises(StudyError) as caught:
        load_encoder(made_here, ["up", "side ways"], "k")

    assert str(caught.value) == (
        f"{made_here / file} is not the file that {made_here}/scores.json tells of: delete it and run snakemake again."
    )


def test_what_is_wrong_with_an_encoder_of_the_run_has_the_runs_remedy(made_here):
    with pytest.raises(StudyError, match=r"classifies into .*right: delete the folder and run snakemake again\.$"):
        load_encoder(made_here, ["left", "right"], "some.key")
    (made_here / "config.json").unlink()
    with pytest.raises(StudyError, match=r"has no config \(config.json\): delete the folder and run snakemake again"):
        load_encoder(made_here, ["up", "side ways"], "some.key")
    (made_here / "scores.json").write_text("{")
    with pytest.raises(StudyError, match=r"scores.json is missing or damaged: delete the folder"):
        read_scores(made_here)
