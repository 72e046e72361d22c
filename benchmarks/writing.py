"""Time decoding with GPT-2 124M: ours, transformers', other engines, and the limit of the machine's matrix products.

    PYTHONPATH=src python benchmarks/writing.py [--articles TABLE --tokenizer FOLDER] [--out FOLDER]

All sides run in this process, in alternation. The model has random weights, which take as long as trained ones. With a
table (Parquet, columns title and body) and a tokenizer, prompts are cut from its articles. Without them, prompts are
random tokens. Nothing else should run on the machine at the same time. The result is a Markdown table of medians and
ranges.
"""

import importlib.util
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from common import (
    BLOCK,
    BODY,
    DEVICE,
    END,
    NEW,
    OUTPUT_HEAD,
    in_turn,
    memory_rate,
    new_gpt2,
    new_parser,
    parse,
    product_rate,
    read_articles,
    read_from,
    seconds,
    spread,
    times,
    whole_blocks,
    write_report,
)
from transformers import ContinuousBatchingConfig, GenerationConfig, GPT2LMHeadModel

from bias_amplification.artifacts.atomic import one_line
from bias_amplification.language_model.fixed_decoding import greedy_decoder
from bias_amplification.language_model.load import load_tokenizer
from bias_amplification.language_model.prompt_batches import prompts_at_once
from bias_amplification.models.device import device_memory
from bias_amplification.models.packed import packed
from bias_amplification.study.sections import Decoding, Generation

#: Batch sizes that both sides are tried with.
BATCHES = (32, 64, 128, 256) if DEVICE == "cpu" else (256, 1024)
#: On a GPU, ways whose first run takes longer than so many seconds are not compared.
LONGEST_TRIAL = 30
ALONE = "`generate`, one prompt at a time"

Rows = list[list[int]]


def generate(model: GPT2LMHeadModel, prompts: Rows, batch: int, **options: str) -> Rows:
    """Decode greedily with transformers' `generate`."""
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


def ours(model: GPT2LMHeadModel, prompts: Rows, batch: int) -> Rows:
    """Decode greedily with the project's function."""
    found = []
    write = greedy_decoder(model, (batch, BLOCK, NEW), [END])
    with torch.inference_mode(), packed(model):
        for start in range(0, len(prompts), batch):
            tokens = torch.tensor(prompts[start : start + batch], device=model.device)
            found += write(tokens, torch.ones_like(tokens), [NEW] * len(tokens)).tolist()
    return found


def with_continuous_batching(model: GPT2LMHeadModel, prompts: Rows) -> Rows:
    """Decode greedily with transformers' continuous batching, which uses a paged cache."""
    config = GenerationConfig(max_new_tokens=NEW, do_sample=False, eos_token_id=END, pad_token_id=END)
    # By default the cache fills nearly all memory, which takes seconds. Each prompt needs one page of 256 tokens.
    cache = ContinuousBatchingConfig(num_blocks=len(prompts) + 1)
    found = list(model.generate_batch(prompts, config, cache).values())
    if faults := [row.error for row in found if row.error]:
        raise RuntimeError(faults[0])
    if len(found) != len(prompts):
        raise RuntimeError(f"{len(found)} of {len(prompts)} prompts came back")
    return [row.generated_tokens + [END] * (NEW - len(row.generated_tokens)) for row in found]


class CTranslate2:
    """CTranslate2: converts and loads a model, which is timed, and decodes with it.

    Parameters
    ----------
    model
        The model to save, convert and load.
    tokenizer
        Folder of its tokenizer, because CTranslate2 takes tokens by their names.
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
            on = {"device": "cuda"} if DEVICE == "cuda" else {"intra_threads": torch.get_num_threads()}
            self.generator = ctranslate2.Generator(f"{folder}/converted", **on)
            self.preparation = time.perf_counter() - start

    def __call__(self, prompts: Rows, batch: int) -> Rows:
        """Decode greedily with CTranslate2."""
        names = [[self.words.id_to_token(token) for token in prompt] for prompt in prompts]
        results = self.generator.generate_batch(
            names, max_batch_size=batch, max_length=NEW, beam_size=1, include_prompt_in_result=False, end_token=[END]
        )
        found = [row.sequences_ids[0][:NEW] for row in results]
        return [row + [END] * (NEW - len(row)) for row in found]


def other_engines(
    plain: GPT2LMHeadModel, prompts: Rows, tokenizer: Path | None, sizes: Sequence[int]
) -> tuple[dict[str, Callable[[Rows], Rows]], list[str]]:
    """Return the other ways to decode that work on this machine, and notes on those that do not."""
    notes: list[str] = []
    candidates: dict[str, Callable[[Rows], Rows]] = {
        f"`generate` with a static cache, {batch} at a time": lambda of, batch=batch: generate(
            plain, of, batch, cache_implementation="static"
        )
        for batch in sizes[1:2] or sizes
    }
    candidates["`generate_batch` (continuous batching)"] = lambda of: with_continuous_batching(plain, of)
    if tokenizer is None or not importlib.util.find_spec("ctranslate2"):
        missing = "no tokenizer was given" if tokenizer is None else "it is not installed"
        notes.append(f"CTranslate2: not compared, {missing}.")
    else:
        try:
            engine = CTranslate2(plain, tokenizer)
        except Exception as error:
            notes.append(f"CTranslate2: cannot load the model here ({_describe_error(error)}).")
        else:
            notes.append(f"CTranslate2: converting and loading a model takes {engine.preparation:.1f} s.")
            candidates |= {
                f"CTranslate2, {batch} at a time": lambda of, batch=batch: engine(of, batch) for batch in sizes
            }
    ways: dict[str, Callable[[Rows], Rows]] = {}
    # On a GPU functions are compiled for the shapes that they meet, so the trial needs all prompts.
    trial = prompts if DEVICE == "cuda" else prompts[:2]
    for name, way in candidates.items():
        try:
            took = seconds(lambda way=way: way(trial))
        except Exception as error:
            notes.append(f"{name}: does not run here ({_describe_error(error)}).")
            continue
        if DEVICE == "cuda" and took > LONGEST_TRIAL:
            notes.append(f"{name}: not compared, because a first run took {took:.0f} s.")
        else:
            ways[name] = way
    return ways, notes


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"


def operations(prompts: int) -> float:
    """Return the operations of the matrix products. Only the last token of a prompt passes the output head."""
    return 2.0 * prompts * (BODY * (BLOCK + NEW - 1) + OUTPUT_HEAD * NEW)


def bytes_read(prompts: int, batch: int) -> float:
    """Return the bytes that decoding must read: in each step the weights, and the keys and values of each row."""
    kept = 2 * 12 * 768 * sum(BLOCK + step for step in range(NEW))
    return 4.0 * (-(-prompts // batch) * NEW * (BODY + OUTPUT_HEAD) + prompts * kept)


def compare(prompts: Rows, alone: int, repeats: int, tokenizer: Path | None, read: str) -> list[str]:
    """Return the report: tokens per second for each way to decode."""
    model, plain = new_gpt2(fused=True).eval(), new_gpt2(fused=False).eval()
    single = prompts[:alone]
    sizes = [size for size in BATCHES if size <= len(prompts)]
    if not sizes:
        raise SystemExit(f"{len(prompts)} whole blocks are too few: give articles with at least {BATCHES[0]}.")
    settings = Generation(block_tokens=BLOCK, new_tokens=NEW)
    usual = prompts_at_once(model.config, settings, Decoding(), device_memory(model.device))
    sizes = sorted({*sizes, *([usual] if usual <= len(prompts) else [])})
    own = sorted({*sizes[-2:], *([usual] if usual in sizes else [])})
    ways = {ALONE: lambda of: generate(plain, of[: len(single)], 1)}
    ways |= {f"`generate`, {size} at a time": lambda of, size=size: generate(plain, of, size) for size in sizes}
    engines, notes = other_engines(plain, prompts, tokenizer, sizes)
    ways |= engines
    mine = {f"ours, {size} at a time": lambda of, size=size: ours(model, of, size) for size in own}
    took, found = in_turn(ways | mine, prompts, repeats)
    rate, reading = product_rate(256), memory_rate()
    counts = {name: len(single) if name == ALONE else len(prompts) for name in took}
    speed = {name: [NEW * counts[name] / value for value in values] for name, values in took.items()}
    best = max(mine, key=lambda name: statistics.median(speed[name]))
    limit = NEW * rate / operations(1)
    lines = [
        f"{len(prompts)} prompts of {BLOCK} tokens from {read} ({len(single)} where one is decoded at a time), {NEW} "
        "new tokens each, greedy decoding, float32.",
        "",
        f"| | Tokens per second | Times slower than {best} | Share of the limit | Same rows as `generate` alone |",
        "|---|---|---|---|---|",
    ]
    for name, values in speed.items():
        share = statistics.median(values) / limit
        alike = sum(a == b for a, b in zip(found[name], found[ALONE], strict=False))
        lines.append(
            f"| {name} | {spread(values, '{:.0f}')} | {times(speed[best], values):.2f} | {share:.0%} "
            f"| {alike} of {len(single)} |"
        )
    widest = max(own)
    bound = NEW * len(prompts) * reading / bytes_read(len(prompts), widest)
    return [
        *lines,
        "",
        f"Limit: {limit:.0f} tokens per second, from products of 256 rows at {rate / 1e9:.0f} GFLOP/s and "
        f"{operations(1) / 1e9:.1f} GFLOP per prompt. Reading weights, keys and values at {reading / 1e9:.1f} GB/s "
        f"would allow {bound:,.0f} tokens per second with {widest} prompts at a time.",
        *notes,
    ]


def main() -> None:
    """Compare, and write writing.md."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "--together", type=int, default=128 if DEVICE == "cpu" else 1024, help="prompts for most ways to decode"
    )
    parser.add_argument("--alone", type=int, default=4, help="prompts that are decoded one at a time")
    arguments = parse(parser)
    titles, bodies = read_articles(arguments.articles, arguments.tokenizer, arguments.together)
    prompts = whole_blocks(titles, bodies, arguments.together)
    read = read_from(arguments, "random tokens")
    table = compare(prompts, arguments.alone, arguments.repeats, arguments.tokenizer, read)
    write_report("Writing", table, arguments.out, "writing")


if __name__ == "__main__":
    main()
