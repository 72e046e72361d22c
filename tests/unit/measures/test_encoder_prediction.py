import copy

import numpy as np
import pytest
import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoders import obtain_encoder
from bias_amplification.study.sections import Encoder

LABELS = ["a", "b", "c"]
TEXTS = ["one two three " * n for n in (5, 1, 9, 0, 3, 30)]


@pytest.fixture(scope="module", params=["bert", "distilbert", "modernbert"])
def encoder(request):
    source = Encoder.model_construct(
        source="scratch", architecture=request.param, layers=2, width=16, heads=2, vocabulary=300, dropout=0.0
    )
    return obtain_encoder(source, TEXTS, LABELS, 40, seed=1, key="k")


def test_probabilities_are_those_of_one_text_at_a_time(encoder):
    model, tokenizer = encoder
    found = predict_probabilities(model, tokenizer, TEXTS, LABELS, max_tokens=40, batch_tokens=64)
    model.eval()
    for row, text in zip(found, TEXTS, strict=True):
        batch = tokenizer(text, truncation=True, max_length=40, return_tensors="pt")
        with torch.no_grad():
            expected = torch.softmax(model(**batch).logits.double(), -1)[0].numpy()
        # Padding changes the order of float32 sums.
        assert row == pytest.approx(expected, abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-12)


def test_a_classifier_of_broken_weights_judges_nothing(encoder):
    model, tokenizer = copy.deepcopy(encoder[0]), encoder[1]
    next(iter(model.parameters())).data.fill_(torch.nan)

    with pytest.raises(StudyError, match="probabilities that are no numbers"):
        predict_probabilities(model, tokenizer, TEXTS, LABELS, max_tokens=40, batch_tokens=64)


def test_columns_follow_the_labels_asked_for(encoder):
    model, tokenizer = encoder
    forward = predict_probabilities(model, tokenizer, TEXTS, LABELS, max_tokens=40, batch_tokens=64)
    backward = predict_probabilities(model, tokenizer, TEXTS, LABELS[::-1], max_tokens=40, batch_tokens=64)
    assert np.array_equal(forward, backward[:, ::-1])


def test_state_of_another_number_of_threads_is_not_used(encoder, tmp_path, capsys):
    options = {"max_tokens": 40, "batch_tokens": 64, "checkpoint": Checkpoint(tmp_path / "job.safetensors", seconds=0)}
    threads = torch.get_num_threads()
    said = []
    try:
        for number in (1, 1, 2):
            torch.set_num_threads(number)
            predict_probabilities(*encoder, TEXTS, LABELS, **options)
            said.append(capsys.readouterr().out)
    finally:
        torch.set_num_threads(threads)

    assert said[0] == ""
    assert said[1].startswith("going on after batch")
    assert "belongs to other inputs" in said[2]


def test_no_text_gives_no_row(encoder):
    assert predict_probabilities(*encoder, [], LABELS, max_tokens=40, batch_tokens=64).shape == (0, 3)
