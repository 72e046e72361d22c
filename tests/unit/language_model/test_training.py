"""Training against a plain PyTorch loop and against transformers' Trainer."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from killed_trainings import Killed, KilledAfter
from small_models import small_gpt2, untrained

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import TRAINING_LOG
from bias_amplification.language_model.load import load_model, save_model
from bias_amplification.language_model.training import IGNORED, NextToken, longer_than_one, train
from bias_amplification.models.objectives import Recipe
from bias_amplification.study.sections import Finetuning, JobCompute, Pretraining

#: Examples of different lengths, so that batches are padded. One of them contains the padding token 0.
EXAMPLES = [[5, 6, 7, 8, 9, 10], [11, 12], [13, 0, 14, 15], [16, 17, 18]]
CPU = JobCompute(device="cpu")


def recipe(epochs: int, batch_size: int, learning_rate: float = 1e-3, weight_decay: float = 0.1) -> Finetuning:
    return Finetuning(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay)


def plain_loop(model, recipe: Recipe, steps: int) -> list[float]:
    """Train on all examples in each step, one sequence after the other and without padding."""
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
def test_training_equals_a_plain_loop(scale: float) -> None:
    # At scale 30 the gradients' norm is above 1, so that they are clipped.
    model = small_gpt2()
    model.transformer.wte.weight.data *= scale
    reference = copy.deepcopy(model)

    log, facts = train(model, EXAMPLES, recipe(3, 4), pad=0, seed=1, compute=CPU)
    losses = plain_loop(reference, recipe(3, 4), steps=3)

    assert log.column("loss").to_pylist() == pytest.approx(losses, rel=1e-5)
    for (name, weight), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        # Where a gradient is nearly zero, AdamW turns its rounding into a step of the learning rate.
        assert torch.allclose(weight, expected, atol=1e-5), name
    assert facts["steps"] == 3
    assert facts["tokens"] == 3 * sum(map(len, EXAMPLES))


def test_short_examples_count_in_the_batch_size_alone() -> None:
    model = small_gpt2()
    reference = copy.deepcopy(model)
    examples = [*EXAMPLES, [0], [9], [0]]

    whole, _ = train(model, examples, recipe(3, 7), pad=0, seed=1, compute=CPU)
    kept, _ = train(small_gpt2(), examples, recipe(3, 2), pad=0, seed=1, compute=CPU)
    left_out, _ = train(small_gpt2(), longer_than_one(examples), recipe(3, 2), pad=0, seed=1, compute=CPU)

    # In a batch of all examples they change nothing. With smaller batches there are more steps.
    assert whole.column("loss").to_pylist() == pytest.approx(plain_loop(reference, recipe(3, 7), steps=3), rel=1e-5)
    assert (left_out.num_rows, kept.num_rows) == (3 * 2, 3 * 4)
    assert all(torch.isfinite(torch.tensor(kept.column("loss").to_pylist())))


def test_a_batch_of_short_examples_has_no_loss() -> None:
    log, _ = train(small_gpt2(), [[5, 6, 7], [0], [0]], recipe(1, 1, weight_decay=0.0), pad=0, seed=1, compute=CPU)

    losses = log.column("loss").to_pylist()
    assert sorted(losses)[:2] == [0.0, 0.0] and max(losses) > 1


def test_the_learning_rate_rises_and_decays() -> None:
    schedule = Pretraining(epochs=2, batch_size=3, learning_rate=0.01, weight_decay=0.0, warmup=0.5)

    log, _ = train(small_gpt2(), EXAMPLES, schedule, pad=0, seed=1, compute=CPU)

    assert log.cast(TRAINING_LOG).column("step").to_pylist() == [1, 2, 3, 4]
    assert log.column("epoch").to_pylist() == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert log.column("learning_rate").to_pylist() == pytest.approx([0.0, 0.005, 0.01, 0.005])


def test_collation_masks_padding_by_position() -> None:
    batch = NextToken([[7, 0, 8, 0], [9, 10]], 0, 1, 2).batch([0, 1])

    assert batch["tokens"].tolist() == [[7, 0, 8], [9, 10, 0]]
    # The padding token inside an example is learned; padding is not.
    assert batch["targets"].tolist() == [0, 8, 0, 10, IGNORED, IGNORED]
    assert batch["real"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("positions", "length"), [(8, 8), (7, 3)])
def test_lengths_are_rounded_up_if_the_model_has_so_many_positions(positions: int, length: int) -> None:
    model = small_gpt2().eval()
    objective = NextToken([[7, 1, 8, 2], [9, 10]], 0, 1, 2, positions)

    rounded = objective.batch([0, 1], multiple=8)

    assert rounded["tokens"].shape == (2, length)
    assert set(rounded) == {"tokens", "targets"}
    plain = objective.loss(model, objective.batch([0, 1])).item()
    assert objective.loss(model, rounded).item() == pytest.approx(plain, rel=1e-6)


def test_padding_does_not_change_the_loss() -> None:
    model = small_gpt2().eval()
    objective = NextToken(EXAMPLES, 0, 1, 4)

    apart = sum(objective.loss(model, objective.batch([position])).item() for position in range(4))

    assert objective.loss(model, objective.batch([0, 1, 2, 3])).item() == pytest.approx(apart, rel=1e-6)
    assert objective.terms([0, 1, 2, 3]) == sum(len(example) - 1 for example in EXAMPLES)


# The output head of gpt2 computes the loss without all logits, and that of bloom with them.
@pytest.mark.parametrize("name", ["gpt2", "bloom"])
def test_losses_and_gradients_are_those_of_all_logits(name: str) -> None:
    model = untrained(name)
    objective = NextToken(EXAMPLES, 0, 1, 4)
    loss = objective.loss(model, objective.batch([0, 1, 2, 3]))
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()

    expected = sum(
        torch.nn.functional.cross_entropy(
            model(torch.tensor([example])).logits[0, :-1], torch.tensor(example[1:]), reduction="sum"
        )
        for example in EXAMPLES
    )
    expected.backward()

    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, rtol=1e-4, atol=1e-4), name


def test_the_log_has_tokens_per_second() -> None:
    # 15 tokens in 2 steps of an epoch.
    assert NextToken(EXAMPLES, 0, 1, 2).progress(steps_per_second=100.0) == "750 tokens/s"


@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_training_equals_transformers_trainer(tmp_path: Path, warmup: float) -> None:
    schedule = Pretraining(epochs=3, batch_size=3, learning_rate=1e-3, weight_decay=0.1, warmup=warmup)
    model = small_gpt2()
    reference = copy.deepcopy(model)
    objective = NextToken(EXAMPLES, 0, 1, 4)

    log, _ = train(model, EXAMPLES, schedule, pad=0, seed=1, compute=CPU)
    history = trainer_history(reference, schedule, [objective.order(epoch) for epoch in range(3)], tmp_path)

    assert log.column("loss").to_pylist() == pytest.approx([row["loss"] for row in history], rel=1e-5)
    assert log.column("learning_rate").to_pylist() == pytest.approx([row["learning_rate"] for row in history])
    for (name, weight), expected in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert torch.allclose(weight, expected, atol=1e-5), name


def trainer_history(model, recipe: Recipe, orders: list[list[int]], folder: Path) -> list[dict]:
    """Train with transformers' Trainer in the given orders of the examples, and return its log."""
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
    files = []
    for place, seed in (("one", 1), ("two", 1), ("three", 2)):
        model = load_model(base.folder)
        torch.rand(3)  # the global random state must not matter
        train(model, EXAMPLES, recipe(2, 1), pad=0, seed=seed, compute=CPU)
        save_model(model, tmp_path / place)
        files.append((tmp_path / place / "model.safetensors").read_bytes())

    assert files[0] == files[1]
    assert files[0] != files[2]


def test_dropout_depends_on_the_seed_alone() -> None:
    weights = []
    for draws in (3, 5):
        model = small_gpt2(dropout=0.3)
        torch.rand(draws)
        train(model, EXAMPLES, recipe(1, 4, 1e-2, 0.0), pad=0, seed=4, compute=CPU)
        weights.append(model.transformer.wte.weight.detach().clone())

    assert torch.equal(*weights)


def test_a_resumed_training_records_all_steps_tokens_and_seconds(tmp_path: Path) -> None:
    path = tmp_path / "job.safetensors"

    def run(checkpoint: Checkpoint | None = None) -> tuple:
        return train(small_gpt2(), EXAMPLES, recipe(3, 2), pad=0, seed=1, compute=CPU, checkpoint=checkpoint)

    expected_log, expected = run()
    with pytest.raises(Killed):
        run(KilledAfter(path, 4, earlier_seconds=1e6))

    log, facts = run(Checkpoint(path))

    assert log.equals(expected_log)
    assert facts["seconds"] > 1e6
    assert facts == {**expected, "steps": 6, "tokens": 3 * 15, "seconds": facts["seconds"]}


def test_examples_without_two_tokens_are_refused() -> None:
    assert longer_than_one([[1], [], [2, 3]]) == [[2, 3]]
    with pytest.raises(StudyError, match="no example of two tokens"):
        train(small_gpt2(), [[1], []], recipe(1, 1), pad=0, seed=0, compute=CPU)


def test_divergence_is_an_error() -> None:
    wrong = recipe(3, 2, 1e12, 0.0)
    with pytest.raises(StudyError, match=r"at step 2 of 6 .*float32\): lower finetuning\.learning_rate\.$"):
        train(small_gpt2(), EXAMPLES, wrong, pad=0, seed=1, compute=CPU, key="finetuning")
