import pytest
import torch

from bias_amplification.measures.encoder_training import BestEpoch, LabelledTexts, train_encoder
from bias_amplification.measures.encoders import obtain_encoder
from bias_amplification.study.sections import Encoder, EncoderTraining


def test_the_best_epoch_is_kept_and_later_changes_do_not_reach_it():
    model, best = torch.nn.Linear(1, 1), BestEpoch()
    for epoch, (macro_f1, loss) in enumerate([(0.5, 0.9), (0.8, 0.6), (0.8, 0.5), (0.8, 0.7), (0.7, 0.1)], start=1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        best.offer(epoch, macro_f1, loss, model)
    assert best.epoch == 3
    assert best.weights["weight"].item() == 3.0


def test_the_model_is_left_at_its_best_epoch_and_labels_out_of_balance_are_evened_out():
    source = Encoder.model_construct(
        source="scratch", architecture="bert", layers=1, width=16, heads=2, vocabulary=300, dropout=0.0
    )
    texts, labels = ["good good good"] * 57 + ["bad bad bad"] * 3, ["a"] * 57 + ["b"] * 3
    parts = dict.fromkeys(("train", "validation", "test"), LabelledTexts(texts, labels))
    model, tokenizer = obtain_encoder(source, texts, ["a", "b"], 16, seed=1, key="k")
    training = EncoderTraining(epochs=4, batch_size=4, learning_rate=1.0e-2, max_tokens=16)
    scores, timing = train_encoder(model, tokenizer, parts, ["a", "b"], training, seed=1, device="cpu")
    assert scores["validation"] == scores["test"]
    assert scores["test"]["f1"] == {"a": 1.0, "b": 1.0}
    assert scores["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert timing["samples_per_second"] == pytest.approx(4 * 60 / timing["train_runtime_seconds"])
