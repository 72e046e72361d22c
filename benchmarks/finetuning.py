"""Time one epoch of GPT-2 124M: our training, Trainer, a bare loop, and the limit of the machine's matrix products.

    PYTHONPATH=src python benchmarks/finetuning.py [--articles TABLE --tokenizer FOLDER] [--out FOLDER]

All sides run in this process, in alternation and from the same random weights; on a GPU all use bfloat16 autocast.
With a table (Parquet, columns title and body) and a tokenizer, examples are cut from its articles. Without them,
examples are random tokens with lengths of news articles. Nothing else should run on the machine at the same time. The
result is a Markdown table of medians and ranges.
"""

import statistics
import tempfile

import torch
from common import (
    BFLOAT16,
    BODY,
    DEVICE,
    END,
    MOST,
    OUTPUT_HEAD,
    in_turn,
    new_gpt2,
    new_parser,
    parse,
    product_rate,
    read_articles,
    read_from,
    spread,
    times,
    write_report,
)
from transformers import Trainer, TrainingArguments

from bias_amplification.language_model.training import IGNORED, NextToken, longer_than_one
from bias_amplification.models.device import autocast
from bias_amplification.models.learning import learn
from bias_amplification.study.sections import Finetuning

BATCH = 8
RECIPE = Finetuning(epochs=1, batch_size=BATCH)

Examples = list[list[int]]


def with_trainer(examples: Examples) -> list[float]:
    """Train one epoch with transformers' Trainer and every example padded to 512 tokens, as the published code does."""
    rows = []
    for example in examples:
        rest = MOST - len(example)
        rows.append(
            {
                "input_ids": example + [END] * rest,
                "attention_mask": [1] * len(example) + [0] * rest,
                "labels": example + [IGNORED] * rest,
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        # Logging the loss of each step would make the GPU wait, on this side only.
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=BATCH,
            learning_rate=RECIPE.learning_rate, weight_decay=RECIPE.weight_decay, bf16=BFLOAT16, save_strategy="no",
            report_to=[], logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(model=new_gpt2(fused=False), args=arguments, train_dataset=rows)
        return [trainer.train().training_loss]


def with_bare_loop(examples: Examples) -> list[float]:
    """Train one epoch with a minimal loop: batches padded to 512 tokens, cross-entropy of all logits, fused AdamW."""
    model = new_gpt2(fused=False).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=RECIPE.learning_rate, weight_decay=RECIPE.weight_decay, fused=True
    )
    found = []
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        tokens = torch.full((len(batch), MOST), END, device=model.device)
        following = torch.full((len(batch), MOST), IGNORED, device=model.device)
        for row, example in enumerate(batch):
            tokens[row, : len(example)] = torch.tensor(example)
            following[row, : len(example) - 1] = torch.tensor(example[1:])
        with autocast("bfloat16" if BFLOAT16 else "float32", DEVICE):
            logits = model(input_ids=tokens, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=IGNORED)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        found.append(loss.detach())
    return [float(loss) for loss in found]


def with_ours(examples: Examples) -> list[float]:
    """Train one epoch with the project's training loop."""
    objective = NextToken(examples, END, 1, BATCH)
    steps = learn(new_gpt2(fused=True), objective, RECIPE, seed=1)
    return [step.loss for step in steps]


def operations(examples: Examples) -> float:
    """Return the operations of one epoch's matrix products, forward and backward, without padding."""
    return 6.0 * sum(len(example) - 1 for example in examples) * (BODY + OUTPUT_HEAD)


def compare(examples: Examples, repeats: int, read: str) -> list[str]:
    """Return the report: seconds of one epoch for each way to train."""
    ways = {
        "Trainer, padded to 512": with_trainer,
        "bare loop, padded to 512": with_bare_loop,
        "ours": with_ours,
    }
    took, found = in_turn(ways, examples, repeats)
    rate = product_rate(4096, torch.bfloat16 if BFLOAT16 else torch.float32)
    limit = operations(examples) / rate
    lines = [
        f"One epoch of {len(examples)} {read}, {sum(map(len, examples)):,} tokens, batches of {BATCH}, "
        f"{'bfloat16 autocast' if BFLOAT16 else 'float32'}, GPT-2's dropout. The times include making the model.",
        "",
        "| | Seconds | Seconds, relative to ours | Share of the limit | Mean loss |",
        "|---|---|---|---|---|",
    ]
    for name, values in took.items():
        share = limit / statistics.median(values)
        loss = statistics.mean(found[name])
        lines.append(f"| {name} | {spread(values)} | {times(values, took['ours']):.2f} | {share:.0%} | {loss:.3f} |")
    return [
        *lines,
        "",
        f"Limit: {limit:.2f} s, from products of 4,096 rows at {rate / 1e9:,.0f} GFLOP/s.",
    ]


def main() -> None:
    """Compare, and write finetuning.md."""
    parser = new_parser(__doc__)
    parser.add_argument("--epoch", type=int, default=BATCH if DEVICE == "cpu" else 512, help="articles of an epoch")
    arguments = parse(parser)
    titles, bodies = read_articles(arguments.articles, arguments.tokenizer, arguments.epoch)
    examples = [(title + body)[:MOST] for title, body in zip(titles, bodies, strict=True)]
    table = compare(longer_than_one(examples), arguments.repeats, read_from(arguments, "articles of random tokens"))
    write_report("Fine-tuning", table, arguments.out, "finetuning")


if __name__ == "__main__":
    main()
