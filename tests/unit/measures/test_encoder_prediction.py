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
#: More tokens than one batch of the tests holds; the longest texts are cut.
TEXTS = ["one two three " * n for n in (5, 1, 9, 0, 3, 30, 12, 25, 40, 7, 18, 33, 2, 11, 28)] * 3


@pytest.fixture(scope="module", params=["bert", "distilbert", "modernbert"])
def encoder(request):
    source = Encoder(architecture=request.param, layers=2, width=16, heads=2, vocabulary=300)
    return obtain_encoder(source, TEXTS, LABELS, 40, seed=1, key="k")


def test_probabilities_equal_those_of_one_text_at_a_time(encoder, cpu):
    found = predict_probabilities(encoder, TEXTS, 40, cpu)
    encoder.model.eval()
    for row, text in zip(found, TEXTS, strict=True):
        batch = encoder.tokenizer(text, truncation=True, max_length=40, return_tensors="pt")
        with torch.no_grad():
            expected = torch.softmax(encoder.model(**batch).logits.double(), -1)[0].numpy()
        # Padding changes the order of float32 sums.
        assert row == pytest.approx(expected, abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-12)


def test_classifier_with_broken_weights_is_refused(encoder, cpu):
    broken = encoder._replace(model=copy.deepcopy(encoder.model))
    next(iter(broken.model.parameters())).data.fill_(torch.nan)

    with pytest.raises(StudyError, match="probabilities that are not numbers"):
        predict_probabilities(broken, TEXTS, 40, cpu)


def test_columns_have_the_order_of_the_labels(encoder, cpu):
    forward = predict_probabilities(encoder, TEXTS, 40, cpu)
    backward = predict_probabilities(encoder._replace(labels=LABELS[::-1]), TEXTS, 40, cpu)
    assert np.array_equal(forward, backward[:, ::-1])


def test_saved_state_is_used_with_the_same_number_of_threads_only(encoder, cpu, tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "job.safetensors", seconds=0)
    threads = torch.get_num_threads()
    logs = []
    try:
        for number in (1, 1, 2):
            torch.set_num_threads(number)
            predict_probabilities(encoder, TEXTS, 40, cpu, checkpoint)
            logs.append(capsys.readouterr().out)
    finally:
        torch.set_num_threads(threads)

    assert logs[0] == ""
    assert logs[1].startswith("going on after batch")
    assert "belongs to other inputs" in logs[2]


def test_no_texts_give_no_rows(encoder, cpu):
    assert predict_probabilities(encoder, [], 40, cpu).shape == (0, 3)


def test_in_bfloat16_probabilities_are_nearly_the_same(encoder, cpu):
    exact = predict_probabilities(encoder, TEXTS, 40, cpu)
    same, rounded = (
        predict_probabilities(encoder, TEXTS, 40, cpu.model_copy(update={"measuring": precision}))
        for precision in ("tf32", "bfloat16")
    )

    # A CPU has no TF32.
    assert np.array_equal(same, exact)
    assert not np.array_equal(rounded, exact)
    assert rounded == pytest.approx(exact, abs=0.02)
    assert next(encoder.model.parameters()).dtype == torch.float32
