"""Training against a plain PyTorch loop."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import TRAINING_LOG
from bias_amplification.language_model.device import choose_device, use_bfloat16
from bias_amplification.language_model.load import load_model, save_model
from bias_amplification.language_model.pretrain import new_model
from bias_amplification.language_model.training import IGNORED, NextToken, train
from bias_amplification.learning import Recipe

#: Of different lengths, so that batches are padded; the end token, which pads, stands inside one as well.
EXAMPLES = [[5, 6, 7, 8, 9, 10], [11, 12], [13, 0, 14, 15], [16, 17, 18]]


def small_model(seed: int = 0):
    return new_model(layers=2, width=16, heads=2, context=32, vocabulary=40, end=0, seed=seed)


def plain_loop(model, recipe: Recipe, steps: int) -> list[float]:
    """Train on all examples at once, one sequence after the other and without padding: the independent account."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.999), eps=1e-8)
    model.train()
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (1 - step / steps)
        total, count = torch.tensor(0.0), 0
        for example in EXAMPLES:
            logits = model(torch.tensor([example])).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(example[1:]), reduction="sum")
            count += len(example) - 1
        loss = total / count
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_the_same_as_a_plain_loop(scale: float) -> None:
    # At scale 30 gradients are above norm 1, so that clipping counts.
    model = small_model()
    model.transformer.wte.weight.data *= scale
    reference = copy.deepcopy(model)
    recipe = Recipe(epochs=3, batch_size=4, learning_rate=1e-3, weight_decay=0.1)

    log, figures = train(model, EXAMPLES, recipe, pad=0, seed=1, device="cpu", precision="float32")
    losses = plain_loop(reference, recipe, steps=3)

    assert log.column("loss").to_pylist() == pytest.approx(losses, rel=1e-5)
    for (name, weight), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        # AdamW turns rounding into steps of the learning rate where a gradient is about nothing.
        assert torch.allclose(weight, expected, atol=1e-5), name
    assert figures["steps"] == 3
    assert figures["tokens"] == 3 * sum(map(len, EXAMPLES))


def test_examples_that_teach_nothing_take_places_in_batches_alone() -> None:
    model = small_model()
    reference = copy.deepcopy(model)
    recipe = Recipe(epochs=3, batch_size=7, learning_rate=1e-3, weight_decay=0.1)
    options = {"pad": 0, "seed": 1, "device": "cpu", "precision": "float32"}

    log, _ = train(model, [*EXAMPLES, [0], [9], [0]], recipe, keep_short=True, **options)
    left_out, _ = train(small_model(), [*EXAMPLES, [0], [9], [0]], Recipe(3, 2, 1e-3, 0.1), **options)
    kept, _ = train(small_model(), [*EXAMPLES, [0], [9], [0]], Recipe(3, 2, 1e-3, 0.1), keep_short=True, **options)

    # In a batch of all they change nothing; in smaller ones there are more steps.
    assert log.column("loss").to_pylist() == pytest.approx(plain_loop(reference, recipe, steps=3), rel=1e-5)
    assert (left_out.num_rows, kept.num_rows) == (3 * 2, 3 * 4)
    assert all(torch.isfinite(torch.tensor(kept.column("loss").to_pylist())))


def test_a_batch_of_nothing_but_blank_lines_has_no_loss() -> None:
    log, _ = train(
        small_model(), [[5, 6, 7], [0], [0]], Recipe(1, 1, 1e-3, 0.0), pad=0, seed=1, device="cpu",
        precision="float32", keep_short=True,
    )  # fmt: skip

    losses = log.column("loss").to_pylist()
    assert sorted(losses)[:2] == [0.0, 0.0] and max(losses) > 1


def test_the_log_follows_the_schedule() -> None:
    recipe = Recipe(epochs=2, batch_size=3, learning_rate=0.01, weight_decay=0.0, warmup=0.5)

    log, _ = train(small_model(), EXAMPLES, recipe, pad=0, seed=1, device="cpu", precision="float32")

    assert log.cast(TRAINING_LOG).column("step").to_pylist() == [1, 2, 3, 4]
    assert log.column("epoch").to_pylist() == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert log.column("learning_rate").to_pylist() == pytest.approx([0.0, 0.005, 0.01, 0.005])


def test_collation_masks_padding_by_position() -> None:
    tokens, following = NextToken([[7, 0, 8, 0], [9, 10]], 0, 1).collate([0, 1])

    assert tokens.tolist() == [[7, 0, 8], [9, 10, 0]]
    # The end token inside an example is learned; padding with the same token is not.
    assert following.tolist() == [[0, 8, 0], [10, IGNORED, IGNORED]]


def test_padding_does_not_change_the_loss() -> None:
    model = small_model().eval()
    objective = NextToken(EXAMPLES, 0, 1)

    apart = sum(objective.loss(model, [position]).item() for position in range(4))

    assert objective.loss(model, [0, 1, 2, 3]).item() == pytest.approx(apart, rel=1e-6)
    assert objective.terms([0, 1, 2, 3]) == sum(len(example) - 1 for example in EXAMPLES)


@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_the_same_as_transformers_trainer(tmp_path: Path, warmup: float) -> None:
    recipe = Recipe(epochs=3, batch_size=3, learning_rate=1e-3, weight_decay=0.1, warmup=warmup)
    model = small_model()
    reference = copy.deepcopy(model)
    objective = NextToken(EXAMPLES, 0, 1)

    log, _ = train(model, EXAMPLES, recipe, pad=0, seed=1, device="cpu", precision="float32")
    history = trainer_history(reference, recipe, [objective.order(epoch) for epoch in range(3)], tmp_path)

    assert log.column("loss").to_pylist() == pytest.approx([row["loss"] for row in history], rel=1e-5)
    assert log.column("learning_rate").to_pylist() == pytest.approx([row["learning_rate"] for row in history])
    for (name, weight), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert torch.allclose(weight, expected, atol=1e-5), name


def trainer_history(model, recipe: Recipe, orders: list[list[int]], folder: Path) -> list[dict]:
    """Train by Trainer, with our order of the examples, everything else left to its defaults."""
    from transformers import Trainer, TrainingArguments

    class Ordered(Trainer):
        def _get_train_sampler(self, train_dataset=None):
            left = iter(orders)

            class Sampler(torch.utils.data.Sampler):
                def __iter__(self):
                    return iter(next(left))

                def __len__(self):
                    return len(EXAMPLES)

            return Sampler()

    def collate(rows):
        longest = max(len(row["ids"]) for row in rows)
        ids = torch.tensor([row["ids"] + [0] * (longest - len(row["ids"])) for row in rows])
        labels = torch.tensor([row["ids"] + [-100] * (longest - len(row["ids"])) for row in rows])
        labels[:, 0] = -100
        return {"input_ids": ids, "labels": labels}

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    model.loss_type = "ForCausalLM"
    trainer = Ordered(model, arguments, train_dataset=[{"ids": example} for example in EXAMPLES], data_collator=collate)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def test_same_seed_same_bytes(base: SimpleNamespace, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=1, learning_rate=1e-3, weight_decay=0.01)
    files = []
    for place, seed in (("one", 1), ("two", 1), ("three", 2)):
        model = load_model(base.folder)
        torch.rand(3)  # whatever happened before must not matter
        train(model, EXAMPLES, recipe, pad=0, seed=seed, device="cpu", precision="float32")
        save_model(model, tmp_path / place)
        files.append((tmp_path / place / "model.safetensors").read_bytes())

    assert files[0] == files[1]
    assert files[0] != files[2]


def test_dropout_is_seeded_too() -> None:
    weights = []
    for noise in (3, 5):
        model = small_model()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.3
        torch.rand(noise)
        recipe = Recipe(epochs=1, batch_size=4, learning_rate=1e-2, weight_decay=0.0)
        train(model, EXAMPLES, recipe, pad=0, seed=4, device="cpu", precision="float32")
        weights.append(model.transformer.wte.weight.detach().clone())

    assert torch.equal(*weights)


def test_short_examples_are_left_out_and_nothing_is_a_fault() -> None:
    recipe = Recipe(epochs=1, batch_size=1, learning_rate=1e-3, weight_decay=0.0)

    _, figures = train(small_model(), [[1], [], [2, 3]], recipe, pad=0, seed=0, device="cpu", precision="float32")

    assert figures["steps"] == 1
    with pytest.raises(StudyError, match="no example of two tokens"):
        train(small_model(), [[1], []], recipe, pad=0, seed=0, device="cpu", precision="float32")


def test_devices_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(StudyError, match=r"compute\.device is cuda"):
        choose_device("cuda")
    assert use_bfloat16("bfloat16", "cpu")
    assert not use_bfloat16("auto", "cpu")
    assert not use_bfloat16("float32", "cuda")


def test_divergence_is_told() -> None:
    recipe = Recipe(epochs=3, batch_size=2, learning_rate=1e12, weight_decay=0.0)

    with pytest.raises(StudyError, match=r"Training diverged: .* Lower finetuning\.learning_rate"):
        train(small_model(), EXAMPLES, recipe, pad=0, seed=1, device="cpu")
