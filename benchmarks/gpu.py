"""What a GPU can do and what this project reaches on it, in at most eight minutes.

    PYTHONPATH=src python benchmarks/gpu.py [--parts products,training,...] [--out FOLDER]

Each part takes less than 90 seconds and prints its rows as it goes: the rates of products; a training step, by this
project's options and by others; writing, by precision and by the number of prompts at once; classifying and perplexity;
the start of a job; and the projected time of the paper's study. Models have random weights and the shapes of GPT-2
124M, of SmolLM2-135M (30 thin layers) and of RoBERTa-base. `--tiny` runs everything with small
models on any machine, to see that it works. Nothing else should run on the GPU. The result is a Markdown file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common import BFLOAT16, DEVICE, END, here, product_rate, seconds
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from bias_amplification.language_model.decoding import decode_greedily
from bias_amplification.language_model.fixed_decoding import FixedDecoder
from bias_amplification.language_model.load import fuse_activations, to_bfloat16
from bias_amplification.language_model.perplexity import perplexities
from bias_amplification.language_model.training import NextToken
from bias_amplification.models import learning
from bias_amplification.models.device import autocast, products_in, tf32_products
from bias_amplification.models.graphs import CudaGraphs
from bias_amplification.study.sections import Compute, Finetuning

#: Articles of a round, prompts of such a round (titles and blocks of real articles), versions of the paper's study, and
#: its training in units of a plain generation, with accumulation's growing sets and overfitting's 25 epochs.
ARTICLES, PROMPTS, VERSIONS, TRAININGS = 1518, 27_000, 66, 167


@dataclass(frozen=True)
class Sizes:
    """Sizes of everything; those of `--tiny` in brackets."""

    rows: int = 8
    """Examples of a step (2)."""
    tokens: int = 512
    """Tokens of an example (32)."""
    steps: int = 40
    """Timed steps (3)."""
    before: int = 20
    """Steps before them, in which graphs are captured (2)."""
    batches: tuple[int, ...] = (1024, 4096, 8192)
    """Prompts at once (4, 8)."""
    texts: int = 360
    """Texts that are measured (6)."""
    layers: int | None = None
    """Layers of all models; None: their own (1)."""


TINY = Sizes(2, 32, 3, 2, (4, 8), 6, 1)


def report(*cells: object) -> str:
    """Print a row of a table as soon as it is known, and return it."""
    line = "| " + " | ".join(str(cell) for cell in cells) + " |"
    print(line, flush=True)
    return line


def new_model(shape: str, sizes: Sizes) -> PreTrainedModel:
    """Return GPT-2 124M ("gpt2"), SmolLM2-135M ("thin") or RoBERTa-base ("roberta") with random weights."""
    torch.manual_seed(0)
    if shape == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(n_layer=sizes.layers or 12))
        fuse_activations(model)
    elif shape == "thin":
        config = LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=sizes.layers or 30,
            num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
    else:
        config = RobertaConfig(num_labels=3, max_position_embeddings=514, num_hidden_layers=sizes.layers or 12)
        model = RobertaForSequenceClassification(config)
    return model.to(DEVICE)


def products(sizes: Sizes) -> Iterator[str]:
    """Yield the rates of products of 8,192 rows, and of the output head with and without padding."""
    yield report("Products", "TFLOP/s")
    yield report("---", "---")
    for name in ("float32", "tf32", "bfloat16"):
        dtype = torch.bfloat16 if name == "bfloat16" else torch.float32
        with tf32_products(name):
            yield report(f"{name}, GPT-2's sizes", f"{product_rate(sizes.rows * 1024, dtype) / 1e12:.2f}")
    hidden = torch.randn(sizes.rows * sizes.tokens, 768, device=DEVICE, dtype=torch.bfloat16)
    for vocabulary in (50257, 50304):
        weight = torch.randn(vocabulary, 768, device=DEVICE, dtype=torch.bfloat16)
        took = best(lambda weight=weight: hidden @ weight.T, sizes.steps)
        yield report(
            f"bfloat16, output head of {vocabulary:,} tokens", f"{2 * hidden.numel() * vocabulary / took / 1e12:.2f}"
        )


def best(call: Callable[[], object], times: int) -> float:
    """Return the seconds of one of several calls, the fastest of three times."""
    seconds(call)
    return min(seconds(lambda: [call() for _ in range(times)]) for _ in range(3)) / times


def examples(number: int, tokens: int) -> list[list[int]]:
    """Return random examples of one length."""
    return np.random.default_rng(0).integers(0, 49_000, (number, tokens)).tolist()


def step_time(shape: str, sizes: Sizes, compute: Compute) -> float:
    """Return the seconds of a training step of this project's loop."""
    model, recipe = new_model(shape, sizes), Finetuning(epochs=1, batch_size=sizes.rows)
    number = sizes.rows * (sizes.before + sizes.steps)
    start = 0.0
    objective = NextToken(examples(number, sizes.tokens), END, 1, sizes.rows)
    precision = learning.choose_precision(compute.precision, DEVICE)
    training = learning._Training(model, objective, recipe, precision, None, None)
    model.train()
    # So many steps are announced that graphs are worth their capture.
    take = learning._step_function(training, 100_000, compute)
    with tf32_products(training.precision):
        for step, batch in enumerate(learning._batches(training, recipe, 0, sizes.before + sizes.steps)):
            if step == sizes.before:
                if DEVICE == "cuda":
                    torch.cuda.synchronize()
                start = time.perf_counter()
            torch.manual_seed(step)
            training.set_rate(1e-5)
            take(batch)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / sizes.steps


def bare_step_time(shape: str, sizes: Sizes, *, compiled: bool = False) -> float:
    """Return the seconds of a step of a minimal loop with transformers' own loss, under bfloat16 autocast."""
    model = new_model(shape, sizes).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)
    tokens = torch.tensor(examples(sizes.rows, sizes.tokens), device=DEVICE)
    if compiled:
        model.compile()

    def step() -> None:
        with autocast("bfloat16" if BFLOAT16 else "float32", DEVICE):
            loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return best(step, sizes.steps)


def training(sizes: Sizes) -> Iterator[str]:
    """Yield the times of a training step."""
    yield report(
        f"A step of {sizes.rows} x {sizes.tokens} tokens", "ms", "tokens a second", "share of the products' rate"
    )
    yield report("---", "---", "---", "---")
    rate = product_rate(sizes.rows * 1024, torch.bfloat16 if BFLOAT16 else torch.float32)
    for shape in ("gpt2", "thin"):
        model = new_model(shape, sizes)
        operations = (
            6 * sizes.rows * sizes.tokens * sum(p.numel() for n, p in model.named_parameters() if "wpe" not in n)
        )
        del model
        ways: dict[str, Compute | None] = {
            "bare loop": None,
            "ours, steps as they are": Compute(cuda_graphs=False),
            "ours, CUDA graphs": Compute(),
            "ours, TF32, CUDA graphs": Compute(precision="tf32"),
        }
        if shape == "gpt2" and not sizes.layers:
            ways["ours, compiled, CUDA graphs"] = Compute(compile=True)
        for name, compute in ways.items():
            took = step_time(shape, sizes, compute) if compute else bare_step_time(shape, sizes)
            speed = sizes.rows * sizes.tokens / took
            yield report(f"{shape}: {name}", f"{took * 1000:.1f}", f"{speed:,.0f}", f"{operations / took / rate:.0%}")


def speed_of_writing(model: PreTrainedModel, batch: int, length: int, way: str, precision: str) -> float:
    """Return the new tokens a second of a batch of prompts that are continued by as many tokens as they have."""
    tokens = torch.tensor(examples(batch, length), device=DEVICE)
    mask = torch.ones_like(tokens)
    fixed = FixedDecoder(model, batch, length, length, [END], CudaGraphs() if DEVICE == "cuda" else None)

    def write() -> None:
        with torch.inference_mode():
            if way == "generate":
                model.generate(tokens, attention_mask=mask, max_new_tokens=length, do_sample=False, pad_token_id=END)
            elif way == "graphs":
                fixed(tokens, mask)
            else:
                decode_greedily(model, tokens, mask, limits=[length] * batch, ends=[END])

    with tf32_products(precision):
        write()
        return batch * length / seconds(write)


def in_weights(model: PreTrainedModel, precision: str) -> PreTrainedModel:
    """Return a model as it writes in a precision: in bfloat16, its weights have it."""
    return to_bfloat16(model.eval()) if precision == "bfloat16" else model.eval()


def writing(sizes: Sizes) -> Iterator[str]:
    """Yield the speeds of writing."""
    yield report("Writing", "prompts at once", "new tokens a second")
    yield report("---", "---", "---")
    length = min(64, sizes.tokens)
    for shape in ("gpt2", "thin"):
        for precision in ("float32", "tf32", "bfloat16"):
            model = in_weights(new_model(shape, sizes), precision)
            for batch in sizes.batches:
                ways = ["graphs"] + ["steps as they are", "generate"] * (batch == sizes.batches[0])
                for way in ways:
                    try:
                        speed = f"{speed_of_writing(model, batch, length, way, precision):,.0f}"
                    except torch.OutOfMemoryError:
                        speed = "out of memory"
                    yield report(f"{shape}: {precision}, {way}", batch, speed)


def measuring(sizes: Sizes) -> Iterator[str]:
    """Yield the times of classifying and of perplexity."""
    yield report(f"{sizes.texts} texts of {sizes.tokens - 2} tokens", "seconds", "tokens a second")
    yield report("---", "---", "---")
    texts = examples(sizes.texts, sizes.tokens - 2)
    count = sum(map(len, texts))
    encoder, model = new_model("roberta", sizes).eval(), new_model("gpt2", sizes).eval()

    def classify() -> None:
        with torch.inference_mode():
            for start in range(0, len(texts), 32):
                encoder(input_ids=torch.tensor(texts[start : start + 32], device=DEVICE)).logits.cpu()

    def score() -> None:
        perplexities(model, texts, batch_tokens=16384, padding=END)

    for precision in ("float32", "tf32", "bfloat16"):
        for name, call in (("classifying, RoBERTa-base", classify), ("perplexity, GPT-2 124M", score)):
            with products_in(precision, DEVICE):
                call()
                took = seconds(call)
            yield report(f"{name}, {precision}", f"{took:.2f}", f"{count / took:,.0f}")


_START = """
import json, sys, time
start = time.perf_counter()
import torch
from bias_amplification.language_model.load import read_model
imported = time.perf_counter()
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.zeros(1, device=device).item()
context = time.perf_counter()
model = read_model(sys.argv[1], local_files_only=True)
loaded = time.perf_counter()
model.to(device)
print(json.dumps([imported - start, context - imported, loaded - context, time.perf_counter() - loaded]))
"""


def start(sizes: Sizes) -> Iterator[str]:
    """Yield where the start of a job goes."""
    yield report("Start of a job", "seconds")
    yield report("---", "---")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryDirectory() as folder:
        new_model("gpt2", sizes).save_pretrained(folder)
        for _ in range(2):  # the first one reads libraries from the disk
            done = subprocess.run(
                [sys.executable, "-c", _START, folder], capture_output=True, text=True, check=True, env=environment
            )
    for name, took in zip(
        ("imports (a local job's process has them loaded)", "context", "reading a model", "moving it"),
        json.loads(done.stdout.splitlines()[-1]), strict=True,
    ):  # fmt: skip
        yield report(name, f"{took:.2f}")


def projection(sizes: Sizes) -> Iterator[str]:
    """Yield the time of the paper's study: one measured generation, times its versions."""
    yield report("One after another, GPT-2 124M", "seconds a version", "the paper, minutes", "five replicates, hours")
    yield report("---", "---", "---", "---")
    trained = step_time("gpt2", sizes, Compute(precision="auto")) * 5 * ARTICLES / sizes.rows
    total = trained * TRAININGS
    yield report("training", f"{trained:.1f}", f"{total / 60:.0f}", f"{5 * total / 3600:.1f}")
    length, batch = min(64, sizes.tokens), sizes.batches[-2]
    sums = {"training": total}
    for precision in ("float32", "tf32", "bfloat16"):
        model = in_weights(new_model("gpt2", sizes), precision)
        took = PROMPTS * length / speed_of_writing(model, batch, length, "graphs", precision)
        sums[precision] = took * VERSIONS
        cells = f"{sums[precision] / 60:.0f}", f"{5 * sums[precision] / 3600:.1f}"
        yield report(f"writing, {precision}", f"{took:.1f}", *cells)
    for precision in ("float32", "tf32"):
        whole = sums["training"] + sums[precision]
        yield report(f"both, written in {precision}", "", f"{whole / 60:.0f}", f"{5 * whole / 3600:.1f}")


PARTS = {
    "products": products, "training": training, "writing": writing, "measuring": measuring, "start": start,
    "projection": projection,
}  # fmt: skip


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Say how long a part took."""
    begin = time.perf_counter()
    yield
    print(f"({name}: {time.perf_counter() - begin:.0f} s)\n", flush=True)


def main() -> None:
    """Measure, and write gpu.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    lines = [here(), ""]
    for name in arguments.parts:
        with timed(name):
            lines += [*PARTS[name](TINY if arguments.tiny else Sizes()), ""]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.md").write_text("\n".join(["# One GPU", "", *lines]), encoding="utf-8")


if __name__ == "__main__":
    main()
