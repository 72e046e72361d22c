"""Time writing and fine-tuning at GPT-2 124M's size: ours, transformers' ways, and what the machine's products allow.

    PYTHONPATH=src python benchmarks/language_model.py [--articles TABLE --tokenizer FOLDER] [--out FOLDER]

All sides run in this process, in alternation, on a model of random weights: the arithmetic is that of a trained one.
With a table (Parquet, columns title and body) and a tokenizer, prompts and examples are cut from its articles; without,
they are random tokens with lengths like a news corpus's. Nothing else should run on the machine meanwhile. The result
is a Markdown table of medians and ranges.
"""

import argparse
import importlib.util
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from bias_amplification.language_model.decoding import decode_greedily
from bias_amplification.language_model.load import fuse_activations, load_tokenizer
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.language_model.training import IGNORED, NextToken
from bias_amplification.learning import Recipe, learn

BLOCK, NEW, MOST, BATCH, END = 64, 64, 512, 8, 50256
RECIPE = Recipe(epochs=1, batch_size=BATCH, learning_rate=5e-5, weight_decay=0.01)


@dataclass
class Sizes:
    """How much is timed: prompts of each side, articles of an epoch."""

    together: int
    alone: int
    articles: int


def read_articles(table: Path | None, tokenizer: Path | None, sizes: Sizes) -> tuple[list[list[int]], list[list[int]]]:
    """Return whole blocks as prompts, and training examples."""
    generator = np.random.default_rng(0)
    if table is None or tokenizer is None:
        lengths = generator.lognormal(np.log(1050), 0.6, 10 * sizes.articles).astype(int).clip(40)
        titles = [generator.integers(0, END, 14).tolist() for _ in lengths]
        bodies = [generator.integers(0, END, length).tolist() for length in lengths]
    else:
        import pyarrow.parquet as pq

        rows = pq.read_table(table, columns=["title", "body"]).to_pylist()
        chosen = [rows[i] for i in generator.permutation(len(rows))[: 10 * sizes.articles]]
        words = load_tokenizer(tokenizer)
        titles, bodies = (encode(words, [row[name] or "" for row in chosen]) for name in ("title", "body"))
    prompts = [p for title, body in zip(titles, bodies, strict=True) for p in article_prompts(title, body, BLOCK)]
    whole = [prompt for prompt in prompts if len(prompt) == BLOCK]
    examples = [(title + body)[:MOST] for title, body in zip(titles, bodies, strict=True)]
    return whole[: sizes.together], examples[: sizes.articles]


def new_gpt2(fused: bool) -> GPT2LMHeadModel:
    """GPT-2 124M with random weights, the same each time; with the activation that `load_model` puts in, or its own."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    if fused:
        fuse_activations(model)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def seconds(call: Callable[[], object]) -> float:
    """Time one call, the GPU's work included."""
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def generate(model: GPT2LMHeadModel, prompts: list[list[int]], batch: int, **options: str) -> list[list[int]]:
    """transformers' own greedy decoding."""
    found = []
    for start in range(0, len(prompts), batch):
        tokens = torch.tensor(prompts[start : start + batch], device=model.device)
        with torch.inference_mode():
            written = model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=NEW,
                do_sample=False,
                use_cache=True,
                eos_token_id=END,
                pad_token_id=END,
                **options,
            )
        found += torch.nn.functional.pad(written[:, BLOCK:], (0, NEW + BLOCK - written.shape[1]), value=END).tolist()
    return found


def ours(model: GPT2LMHeadModel, prompts: list[list[int]], batch: int) -> list[list[int]]:
    """Our decoding of the same prompts."""
    found = []
    for start in range(0, len(prompts), batch):
        tokens = torch.tensor(prompts[start : start + batch], device=model.device)
        found += decode_greedily(model, tokens, torch.ones_like(tokens), new_tokens=NEW, end=END).tolist()
    return found


def with_static_cache(model: GPT2LMHeadModel, prompts: list[list[int]], batch: int) -> list[list[int]]:
    """transformers' greedy decoding with the cache that is sized once (and compiled where it can be)."""
    return generate(model, prompts, batch, cache_implementation="static")


def with_continuous_batching(model: GPT2LMHeadModel, prompts: list[list[int]]) -> list[list[int]]:
    """transformers' own scheduler of requests over a paged cache."""
    config = GenerationConfig(max_new_tokens=NEW, do_sample=False, eos_token_id=END, pad_token_id=END)
    found = model.generate_batch(inputs=prompts, generation_config=config, progress_bar=False)
    return [row.generated_tokens + [END] * (NEW - len(row.generated_tokens)) for row in found.values()]


class CTranslate2:
    """CTranslate2, if it is installed: conversion and loading, timed once, and decoding.

    Parameters
    ----------
    model
        Saved, converted and read again.
    tokenizer
        Its folder: CTranslate2 takes tokens by their names.
    """

    def __init__(self, model: GPT2LMHeadModel, tokenizer: Path) -> None:
        import ctranslate2

        self.words = load_tokenizer(tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(f"{folder}/model")
            for file in tokenizer.glob("*.json"):
                shutil.copy(file, f"{folder}/model")
            start = time.perf_counter()
            ctranslate2.converters.TransformersConverter(f"{folder}/model").convert(f"{folder}/converted")
            on = {"device": "cuda"} if torch.cuda.is_available() else {"intra_threads": torch.get_num_threads()}
            self.generator = ctranslate2.Generator(f"{folder}/converted", **on)
            self.preparation = time.perf_counter() - start

    def __call__(self, prompts: list[list[int]], batch: int) -> list[list[int]]:
        """Decode greedily."""
        names = [[self.words.id_to_token(token) for token in prompt] for prompt in prompts]
        results = self.generator.generate_batch(
            names, max_batch_size=batch, max_length=NEW, beam_size=1, include_prompt_in_result=False, end_token=[END]
        )
        found = [row.sequences_ids[0][:NEW] for row in results]
        return [row + [END] * (NEW - len(row)) for row in found]


def other_engines(
    plain: GPT2LMHeadModel, prompts: list[list[int]], tokenizer: Path | None
) -> tuple[dict[str, Callable[[], list[list[int]]]], list[str]]:
    """What else decodes here, and what there is to say of it; an engine that fails is said to."""
    notes, ways = [], {}
    some = prompts[:2]
    candidates = {"static cache, 64 at a time": lambda of: with_static_cache(plain, of, 64)}
    candidates["continuous batching"] = lambda of: with_continuous_batching(plain, of)
    if tokenizer is not None and importlib.util.find_spec("ctranslate2"):
        engine = CTranslate2(plain, tokenizer)
        notes.append(f"CTranslate2: {engine.preparation:.1f} s of conversion and loading for every generation's model.")
        for batch in (32, 64, 128):
            candidates[f"CTranslate2, {batch} at a time"] = lambda of, batch=batch: engine(of, batch)
    for name, way in candidates.items():
        try:
            way(some)
        except Exception as error:
            notes.append(f"{name}: does not run here ({type(error).__name__}: {str(error).splitlines()[0][:160]}).")
        else:
            ways[name] = lambda way=way: way(prompts)
    return ways, notes


def product_rate(rows: int) -> float:
    """Measured floating-point operations a second of GPT-2's own products with so many rows, weighted by their cost."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    operations, took = 0, 0.0
    for inputs, outputs in ((768, 2304), (768, 768), (768, 3072), (3072, 768)):
        left, right = torch.randn(rows, inputs, device=device), torch.randn(inputs, outputs, device=device)
        repeats = max(1, round(1e10 / (2 * rows * inputs * outputs)))

        def multiply(left=left, right=right, repeats=repeats) -> None:
            for _ in range(repeats):
                left @ right

        multiply()
        took += min(seconds(multiply) for _ in range(3)) / repeats
        operations += 2 * rows * inputs * outputs
    return operations / took


def written_operations(prompts: int) -> float:
    """Operations of the products that writing takes; of the prompt, only the last place needs the head."""
    body, head = 12 * 12 * 768**2, 50257 * 768
    return 2.0 * prompts * (body * (BLOCK + NEW - 1) + head * NEW)


def trained_operations(examples: list[list[int]]) -> float:
    """Operations of the products of one epoch, forward and back, padding left out."""
    tokens = sum(len(example) - 1 for example in examples)
    return 6.0 * tokens * (12 * 12 * 768**2 + 50257 * 768)


def with_trainer(examples: list[list[int]]) -> list[float]:
    """One epoch with transformers' Trainer, every example padded to 512: the published recipe."""
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
    arguments = TrainingArguments(
        output_dir="unused", num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=5e-5,
        weight_decay=0.01, save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=new_gpt2(fused=False), args=arguments, train_dataset=rows)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def with_bare_loop(examples: list[list[int]]) -> list[float]:
    """One epoch of the shortest loop there is: batches padded to 512, cross-entropy of all logits, fused AdamW."""
    model = new_gpt2(fused=False).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    found = []
    for start in range(0, len(examples), BATCH):
        tokens = torch.full((BATCH, MOST), END, device=model.device)
        following = torch.full((BATCH, MOST), IGNORED, device=model.device)
        for row, example in enumerate(examples[start : start + BATCH]):
            tokens[row, : len(example)] = torch.tensor(example)
            following[row, : len(example) - 1] = torch.tensor(example[1:])
        logits = model(input_ids=tokens, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=IGNORED)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        found.append(float(loss.detach()))
    return found


def with_ours(examples: list[list[int]]) -> list[float]:
    """One epoch of our own training."""
    return [step.loss for step in learn(new_gpt2(fused=True), NextToken(examples, END, 1), RECIPE, seed=1)]


def spread(values: list[float], form: str = "{:.1f}") -> str:
    """Median and range."""
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def compare_writing(
    prompts: list[list[int]], sizes: Sizes, repeats: int, tokenizer: Path | None, engines: bool
) -> list[str]:
    """Rows of the table: prompts a second of each way to write."""
    model, plain = new_gpt2(fused=True).eval(), new_gpt2(fused=False).eval()
    few = prompts[: sizes.alone]
    ways = {
        "`generate`, one prompt at a time": lambda: generate(plain, few, 1),
        **{
            f"`generate`, {batch} at a time": lambda batch=batch: generate(plain, prompts, batch)
            for batch in (32, 64, 128, 256)
            if batch <= len(prompts)
        },
        **{f"ours, {batch} at a time": lambda batch=batch: ours(model, prompts, batch) for batch in (128, 256)},
    }
    notes = []
    if engines:
        more, notes = other_engines(plain, prompts, tokenizer)
        ways |= more
    alike = sum(a == b for a, b in zip(ours(model, few, 256), generate(plain, few, 1), strict=True))
    took: dict[str, list[float]] = {name: [] for name in ways}
    rate = []
    for _ in range(repeats):
        rate.append(product_rate(256))
        for name, way in ways.items():
            count = len(few) if "one prompt" in name else len(prompts)
            took[name].append(NEW * count / seconds(way))
            print(name, f"{took[name][-1]:.0f} tokens/s", flush=True)
    limit = NEW * statistics.median(rate) / written_operations(1)
    best = max(took, key=lambda name: statistics.median(took[name]))
    lines = ["| Writing, 64 tokens after 64 | Tokens a second | Best of ours, times this | Share of the limit |"]
    lines.append("|---|---|---|---|")
    for name, values in took.items():
        ratio = statistics.median([b / a for a, b in zip(values, took[best], strict=True)])
        lines.append(f"| {name} | {spread(values, '{:.0f}')} | {ratio:.2f} | {statistics.median(values) / limit:.0%} |")
    lines.append(f"| limit: products of 256 rows at {statistics.median(rate) / 1e9:.0f} GFLOP/s | {limit:.0f} | | |")
    return [*lines, "", f"{alike} of {len(few)} prompts continued alike, token for token.", *notes, ""]


def compare_training(examples: list[list[int]], repeats: int) -> list[str]:
    """Rows of the table: seconds of one epoch of each way to train."""
    ways = {"Trainer, padded to 512": with_trainer, "bare loop, padded to 512": with_bare_loop, "ours": with_ours}
    took: dict[str, list[float]] = {name: [] for name in ways}
    rate = []
    for _ in range(repeats):
        rate.append(product_rate(4096))
        for name, way in ways.items():
            took[name].append(seconds(lambda name=name, way=way: print(name, [round(x, 3) for x in way(examples)])))
            print(name, f"{took[name][-1]:.1f} s", flush=True)
    operations = trained_operations(examples)
    tokens = sum(map(len, examples))
    lines = [
        f"| Fine-tuning, one epoch of {len(examples)} articles, {tokens:,} tokens | Seconds | Times ours | "
        "Share of the limit |",
        "|---|---|---|---|",
    ]
    for name, values in took.items():
        ratio = statistics.median([a / b for a, b in zip(values, took["ours"], strict=True)])
        share = operations / statistics.median(rate) / statistics.median(values)
        lines.append(f"| {name} | {spread(values)} | {ratio:.2f} | {share:.0%} |")
    limit = operations / statistics.median(rate)
    lines.append(f"| limit: products of 4,096 rows at {statistics.median(rate) / 1e9:.0f} GFLOP/s | {limit:.1f} | | |")
    return [*lines, ""]


def main() -> None:
    """Run both comparisons and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--together", type=int, default=256, help="prompts of the batched sides")
    parser.add_argument("--alone", type=int, default=4, help="prompts of the side that takes one at a time")
    parser.add_argument("--epoch", type=int, default=16, help="articles of an epoch")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--engines", action="store_true", help="other engines too (CTranslate2 if it is installed)")
    parser.add_argument("--only", choices=["writing", "training"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = Sizes(arguments.together, arguments.alone, arguments.epoch)
    prompts, examples = read_articles(arguments.articles, arguments.tokenizer, sizes)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{arguments.threads} CPU threads"
    lines = [f"{where}, {platform.machine()}, PyTorch {torch.__version__}, transformers {transformers.__version__}", ""]
    if arguments.only != "training":
        lines += compare_writing(prompts, sizes, arguments.repeats, arguments.tokenizer, arguments.engines)
    if arguments.only != "writing":
        lines += compare_training(examples, arguments.repeats)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines)
    (arguments.out / "language_model.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
