"""Extraction of neurons against a slow plain loop, with a tiny random model of each architecture."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from small_models import INNER, LAYERS, POSITIONS, VOCABULARY, WIDTH, second_projection, tiny_model
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers.pytorch_utils import Conv1D

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, NEURONS
from bias_amplification.language_model.load import load_model
from bias_amplification.models.architectures import ARCHITECTURES
from bias_amplification.models.device import products_in
from bias_amplification.models.folders import ModelFolders
from bias_amplification.neurons.extract import extract_neurons, neuron_table
from bias_amplification.study.sections import JobCompute, Neurons


def random_texts(seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(2, VOCABULARY, size=length).tolist() for length in (3, 11, 1, 20, 7, 11, 32)]


def feed_forward_parts(model, layer: int):
    """Return block, FFN module and weight [outputs, inputs]."""
    block, name, projection = second_projection(model, layer)
    parent = name.rpartition(".")[0]
    weight = projection.weight.T if isinstance(projection, Conv1D) else projection.weight
    return block, block.get_submodule(parent) if parent else projection, weight


def mean_output_plainly(model, module, texts: list[list[int]]) -> np.ndarray:
    """Average the outputs over the tokens of all texts, one text at a time and without padding."""
    kept = []

    def keep(_module, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        kept.append(output.reshape(-1, WIDTH).double().numpy())

    handle = module.register_forward_hook(keep)
    model.eval()
    with torch.no_grad():
        for text in texts:
            model(input_ids=torch.tensor([text]))
    handle.remove()
    return np.concatenate(kept).mean(axis=0)


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_neurons_equal_those_of_a_plain_loop(model_type):
    model, texts = tiny_model(model_type), random_texts()
    model.train()  # dropout must be off during extraction, and the mode restored

    table = neuron_table(model, texts, batch_tokens=64)

    assert model.training
    assert table.schema.equals(NEURONS)
    assert table["layer"].to_pylist() == [0] * WIDTH + [1] * WIDTH
    assert table["neuron"].to_pylist() == [*range(WIDTH), *range(WIDTH)]
    for layer in range(LAYERS):
        rows = table.slice(layer * WIDTH, WIDTH).to_pandas()
        block, ffn, weight = feed_forward_parts(model, layer)
        assert weight.shape == (WIDTH, INNER)
        for unit in range(WIDTH):
            incoming = weight[unit].tolist()
            assert rows["weight_mean"][unit] == pytest.approx(sum(incoming) / INNER, rel=1e-12)
            assert rows["weight_l2"][unit] == pytest.approx(sum(value**2 for value in incoming) ** 0.5, rel=1e-12)
        # Padding changes float32 rounding errors; these are relative to the largest output.
        for column, module in (("activation_ffn", ffn), ("activation_block", block)):
            expected = mean_output_plainly(model, module, texts)
            np.testing.assert_allclose(rows[column], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_opt_ffn_output_differs_from_the_block_output():
    # OPT flattens batch and position before fc2; other architectures do not.
    table = neuron_table(tiny_model("opt"), random_texts(), batch_tokens=64).to_pandas()

    assert (table["activation_ffn"] - table["activation_block"]).abs().min() > 1e-6


def test_batch_size_and_order_do_not_matter():
    model, texts = tiny_model("gpt2"), random_texts()

    one_by_one = neuron_table(model, texts, batch_tokens=1).to_pandas()
    all_at_once = neuron_table(model, texts[::-1], batch_tokens=10_000).to_pandas()

    np.testing.assert_allclose(all_at_once, one_by_one, rtol=0, atol=1e-5)


def test_empty_texts_are_ignored_and_hooks_removed():
    model, texts = tiny_model("gpt2"), random_texts()

    table = neuron_table(model, [[], *texts, []], batch_tokens=64)

    assert table.equals(neuron_table(model, texts, batch_tokens=64))
    assert all(not module._forward_hooks for module in model.modules())


def test_an_unknown_architecture_is_an_error():
    model = tiny_model("gpt2")
    model.config.model_type = "mamba"

    with pytest.raises(StudyError, match=r"neurons\.architecture.*'mamba'.*gpt2.*gpt_neox.*opt"):
        neuron_table(model, random_texts(), batch_tokens=64)
    named = neuron_table(model, random_texts(), batch_tokens=64, architecture="gpt2")
    model.config.model_type = "gpt2"
    assert named.equals(neuron_table(model, random_texts(), batch_tokens=64))


def test_a_wrong_architecture_is_an_error():
    with pytest.raises(StudyError, match=r"neurons\.architecture.*'gpt2' does not have the layout"):
        neuron_table(tiny_model("gpt2"), random_texts(), batch_tokens=64, architecture="opt")


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ([[], []], StudyError, "no tokens"),
        ([[2, VOCABULARY]], StudyError, f"gives token {VOCABULARY}, but the model has {VOCABULARY} tokens"),
        ([[2] * (POSITIONS + 1)], ValueError, f"has {POSITIONS + 1} tokens and the model {POSITIONS} positions"),
    ],
)
def test_texts_that_the_model_cannot_read_are_an_error(texts, error, message):
    with pytest.raises(error, match=message):
        neuron_table(tiny_model("gpt2"), texts, batch_tokens=64)


def write_probe(folder, words, articles):
    """Write a model, a tokenizer of words and newlines, and a probe set."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Split("\n", "isolated")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    tiny_model("gpt2").save_pretrained(folder)
    rows = [
        {"article_id": str(index), "title": title, "body": body, "label": "x"}
        for index, (title, body) in enumerate(articles)
    ]
    write_table(pa.Table.from_pylist(rows, schema=ARTICLES), folder / "probe.parquet", ARTICLES)


def extract(folder, name, max_tokens):
    extract_neurons(
        ModelFolders(folder, folder),
        folder / "probe.parquet",
        folder / name,
        Neurons(max_tokens=max_tokens),
        JobCompute(device="cpu", batch_tokens=512),
    )
    return read_table(folder / name, NEURONS)


def test_title_and_body_are_read_up_to_the_limit(tmp_path):
    words = ["<unk>", "taxes", "rise", "again", "the", "house", "votes", "\n"]
    write_probe(tmp_path, words, [("taxes rise", "the house votes again"), ("again", "taxes")])

    first = extract(tmp_path, "first/neurons.parquet", max_tokens=5)
    extract(tmp_path, "second.parquet", max_tokens=5)

    expected = neuron_table(load_model(tmp_path), [[1, 2, 7, 4, 5], [3, 7, 1]], batch_tokens=64)
    assert first.equals(expected)
    assert (tmp_path / "first" / "neurons.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_the_begin_token_is_read_but_not_averaged(tmp_path):
    write_probe(tmp_path, ["<unk>", "tax", "\n"], [("tax", "tax " * 100), ("tax", "tax")])
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", 0)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model = load_model(tmp_path)
    texts = [[1, 2, *[1] * (POSITIONS - 3)], [1, 2, 1]]

    found = extract(tmp_path, "neurons.parquet", None).to_pandas()

    kept = []
    model.transformer.h[1].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with torch.no_grad():
        for text in texts:
            model(input_ids=torch.tensor([[0, *text]]))
    outputs = [(out[0] if isinstance(out, tuple) else out).reshape(-1, WIDTH)[1:].double().numpy() for out in kept]
    expected = np.concatenate(outputs).mean(axis=0)
    np.testing.assert_allclose(found["activation_block"][WIDTH:], expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    with pytest.raises(ValueError, match=f"has {POSITIONS + 1} tokens"):
        neuron_table(model, [[2] * POSITIONS], batch_tokens=64, begin=[0])


@pytest.mark.parametrize("max_tokens", [1024, None])
def test_texts_are_cut_to_the_positions_of_the_model(tmp_path, max_tokens):
    write_probe(tmp_path, ["<unk>", "tax", "\n"], [("tax", "tax " * 100)])

    found = extract(tmp_path, "neurons.parquet", max_tokens)

    assert found.equals(neuron_table(load_model(tmp_path), [[1, 2, *[1] * (POSITIONS - 2)]], batch_tokens=64))


def test_in_bfloat16_weights_are_exact_and_activations_nearly_the_same():
    model, texts = tiny_model("gpt2"), random_texts()
    exact = neuron_table(model, texts, batch_tokens=64).to_pandas()

    with products_in("bfloat16", "cpu"):
        rounded = neuron_table(model, texts, batch_tokens=64).to_pandas()

    assert (rounded["weight_l2"] == exact["weight_l2"]).all()
    for column in ("activation_ffn", "activation_block"):
        difference = np.abs(rounded[column] - exact[column]).max()
        assert 0 < difference < 0.02 * np.abs(exact[column]).max()
