"""Time a chain of three generations: the project's, and a plain script with transformers alone.

    PYTHONPATH=src python benchmarks/chain.py --tokenizer FOLDER [--articles TABLE] [--number 4] [--repeats 1]

In each generation, both fine-tune GPT-2 124M (with random weights at first) on articles, write one article per article
with it, classify these with a RoBERTa-base and score their quality with a DistilBERT. The next generation is trained on
them. Both sides run in this process, in alternation. They have the same examples in the same order and no dropout, so
in float32 their articles, labels and qualities must agree; the report says how many do. On a GPU both train under
bfloat16 autocast, and its rounding can make them differ. Without a table (Parquet with title and body), the embedded
press writes the articles. The last lines of the report estimate the time of a full study of 66 versions of 1,518
articles. Nothing else should run on the machine at the same time.
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

from bias_amplification import RESOURCES
from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES, QUALITY, predictions
from bias_amplification.corpus.press.edition import write_press
from bias_amplification.language_model.finetune import InitialModel, finetune_generation
from bias_amplification.language_model.generate import generate_articles
from bias_amplification.language_model.training import NextToken
from bias_amplification.measures.corruption import CLASSES
from bias_amplification.measures.leaning import classify_articles
from bias_amplification.measures.quality import VALUES, score_quality
from bias_amplification.models.folders import ModelFolders
from bias_amplification.study import strategies, training_sets
from bias_amplification.study.sections import (
    Classifier,
    Decoding,
    Degeneration,
    DetectorTraining,
    Finetuning,
    Generation,
    JobCompute,
    Quality,
    Strategies,
)

GENERATIONS, SEED = 3, 7
#: No dropout, because two programs cannot share its noise. Weights are five times as large as usual: with smaller
#: random weights a model repeats a few tokens, and the next generation has hardly any text to learn from.
WRITER = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "initializer_range": 0.1}
LABELS = ("LABEL_0", "LABEL_1", "LABEL_2")
#: Passes over a seed set in the paper's six rounds of eleven generations, of which rounds share generation 0. All have
#: five epochs, except overfitting with 25. Preservation's sets are a tenth larger, and accumulation's grow.
PASSES = 5 * (1 + 10 + 11 + 5 * 11 + sum(range(2, 12)) + 1 + 10 + 11)
#: Versions that write articles: all that are trained, and the base model on two seed sets.
WRITTEN = 63 + 2
#: Classifiers that read every article: the selected one and the second.
CLASSIFIERS = 2
STUDY_ARTICLES = 1518
STEPS = ("fine-tuning", "writing", "classifying", "quality")


class Chain:
    """The common inputs of both sides, and each side's chain.

    Parameters
    ----------
    folder
        Folder for models and results.
    articles
        Rows with title and body.
    tokenizer
        Folder of the tokenizer.
    recipe
        Fields of the config's `finetuning`: epochs, batch size, learning rate and weight decay.
    tiny
        Whether the models have one layer of width 32.
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
        """Run the project's functions, and return texts, labels and qualities of each generation."""
        model, out = self.folder / "gpt2", self.folder / "ours"
        sources, found = {strategies.SEED_SET: self.seed_set}, []
        finetuning = Finetuning(**self.recipe, max_tokens=MOST)
        writing = Generation(prompt="blocks", block_tokens=BLOCK, new_tokens=NEW)
        classifier = Classifier(max_tokens=MOST)
        quality = Quality(splitter="period", training=DetectorTraining(max_tokens=MOST))
        compute = JobCompute(batch_tokens=BATCH_TOKENS)
        for generation in range(GENERATIONS):
            own = out / strategies.generation_origin(generation)
            articles = own / "articles.parquet"
            training_set = own / "training_set.parquet"
            training_sets.compose_training_set(self.seed_set, training_set, "synthetic", generation, Strategies(), SEED)
            origins = training_sets.origins("synthetic", generation, Strategies())
            timed(
                "fine-tuning", finetune_generation, training_set, {name: sources[name] for name in origins},
                InitialModel(model, self.tokenizer), own, finetuning, SEED + generation, compute,
            )  # fmt: skip
            model = own
            timed(
                "writing", generate_articles, ModelFolders(model, self.tokenizer), self.seed_set, articles,
                writing, Decoding(), SEED, compute,
            )  # fmt: skip
            timed(
                "classifying", classify_articles, articles, {self.folder / "roberta-base": own / "predictions.parquet"},
                classifier, Degeneration(labels="all"), LABELS, "en", compute,
            )  # fmt: skip
            timed(
                "quality", score_quality, self.folder / "detector", articles, own / "quality.parquet", quality, "en",
                compute,
            )  # fmt: skip
            sources[strategies.generation_origin(generation)] = articles
            texts = read_table(articles, GENERATED_ARTICLES)["text"].to_pylist()
            labels = read_table(own / "predictions.parquet", predictions(LABELS))["predicted"].to_pylist()
            found.append((texts, labels, read_table(own / "quality.parquet", QUALITY)["quality"].to_pylist()))
        return found

    def plain(self, timed: Callable) -> list[tuple]:
        """Run the plain script, and return the same."""
        model, found = self.folder / "gpt2", []
        values = {name.replace("_", " "): VALUES[name] for name in CLASSES}
        bodies = [row["body"] for row in self.articles]
        for generation in range(GENERATIONS):
            texts = [f"{row['title']}\n{body}".strip() for row, body in zip(self.articles, bodies, strict=True)]
            out = self.folder / "plain" / str(generation)
            orders = NextToken([[0]] * len(texts), 0, SEED + generation, self.recipe["batch_size"])
            order = [place for epoch in range(self.recipe["epochs"]) for place in orders.order(epoch)]
            timed("fine-tuning", plain.finetune, model, self.tokenizer, texts, order, out, self.recipe, MOST)
            model = out
            bodies = timed("writing", plain.write, model, self.tokenizer, self.articles, BLOCK, NEW)
            shares = timed("classifying", plain.classify, self.folder / "roberta-base", bodies, MOST)
            quality = timed("quality", plain.quality, self.folder / "detector", bodies, MOST, values)
            found.append((bodies, [max(row, key=row.get) for row in shares], quality))
        return found


def agreement(ours: Sequence[tuple], other: Sequence[tuple]) -> dict[str, int]:
    """Count the articles of all generations whose text, label and quality are the same on both sides."""
    names = ("articles", "labels", "quality")
    return {
        name: sum(
            sum(np.array(a[part], dtype=object) == np.array(b[part], dtype=object))
            for a, b in zip(ours, other, strict=True)
        )
        for part, name in enumerate(names)
    }


def compare(chain: Chain, repeats: int) -> tuple[dict[str, dict[str, list[float]]], dict[str, int]]:
    """Run both sides in alternation, and return the seconds by side and step, and the counts of agreeing articles."""
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
    """Return the comparison and the estimate for a full study as lines of Markdown."""
    lines = [
        f"{articles} articles, {GENERATIONS} generations, {epochs} epochs. Seconds: median (range) of "
        f"{len(took['ours']['all'])} runs of each side.",
        "",
        "| Step | Plain script | Ours | Plain, relative to ours |",
        "|---|---|---|---|",
    ]
    for step in (*STEPS, "all"):
        ratio = times(took["plain"][step], took["ours"][step])
        lines.append(f"| {step} | {spread(took['plain'][step])} | {spread(took['ours'][step])} | {ratio:.1f} |")
    whole = GENERATIONS * articles
    counts = ", ".join(f"{name} {count}" for name, count in agreed.items())
    lines += ["", f"Agreement among {whole} articles: {counts}.", ""]
    each = {step: statistics.median(took["ours"][step]) / whole for step in STEPS}
    hours = {step: each[step] * WRITTEN * STUDY_ARTICLES / 3600 for step in STEPS}
    hours["fine-tuning"] = each["fine-tuning"] / epochs * PASSES * STUDY_ARTICLES / 3600
    hours["classifying"] *= CLASSIFIERS
    words = ", ".join(f"{step} {value:.2f}" for step, value in hours.items())
    return [
        *lines,
        f"Hours for 66 versions of {STUDY_ARTICLES:,} articles, one job at a time: {words}. These are upper bounds, "
        "because the time to load a model is counted for each article. Classifying is by two classifiers. Perplexity, "
        "neurons and the training of the classifiers are not included.",
    ]


def write_articles(number: int) -> list[dict]:
    """Return articles of the embedded press."""
    press = write_press(number, seed=SEED, resources=RESOURCES / "press")
    return press.slice(0, number).to_pylist()


def main() -> None:
    """Compare, and write chain.md."""
    parser = new_parser(__doc__, needs_tokenizer=True)
    parser.add_argument("--number", type=int, default=4, help="articles")
    parser.add_argument("--epochs", type=int, default=1)
    parser.set_defaults(repeats=1)
    parser.add_argument("--tiny", action="store_true")
    arguments = parse(parser)
    # A divisor of the number of articles, because the plain script's batches would run across the end of an epoch.
    batch = next(size for size in (8, 4, 2, 1) if arguments.number % size == 0)
    # With a higher rate a model with random weights learns to write nothing but line ends.
    recipe = {"epochs": arguments.epochs, "batch_size": batch, "learning_rate": 1e-6, "weight_decay": 0.01}
    with tempfile.TemporaryDirectory() as folder:
        number, table = arguments.number, arguments.articles
        articles = write_articles(number) if table is None else read_rows(table, number)
        chain = Chain(Path(folder), articles, arguments.tokenizer, recipe, arguments.tiny)
        table = report(*compare(chain, arguments.repeats), arguments.number, arguments.epochs)
    write_report("The whole chain", table, arguments.out, "chain")


if __name__ == "__main__":
    main()
