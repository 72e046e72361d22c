import copy

import numpy as np
import pytest
import torch
from killed_trainings import Killed, KilledAfter

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.measures import encoder_training
from bias_amplification.measures.encoder_training import (
    BestEpoch,
    LabelledTexts,
    LabelPrediction,
    score_encoder,
    train_encoder,
)
from bias_amplification.measures.encoders import obtain_encoder
from bias_amplification.models import device, learning
from bias_amplification.study.sections import Encoder, EncoderTraining

#: 57 texts of one label and 3 of the other, each with words of its own.
UNBALANCED = LabelledTexts(["good good good"] * 57 + ["bad bad bad"] * 3, ["a"] * 57 + ["b"] * 3)
PARTS = dict.fromkeys(("train", "validation", "test"), UNBALANCED)
TRAINING = EncoderTraining(epochs=4, batch_size=4, learning_rate=1.0e-2, max_tokens=16)


@pytest.fixture
def encoder():
    source = Encoder(architecture="bert", layers=1, width=16, heads=2, vocabulary=300)
    return obtain_encoder(source, UNBALANCED.texts, ["a", "b"], 16, seed=1, key="k")


def test_the_best_epoch_is_kept_and_is_not_changed_by_later_training():
    scores = iter([(0.5, 0.9), (0.8, 0.6), (0.8, 0.5), (0.8, 0.7), (0.8, 0.5), (0.7, 0.1)])
    model = torch.nn.Linear(1, 1)
    best = BestEpoch(model, lambda: dict(zip(("macro_f1", "loss"), next(scores), strict=True)), UNBALANCED)
    for epoch in range(1, 7):
        with torch.no_grad():
            model.weight.fill_(epoch)
        best.after_epoch(epoch)

    assert best.epoch == 3
    assert best.weights["weight"].item() == 3.0


def test_a_restored_best_epoch_is_only_replaced_by_a_better_one():
    model, scores = torch.nn.Linear(1, 1), {"macro_f1": 0.6, "loss": 0.4}
    before, after = (BestEpoch(model, lambda: scores, UNBALANCED) for _ in range(2))
    before.after_epoch(1)
    weight = model.weight.item()
    after.restore(*before.state())
    with torch.no_grad():
        model.weight.add_(1)

    after.after_epoch(2)
    assert (after.epoch, after.weights["weight"].item()) == (1, weight)
    scores["macro_f1"] = 0.7
    after.after_epoch(3)
    assert (after.epoch, after.weights["weight"].item()) == (3, weight + 1)


def test_texts_are_drawn_so_that_labels_are_equally_frequent():
    targets = np.array([0] * 900 + [1] * 100)
    objective = LabelPrediction([[5]] * 1000, targets, padding=0, seed=1)
    first, again, other = objective.order(0), objective.order(0), objective.order(1)
    assert len(first) == 1000
    assert first == again != other
    # Three standard errors of a share of 1,000 draws are 0.047.
    assert targets[first].mean() == pytest.approx(0.5, abs=0.047)


def test_training_learns_a_rare_label_and_ends_at_the_best_epoch(encoder, cpu):
    scores, timing = train_encoder(encoder, PARTS, TRAINING, 1, cpu)
    assert scores["validation"] == scores["test"]
    assert scores["test"]["f1"] == {"a": 1.0, "b": 1.0}
    assert scores["articles"] == {"train": 60, "validation": 60, "test": 60}
    assert scores["parameters"] == sum(parameter.numel() for parameter in encoder.model.parameters())
    assert timing["samples_per_second"] == pytest.approx(4 * 60 / timing["train_runtime_seconds"])
    untrained = {"best_epoch": scores["best_epoch"], "articles": scores["articles"]}
    assert score_encoder(encoder, PARTS, 16, cpu) | untrained == scores


# 15 steps an epoch: within the second epoch, and within the last one.
@pytest.mark.parametrize("steps", [17, 50])
def test_a_killed_training_ends_with_the_same_weights_and_scores(encoder, cpu, tmp_path, steps):
    path = tmp_path / "job.safetensors"
    undisturbed, killed = (encoder._replace(model=copy.deepcopy(encoder.model)) for _ in range(2))
    expected, _ = train_encoder(undisturbed, PARTS, TRAINING, 1, cpu)
    with pytest.raises(Killed):
        train_encoder(killed, PARTS, TRAINING, 1, cpu, KilledAfter(path, steps, earlier_seconds=1e6))

    scores, timing = train_encoder(encoder, PARTS, TRAINING, 1, cpu, Checkpoint(path))

    assert scores == expected
    assert timing["train_runtime_seconds"] > 1e6
    assert timing["samples_per_second"] == pytest.approx(4 * 60 / timing["train_runtime_seconds"])
    for name, weight in undisturbed.model.state_dict().items():
        assert torch.equal(encoder.model.state_dict()[name], weight), name


def test_a_training_that_goes_wrong_says_so_at_once(encoder, cpu):
    training = TRAINING.model_copy(update={"learning_rate": 1e30, "epochs": 40})

    with pytest.raises(StudyError, match=r"diverged: at step \d+ of 600 .*: lower classifier\.training\.learning_rate"):
        train_encoder(encoder, PARTS, training, 1, cpu, key="classifier.training")


class Breaking(LabelPrediction):
    """Its loss is not a number under bfloat16 autocast."""

    def loss(self, model, batch):
        total = super().loss(model, batch)
        return total * float("nan") if torch.is_autocast_enabled("cpu") else total


def test_a_training_that_goes_wrong_in_bfloat16_starts_again_in_float32(encoder, cpu, monkeypatch, capsys):
    expected, _ = train_encoder(copy.deepcopy(encoder), PARTS, TRAINING, 1, cpu)
    monkeypatch.setattr(encoder_training, "LabelPrediction", Breaking)
    # As on a GPU.
    for module in (device, learning):
        monkeypatch.setattr(module, "choose_precision", lambda wanted, _: "bfloat16" if wanted == "auto" else wanted)

    scores, _ = train_encoder(copy.deepcopy(encoder), PARTS, TRAINING, 1, cpu)

    assert scores == expected
    assert "warning: Training diverged: at step 1 of 60 the loss is not a finite number" in capsys.readouterr().out
    with pytest.raises(StudyError, match=r"bfloat16\): lower the learning rate"):
        train_encoder(encoder, PARTS, TRAINING, 1, cpu.model_copy(update={"precision": "bfloat16"}))


def test_a_state_with_other_validation_texts_is_not_used(encoder, cpu, tmp_path, capsys):
    path = tmp_path / "job.safetensors"
    fresh = copy.deepcopy(encoder.model)
    with pytest.raises(Killed):
        train_encoder(encoder, PARTS, TRAINING, 1, cpu, KilledAfter(path, 17))
    capsys.readouterr()

    other = PARTS | {"validation": LabelledTexts(UNBALANCED.texts[1:], UNBALANCED.labels[1:])}
    train_encoder(encoder._replace(model=fresh), other, TRAINING, 1, cpu, Checkpoint(path))

    assert "belongs to other inputs" in capsys.readouterr().out
