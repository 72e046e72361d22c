import json

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2ForSequenceClassification

from bias_amplification.artifacts import StudyError
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoders import (
    TextClassifier,
    load_encoder,
    load_given_encoder,
    obtain_encoder,
    read_scores,
    write_encoder,
)
from bias_amplification.measures.scratch import train_tokenizer
from bias_amplification.models.folders import MODEL_AND_TOKENIZER_FILES
from bias_amplification.study.sections import Encoder, JobCompute

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "café prices rise again"] * 5
LABELS = ["up", "side ways"]
SCORES = {"validation": {"macro_f1": 0.5}}


def small(architecture: str) -> Encoder:
    return Encoder(architecture=architecture, layers=2, width=16, heads=2, vocabulary=300)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A classifier's folder, as the run writes it."""
    folder = tmp_path_factory.mktemp("written")
    write_encoder(obtain_encoder(small("bert"), TEXTS, LABELS, 32, seed=1, key="k"), folder, SCORES, {})
    return folder


@pytest.fixture
def own(written, tmp_path):
    """A copy of the run's folder, which a test may damage."""
    for file in written.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture
def given(own):
    """A folder with the same model as somebody else has published it, and its section of the config."""
    (own / "scores.json").unlink()
    (own / "timing.json").unlink()
    return Encoder(source="folder", path=str(own))


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
def test_scratch_encoder_survives_saving_and_loading(tmp_path, architecture):
    made = obtain_encoder(small(architecture), TEXTS, ["a", "b"], 32, seed=1, key="k")
    write_encoder(made, tmp_path, SCORES, {"train_runtime_seconds": 1.0})

    loaded = load_encoder(tmp_path, ["b", "a"])

    # As long as the longest allowed input, so that wrongly counted positions would be out of range.
    batch, batch_again = (
        classifier.tokenizer([" ".join(TEXTS)], truncation=True, max_length=32, return_tensors="pt")
        for classifier in (made, loaded)
    )
    assert batch["input_ids"].shape == (1, 32)
    assert torch.equal(batch["input_ids"], batch_again["input_ids"])
    weights, weights_again = made.model.state_dict(), loaded.model.state_dict()
    assert weights.keys() == weights_again.keys()
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)
    # The rounding of products depends on the alignment of a matrix in memory, which loading changes.
    with torch.no_grad():
        logits, logits_again = made.model.eval()(**batch).logits, loaded.model(**batch_again).logits
    torch.testing.assert_close(logits, logits_again, rtol=1e-5, atol=1e-6)
    assert {file.name for file in tmp_path.iterdir()} == {*MODEL_AND_TOKENIZER_FILES, "scores.json", "timing.json"}
    assert (made.positions, loaded.positions) == ([0, 1], [1, 0])


def test_fresh_weights_depend_on_the_seed_only():
    first, second, third = (
        obtain_encoder(small("bert"), TEXTS, ["a", "b"], 32, seed=seed, key="k").model.classifier.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_tokenizer_decodes_to_the_text_that_it_encoded():
    tokenizer = train_tokenizer(TEXTS, 300, 32)
    ids = tokenizer("the cat — naïve\nnews")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "the cat — naïve\nnews"


def test_given_encoder_gets_a_fresh_head_for_other_labels(given):
    model = obtain_encoder(given, [], ["x", "y", "z"], 32, seed=1, key="k").model
    assert model.config.id2label == {0: "x", 1: "y", 2: "z"}
    assert model.classifier.weight.shape == (3, 16)


def test_labels_are_matched_by_name_in_any_case_and_by_alias(given):
    assert load_given_encoder(given, ["Side_Ways", "UP"], "k").positions == [1, 0]
    assert load_given_encoder(given, ["across", "up"], "k", aliases={"Side Ways": "across"}).positions == [1, 0]


@pytest.mark.parametrize("labels", [["up", "down"], ["up"], ["up", "side ways", "down"]])
def test_other_labels_are_refused(given, labels):
    with pytest.raises(
        StudyError, match=rf"{given.path} classifies into up, side ways, but the study needs .* \(some.key\): name"
    ):
        load_given_encoder(given, labels, "some.key")


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("model.safetensors", "no weights in safetensors"),
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_folder_without_a_file_is_refused(given, own, file, fault):
    (own / file).unlink()
    with pytest.raises(StudyError, match=rf"{own} has {fault}.* some.key"):
        load_given_encoder(given, LABELS, "some.key")


def test_damaged_files_are_refused(given, own):
    (own / "tokenizer.json").write_bytes(b"cut short")
    with pytest.raises(StudyError, match=r"tokenizer.json is not a tokenizer that .* correct some.key"):
        load_given_encoder(given, LABELS, "some.key")
    (own / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(StudyError, match=r"model.safetensors is not a whole safetensors file .*some.key"):
        load_given_encoder(given, LABELS, "some.key")


def change(file, **entries):
    """Change entries of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_tokenizer_without_padding_token_pads_with_its_end_token_or_is_refused(given, own):
    change(own / "tokenizer_config.json", pad_token=None)
    end = load_given_encoder(given, LABELS, "some.key")
    assert end.tokenizer.pad_token == "</s>"
    assert end.model.config.pad_token_id == end.tokenizer.pad_token_id == 2

    change(own / "tokenizer_config.json", eos_token=None)
    with pytest.raises(StudyError, match=r"without a padding token: choose an encoder for some.key\.$"):
        load_given_encoder(given, LABELS, "some.key")


@pytest.fixture
def decoder(written, tmp_path):
    """A GPT-2 with a classification head, whose config has no padding token, and its section of the config."""
    torch.manual_seed(0)
    size = {"vocab_size": 300, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 24}
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    config = GPT2Config(**size, **labels, bos_token_id=0, eos_token_id=2)
    config.pad_token_id = None
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "gpt2" / name).write_bytes((written / name).read_bytes())
    return Encoder(source="folder", path=str(tmp_path / "gpt2"))


def test_a_decoder_without_padding_in_its_config_classifies_padded_texts(decoder):
    classifier = load_given_encoder(decoder, LABELS, "k")
    texts = ["the cat", "the cat sat on the mat", "café prices"]
    assert classifier.model.config.pad_token_id == classifier.tokenizer.pad_token_id == 1

    found = predict_probabilities(classifier, texts, 24, JobCompute(device="cpu"))

    for row, text in zip(found, texts, strict=True):
        with torch.no_grad():
            logits = classifier.model(torch.tensor([classifier.tokenizer(text).input_ids])).logits[0]
        assert row == pytest.approx(logits.double().softmax(-1).numpy(), abs=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_texts_are_cut_to_the_positions_and_the_log_says_so(tmp_path, capsys, architecture):
    made = obtain_encoder(small(architecture), TEXTS, LABELS, 32, seed=1, key="k")
    write_encoder(made, tmp_path, SCORES, {})
    (tmp_path / "scores.json").unlink()
    change(tmp_path / "tokenizer_config.json", model_max_length=10**9)
    source = Encoder(source="folder", path=str(tmp_path))

    fitting = load_given_encoder(source, LABELS, "k", max_tokens=32)
    assert "cut" not in capsys.readouterr().out
    for load in (
        lambda: load_given_encoder(source, LABELS, "k", max_tokens=512),
        lambda: obtain_encoder(source, [], LABELS, 512, seed=1, key="k"),
    ):
        classifier = load()
        assert "k: texts are cut to 32 tokens instead of 512, the most that it can read\n" in capsys.readouterr().out
    load_encoder(tmp_path, LABELS, 33)
    assert f"{tmp_path}: texts are cut to 32 tokens instead of 33" in capsys.readouterr().out

    text = " ".join(TEXTS)
    found, shorter = (
        predict_probabilities(c, [text], n, JobCompute(device="cpu")) for c, n in ((classifier, 512), (classifier, 32))
    )
    assert np.array_equal(found, shorter)
    assert fitting.longest(20) == 20


def test_weights_that_are_missing_are_named(given, own):
    weights = load_file(own / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, own / "model.safetensors", metadata={"format": "pt"})

    # A fresh head replaces the missing one.
    assert obtain_encoder(given, [], ["x", "y", "z"], 32, seed=1, key="k").model.config.num_labels == 3
    with pytest.raises(
        StudyError, match=rf"{own} cannot .*1 of the weights .*first classifier\.weight\): check some\.key"
    ):
        load_given_encoder(given, LABELS, "some.key")
    del weights["bert.encoder.layer.0.output.dense.weight"]
    save_file(weights, own / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudyError, match=r"first bert\.encoder\.layer\.0\.output\.dense\.weight"):
        obtain_encoder(given, [], LABELS, 32, seed=1, key="k")


def test_a_classifier_of_a_hub_is_loaded_from_its_snapshot(given, own, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(own))
    hub = Encoder(source="hub", hub_id="somebody/classifier", revision="0" * 40)

    found, expected = (load_given_encoder(source, LABELS, "k") for source in (hub, given))

    assert all(torch.equal(a, b) for a, b in zip(found.model.parameters(), expected.model.parameters(), strict=True))
    change(own / "config.json", quantization_config={"quant_method": "gptq"})
    with pytest.raises(StudyError, match=r"^The hub model somebody/classifier is quantised .*k\.hub_id"):
        load_given_encoder(hub, LABELS, "k")


def test_whatever_loading_raises_is_one_sentence(given, own, monkeypatch):
    def fail(*arguments, **options):
        raise KeyError("an entry\nof a table")

    monkeypatch.setattr("transformers.AutoModelForSequenceClassification.from_pretrained", fail)
    with pytest.raises(
        StudyError, match=rf"^The model folder {own} cannot be loaded .*\(.*entry.*\): check some\.key\.$"
    ):
        load_given_encoder(given, LABELS, "some.key")


def test_saved_files_do_not_name_a_folder(tmp_path, given):
    """The path of a given model would make the bytes depend on where it is."""
    classifier = load_given_encoder(given, LABELS, "k")
    write_encoder(TextClassifier(*classifier[:2], LABELS), tmp_path / "out", SCORES, {})
    saved = [(tmp_path / "out" / name).read_text() for name in MODEL_AND_TOKENIZER_FILES if name.endswith(".json")]
    assert not any(given.path in text for text in saved)


@pytest.mark.parametrize("file", MODEL_AND_TOKENIZER_FILES)
def test_changed_bit_in_a_file_of_the_run_is_noticed(own, file):
    content = bytearray((own / file).read_bytes())
    content[-3] ^= 4
    (own / file).write_bytes(content)

    with pytest.raises(StudyError, match=rf"^{own / file} .*scores.json.*: delete it and run snakemake again\.$"):
        load_encoder(own, LABELS)


def test_faults_in_a_folder_of_the_run_say_to_make_it_again(own):
    with pytest.raises(StudyError, match=r"classifies into .*right: delete the folder and run snakemake again\.$"):
        load_encoder(own, ["left", "right"])
    (own / "config.json").unlink()
    with pytest.raises(StudyError, match=r"has no config.json: delete the folder and run snakemake again"):
        load_encoder(own, LABELS)


@pytest.mark.parametrize("content", ["{", "{}", '{"validation": {"macro_f1": NaN}}', '{"validation": 1}'])
def test_damaged_scores_are_refused(own, content):
    (own / "scores.json").write_text(content)
    with pytest.raises(StudyError, match=r"scores.json is missing or damaged: delete the folder"):
        read_scores(own)


def rewrite(own, change_weights):
    """Change the tensors of a folder's weights."""
    weights = load_file(own / "model.safetensors")
    change_weights(weights)
    save_file(weights, own / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            {"intermediate_size": 48},
            r"has intermediate_size 48 in config\.json, but none of its weights has this width",
        ),
        # Other weights have this size.
        (
            {"intermediate_size": 32},
            r"intermediate\.dense\.bias has the shape \[64\], but its config\.json asks for \[32\]",
        ),
        ({"num_hidden_layers": 1}, r"has num_hidden_layers 1 in config\.json, but its weights have 2 layers"),
        (
            {"max_position_embeddings": 16},
            r"position_embeddings\.weight has the shape \[32, 16\], but .* asks for \[16, 16\]",
        ),
    ],
)
def test_a_config_of_another_body_is_refused(given, own, entries, words):
    change(own / "config.json", **entries)

    for load in (load_fresh, load_given):
        with pytest.raises(StudyError, match=rf"{own}.*{words}.*some\.key"):
            load(given)


def load_fresh(source):
    return obtain_encoder(source, [], ["x", "y", "z"], 32, seed=1, key="some.key")


def load_given(source):
    return load_given_encoder(source, LABELS, "some.key")


@pytest.mark.parametrize("name", ["bert.encoder.layer.0.attention.self.query.scale", "encoder.layer.1.extra.weight"])
def test_weights_that_the_body_does_not_have_are_refused(given, own, name):
    rewrite(own, lambda weights: weights.update({name: torch.ones(4, 16)}))

    for load in (load_fresh, load_given):
        with pytest.raises(StudyError, match=rf"{own}.*no place for 1 of its weights, first {name}: use the config"):
            load(given)


def test_a_tokenizer_of_another_class_is_refused(given, own):
    vocabulary = json.loads((own / "tokenizer.json").read_text())["model"]["vocab"]
    (own / "tokenizer.json").unlink()
    (own / "tokenizer_config.json").unlink()
    (own / "vocab.json").write_text(json.dumps(vocabulary))
    (own / "merges.txt").touch()

    for load in (load_fresh, load_given):
        with pytest.raises(
            StudyError, match=rf"{own} has a tokenizer without words: put its tokenizer\.json beside it"
        ):
            load(given)


def test_a_head_with_a_bias_that_the_classifier_does_not_have_is_refused_unless_it_is_replaced(given, own):
    rewrite(own, lambda weights: weights.update({"classifier.out.bias": torch.ones(2)}))

    assert load_fresh(given).model.config.num_labels == 3
    with pytest.raises(StudyError, match=r"no place for 1 of its weights, first classifier\.out\.bias"):
        load_given(given)


def test_heads_of_pretraining_and_old_buffers_are_left_aside(given, own):
    extra = {"cls.predictions.bias": 300, "bert.embeddings.position_ids": 64, "cls.seq_relationship.bias": 2}
    rewrite(own, lambda weights: weights.update({name: torch.zeros(size) for name, size in extra.items()}))
    assert load_fresh(given).model.config.num_labels == 3
    assert load_given(given).labels == LABELS

    # A pooling layer that the checkpoint lacks is trained with the head.
    rewrite(own, lambda weights: [weights.pop(name) for name in list(weights) if "pooler" in name])
    assert load_fresh(given).model.config.num_labels == 3
    with pytest.raises(StudyError, match=r"first bert\.pooler\.dense\.bias"):
        load_given(given)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_finite_numbers_are_refused(given, own, value):
    rewrite(own, lambda weights: weights["bert.embeddings.LayerNorm.bias"].fill_(value))

    for load in (load_fresh, load_given):
        with pytest.raises(
            StudyError, match=r"its weight bert\.embeddings\.LayerNorm\.bias has values that are not fin"
        ):
            load(given)


@pytest.mark.parametrize("entry", [None, {}])
def test_an_empty_entry_of_quantisation_is_no_quantisation(given, own, entry):
    change(own / "config.json", quantization_config=entry)

    assert load_given(given).labels == LABELS
