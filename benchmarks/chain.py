"""Time a chain of three generations: ours, and a plain script that does the same with transformers alone.

    PYTHONPATH=src python benchmarks/chain.py --tokenizer FOLDER [--articles TABLE] [--number 4] [--repeats 1]

Both fine-tune GPT-2 124M, of random weights, on articles, let it write them anew, classify what it wrote with a
RoBERTa-base and score it with a DistilBERT, and fine-tune again on what it wrote, in alternation and in this process.
Both take the same examples in the same order without dropout, so that in float32 articles, labels and quality must
agree: the script says of how many they do. (On a GPU both train under bfloat16 autocast, whose rounding can part them.)
Without a table (Parquet with title and body) the embedded press writes the articles. The last lines project a full
study of 66 versions of 1,518 articles from the time of each step. Nothing else should run on the machine meanwhile.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import plain_chain as plain
import pyarrow as pa
import torch
from common import BATCH_TOKENS, BLOCK, MOST, NEW, new_parser, parse, read_rows, spread, times, write_report
from rehearsal import make_models

from bias_amplification import strategies
from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, QUALITY, predictions
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.language_model.finetune import finetune_generation
from bias_amplification.language_model.generate import generate_articles
from bias_amplification.language_model.training import NextToken
from bias_amplification.measures.corruption import CLASSES
from bias_amplification.measures.leaning import classify_articles
from bias_amplification.measures.quality import VALUES, score_quality

GENERATIONS, SEED = 3, 7
#: Without dropout, whose noise two programs cannot share; and weights five times the usual, without which a model of
#: random weights writes the same few tokens over and over, texts of no length for the next generation.
WRITER = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "initializer_range": 0.1}
LABELS = ("LABEL_0", "LABEL_1", "LABEL_2")
#: Fine-tunings of the paper's six rounds of eleven generations, in passes over a seed set: five epochs each, 25 of
#: overfitting, a tenth more of preservation, accumulation's growing set; generation 0 is shared.
PASSES = 5 * (1 + 10 + 11 + 5 * 11 + sum(range(2, 12)) + 1 + 10 + 11)
#: Versions that write and are measured: those trained, and the base model on two seed sets.
WRITTEN = 63 + 2
#: A study has every article classified by the selected classifier and by the second.
CLASSIFIERS = 2
STUDY_ARTICLES = 1518
STEPS = ("fine-tuning", "writing", "classifying", "quality")


class Chain:
    """What both sides start from, and where they put what they make.

    Parameters
    ----------
    folder
        To work in.
    articles
        Columns title and body.
    tokenizer
        Its folder.
    recipe
        Epochs, batch size, rates.
    tiny
        Real architectures of width 32.
    """

    def __init__(self, folder: Path, articles: Sequence[dict], tokenizer: Path, recipe: dict, tiny: bool) -> None:
        self.folder, self.recipe, self.tokenizer = folder, recipe, tokenizer
        make_models(folder, tokenizer, tiny, **WRITER)
        blank = {"event_id": None, "outlet": None, "date": None, "label": "none"}
        rows = [blank | row | {"article_id": f"a{place}"} for place, row in enumerate(articles)]
        self.articles = rows
        self.seed_set = folder / "seed.parquet"
        write_table(pa.Table.from_pylist(rows, ARTICLES), self.seed_set, ARTICLES)

    def ours(self, timed: Callable) -> list[tuple]:
        """Run the workflow's own functions; return texts, labels and quality of each generation."""
        model, out = self.folder / "gpt2", self.folder / "ours"
        sources = {strategies.SEED_SET: self.seed_set}
        found = []
        for generation in range(GENERATIONS):
            own = out / strategies.generation_origin(generation)
            articles = own / "articles.parquet"
            strategies.compose_training_set(
                self.seed_set, own / "training_set.parquet", strategy="synthetic", generation=generation,
                options={}, seed=SEED,
            )  # fmt: skip
            wanted = strategies.origins("synthetic", generation, strategies.Options())
            timed(
                "fine-tuning", finetune_generation, own / "training_set.parquet", {n: sources[n] for n in wanted},
                model, self.tokenizer, own, recipe=self.recipe, max_tokens=MOST, example="article", learn_end=False,
                seed=SEED + generation, device="auto", precision="auto",
            )  # fmt: skip
            model = own
            timed(
                "writing", generate_articles, model, self.tokenizer, self.seed_set, articles,
                generation={"block_tokens": BLOCK, "new_tokens": NEW, "batch_prompts": None},
                decoding={"method": "greedy"}, seed=SEED, device="auto",
            )  # fmt: skip
            timed(
                "classifying", classify_articles, articles, {self.folder / "roberta-base": own / "predictions.parquet"},
                labels=LABELS, text="text", max_tokens=MOST, batch_tokens=BATCH_TOKENS,
            )  # fmt: skip
            timed(
                "quality", score_quality, self.folder / "detector", articles, own / "quality.parquet",
                splitter="period", max_tokens=MOST, batch_tokens=BATCH_TOKENS,
            )  # fmt: skip
            sources[strategies.generation_origin(generation)] = articles
            texts = read_table(articles, GENERATED_ARTICLES)["text"].to_pylist()
            labels = read_table(own / "predictions.parquet", predictions(LABELS))["predicted"].to_pylist()
            found.append((texts, labels, read_table(own / "quality.parquet", QUALITY)["quality"].to_pylist()))
        return found

    def plain(self, timed: Callable) -> list[tuple]:
        """Run the plain script; the same is returned."""
        model, found = self.folder / "gpt2", []
        values = {name.replace("_", " "): value for name, value in zip(CLASSES, VALUES.tolist(), strict=True)}
        bodies = [row["body"] for row in self.articles]
        for generation in range(GENERATIONS):
            texts = [f"{row['title']}\n{body}".strip() for row, body in zip(self.articles, bodies, strict=True)]
            out = self.folder / "plain" / str(generation)
            orders = NextToken([[0]] * len(texts), 0, SEED + generation)
            order = [place for epoch in range(self.recipe["epochs"]) for place in orders.order(epoch)]
            timed("fine-tuning", plain.finetune, model, self.tokenizer, texts, order, out, self.recipe, MOST)
            model = out
            bodies = timed("writing", plain.write, model, self.tokenizer, self.articles, BLOCK, NEW)
            shares = timed("classifying", plain.classify, self.folder / "roberta-base", bodies, MOST)
            quality = timed("quality", plain.quality, self.folder / "detector", bodies, MOST, values)
            found.append((bodies, [max(row, key=row.get) for row in shares], quality))
        return found


def agreement(ours: Sequence[tuple], other: Sequence[tuple]) -> dict[str, int]:
    """Count the articles of all generations whose text, label and quality are those of the other side."""
    names = ("articles", "labels", "quality")
    return {
        name: sum(
            sum(np.array(a[part], dtype=object) == np.array(b[part], dtype=object))
            for a, b in zip(ours, other, strict=True)
        )
        for part, name in enumerate(names)
    }


def compare(chain: Chain, repeats: int) -> tuple[dict[str, dict[str, list[float]]], dict[str, int]]:
    """Run both sides in alternation; return seconds by side and step, and how often they agree."""
    took: dict[str, dict[str, list[float]]] = {side: defaultdict(list) for side in ("ours", "plain")}
    agreed: dict[str, int] = {}
    for _ in range(repeats):
        found = {}
        for side, run in (("ours", chain.ours), ("plain", chain.plain)):
            seconds: dict[str, float] = defaultdict(float)

            def timed(step: str, call: Callable, *args, seconds=seconds, **options):
                start = time.perf_counter()
                result = call(*args, **options)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                seconds[step] += time.perf_counter() - start
                return result

            found[side] = run(timed)
            for step in STEPS:
                took[side][step].append(seconds[step])
            took[side]["all"].append(sum(seconds.values()))
            print(side, {step: round(value, 1) for step, value in seconds.items()}, flush=True)
        agreed = agreement(found["ours"], found["plain"])
    return took, agreed


def report(took: dict, agreed: dict[str, int], articles: int, epochs: int) -> list[str]:
    """Make the comparison and the projection, in lines of Markdown."""
    lines = [
        f"{articles} articles, {GENERATIONS} generations, {epochs} epochs; seconds, median (range) of "
        f"{len(took['ours']['all'])} runs of each side in alternation.",
        "",
        "| Step | Plain script | Ours | Plain, times ours |",
        "|---|---|---|---|",
    ]
    for step in (*STEPS, "all"):
        ratio = times(took["plain"][step], took["ours"][step])
        lines.append(f"| {step} | {spread(took['plain'][step])} | {spread(took['ours'][step])} | {ratio:.1f} |")
    whole = GENERATIONS * articles
    lines += ["", f"The same of {whole}: " + ", ".join(f"{name} {count}" for name, count in agreed.items()) + ".", ""]
    each = {step: statistics.median(took["ours"][step]) / whole for step in STEPS}
    hours = {step: each[step] * WRITTEN * STUDY_ARTICLES / 3600 for step in STEPS}
    hours["fine-tuning"] = each["fine-tuning"] / epochs * PASSES * STUDY_ARTICLES / 3600
    hours["classifying"] *= CLASSIFIERS
    words = ", ".join(f"{step} {value:.2f}" for step, value in hours.items())
    return [
        *lines,
        f"In hours for 66 versions of {STUDY_ARTICLES:,} articles, one job at a time and at most, because what each "
        f"model costs once is multiplied with the articles: {words} (by two classifiers); "
        "perplexity, neurons and the classifiers' own training come on top.",
    ]


def write_articles(number: int) -> list[dict]:
    """Let the embedded press write so many articles."""
    press = write_press(number, seed=SEED, resources=Path(__file__).parents[1] / "resources" / "press")
    return press.slice(0, number).to_pylist()


def main() -> None:
    """Compare, and write chain.md."""
    parser = new_parser(__doc__, needs_tokenizer=True)
    parser.add_argument("--number", type=int, default=4, help="articles")
    parser.add_argument("--epochs", type=int, default=1)
    parser.set_defaults(repeats=1)
    parser.add_argument("--tiny", action="store_true")
    arguments = parse(parser)
    # Batches of Trainer would go on over the end of an epoch.
    batch = next(size for size in (8, 4, 2, 1) if arguments.number % size == 0)
    # So low that a model of random weights does not learn to write line ends alone, which are no text to learn from.
    recipe = {"epochs": arguments.epochs, "batch_size": batch, "learning_rate": 1e-6, "weight_decay": 0.01}
    with tempfile.TemporaryDirectory() as folder:
        number, table = arguments.number, arguments.articles
        articles = write_articles(number) if table is None else read_rows(table, number)
        chain = Chain(Path(folder), articles, arguments.tokenizer, recipe, arguments.tiny)
        table = report(*compare(chain, arguments.repeats), arguments.number, arguments.epochs)
    write_report("The whole chain", table, arguments.out, "chain")


if __name__ == "__main__":
    main()
