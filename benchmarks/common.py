"""Shared parts of the benchmarks: arguments, timing, tables, the machine's limits, and GPT-2 124M with its inputs."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Set before PyTorch counts the GPUs: transformers' Trainer would use all of them, the other sides only one.
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]

import numpy as np
import pyarrow.parquet as pq
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

from bias_amplification.language_model.load import fuse_activations, load_tokenizer
from bias_amplification.language_model.texts import article_prompts, encode
from bias_amplification.models.packed import packed_product

#: Tokens of a block, new tokens after each prompt, most tokens of a training example or a text, and GPT-2's end token.
BLOCK, NEW, MOST, END = 64, 64, 512, 50256
#: Parameters of GPT-2 124M in the matrices of its blocks, and in its output head.
BODY, OUTPUT_HEAD = 12 * 12 * 768**2, 50257 * 768
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Tokens measured at once: the default of the config's compute.batch_tokens.
BATCH_TOKENS = 16384
#: Whether all sides train under bfloat16 autocast, as the workflow does on a GPU that supports it natively.
BFLOAT16 = DEVICE == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def positive(text: str) -> int:
    """Return a whole number of at least 1 from an argument's text."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("give at least 1")
    return number


def new_parser(description: str, *, needs_tokenizer: bool = False) -> argparse.ArgumentParser:
    """Return a parser of the arguments that all benchmarks of models have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--articles", type=Path, help="Parquet with the columns title and body")
    parser.add_argument("--tokenizer", type=Path, required=needs_tokenizer, help="folder with GPT-2's tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the arguments, and set the number of threads."""
    arguments = parser.parse_args()
    if arguments.articles and not arguments.tokenizer:
        parser.error("--articles needs --tokenizer, a folder with GPT-2's tokenizer.json")
    torch.set_num_threads(arguments.threads)
    return arguments


def here() -> str:
    """Describe the machine and the libraries in one line."""
    machine = torch.cuda.get_device_name() if DEVICE == "cuda" else f"{torch.get_num_threads()} CPU threads"
    return f"{machine}, {platform.machine()}, PyTorch {torch.__version__}, transformers {transformers.__version__}"


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds of one call, including its work on the GPU."""
    start = time.perf_counter()
    call()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def spread(values: Sequence[float], form: str = "{:.1f}") -> str:
    """Return median and range as text."""
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def times(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median ratio of the seconds of two sides that were run in alternation."""
    return statistics.median([a / b for a, b in zip(one, other, strict=True)])


def read_from(arguments: argparse.Namespace, otherwise: str) -> str:
    """Describe the articles that a benchmark reads, or their substitute."""
    return f"articles of {arguments.articles.name}" if arguments.articles else otherwise


def in_turn(
    ways: dict[str, Callable[[list], object]], given: list, repeats: int
) -> tuple[dict[str, list[float]], dict[str, object]]:
    """Time several ways to do the same, in alternation.

    Before that, each way is called once without timing, with two of the given items on a CPU and with all on a GPU,
    where functions are compiled for the shapes that they meet.

    Parameters
    ----------
    ways
        Functions of a list of items, by name.
    given
        The items.
    repeats
        Number of timed calls of each way.

    Returns
    -------
    took : dict
        Seconds of each call, by name.
    found : dict
        Result of the last call, by name.
    """
    for way in ways.values():
        way(given if DEVICE == "cuda" else given[:2])
    took: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, object] = {}
    for _ in range(repeats):
        for name, way in ways.items():

            def call(name: str = name, way: Callable[[list], object] = way) -> None:
                found[name] = way(given)

            took[name].append(seconds(call))
            print(f"{name}: {took[name][-1]:.1f} s", flush=True)
    return took, found


def write_report(title: str, table: Sequence[str], out: Path, name: str) -> None:
    """Print a table below a line about the machine, and write both to a Markdown file."""
    text = "\n".join([f"# {title}", "", here(), "", *table, ""])
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, flush=True)


def new_gpt2(*, fused: bool) -> GPT2LMHeadModel:
    """Return GPT-2 124M with random weights from a fixed seed.

    With `fused`, it has the faster activation that the workflow uses; otherwise GPT-2's own.
    """
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    if fused:
        fuse_activations(model)
    return model.to(DEVICE)


def read_rows(table: Path, number: int) -> list[dict[str, str]]:
    """Return title and body of randomly drawn articles of a table; a missing title or body is empty."""
    rows = pq.read_table(table, columns=["title", "body"]).to_pylist()
    if len(rows) < number:
        raise SystemExit(f"{table} has {len(rows)} articles where {number} are wanted: ask for fewer, or give another.")
    drawn = np.random.default_rng(0).permutation(len(rows))[:number]
    return [{name: text or "" for name, text in rows[place].items()} for place in drawn]


def read_articles(table: Path | None, tokenizer: Path | None, number: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the tokens of titles and bodies: of a table's articles, or random ones with lengths of news articles."""
    generator = np.random.default_rng(0)
    if table is None or tokenizer is None:
        lengths = generator.lognormal(np.log(1050), 0.6, number).astype(int).clip(40)
        return (
            [generator.integers(0, END, 14).tolist() for _ in lengths],
            [generator.integers(0, END, length).tolist() for length in lengths],
        )
    rows, words = read_rows(table, number), load_tokenizer(tokenizer)
    return tuple(encode(words, [row[name] for row in rows]) for name in ("title", "body"))


def whole_blocks(titles: list[list[int]], bodies: list[list[int]], number: int) -> list[list[int]]:
    """Return at most `number` prompts that are whole blocks."""
    prompts = [p for title, body in zip(titles, bodies, strict=True) for p in article_prompts(title, body, BLOCK)]
    return [prompt for prompt in prompts if len(prompt) == BLOCK][:number]


def product_rate(rows: int, dtype: torch.dtype = torch.float32) -> float:
    """Measure the floating-point operations per second of GPT-2's matrix products with a number of rows.

    Each product is computed in the fastest available way: by PyTorch, or on a CPU by oneDNN from packed weights.
    """
    operations, took = 0, 0.0
    for inputs, outputs in ((768, 2304), (768, 768), (768, 3072), (3072, 768)):
        left = torch.randn(rows, inputs, device=DEVICE, dtype=dtype)
        right = torch.randn(inputs, outputs, device=DEVICE, dtype=dtype)
        ways = [lambda rows, right=right: rows @ right, packed_product(right.T)]
        # So many products that the time to launch them is negligible on a GPU.
        repeats = max(1, round((1e13 if DEVICE == "cuda" else 1e10) / (2 * rows * inputs * outputs)))

        def multiply(way: Callable[[torch.Tensor], object], left: torch.Tensor = left, repeats: int = repeats) -> None:
            for _ in range(repeats):
                way(left)

        for way in (available := [way for way in ways if way]):
            multiply(way)
        took += min(seconds(lambda way=way: multiply(way)) for way in available for _ in range(3)) / repeats
        operations += 2 * rows * inputs * outputs
    return operations / took


def memory_rate() -> float:
    """Measure the bytes read per second, by summing half a gigabyte, which is more than any cache holds."""
    numbers = torch.ones(2**27, device=DEVICE)
    numbers.sum()
    passes = 100 if DEVICE == "cuda" else 1
    return 4 * len(numbers) * passes / min(seconds(lambda: [numbers.sum() for _ in range(passes)]) for _ in range(5))
