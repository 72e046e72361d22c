"""Run config/paper.yaml at its real size without a hub: models with random weights, and few or many articles.

    python benchmarks/rehearsal.py make FOLDER --tokenizer FOLDER [--articles TABLE --number 6]
    snakemake --cores all --resources gpu=1 --configfile config/paper.yaml FOLDER/rehearsal.yaml
    python benchmarks/rehearsal.py table results-rehearsal

The models are GPT-2 124M, RoBERTa-base, DistilBERT and a DistilBERT with the published detector's label names, all with
the given tokenizer. The texts that they write are noise, but rules, time and memory are the paper's. With a table of
articles (Parquet with the columns article_id, topic, source, date, title, body, leaning), the overlay also shortens the
rounds to two generations of a few articles; without, it changes only the models. The last command prints the time and
the memory of each rule, which it reads in the jobs' logs.
"""

import argparse
import re
import shutil
import statistics
from collections import defaultdict
from pathlib import Path

import torch
import yaml
from transformers import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

#: Label names of the published gibberish detector by id. The ids are not in the order of quality.
DETECTOR_LABELS = {0: "clean", 1: "mild gibberish", 2: "noise", 3: "word salad"}


def make_models(out: Path, tokenizer: Path, tiny: bool = False, **changes: float) -> Path:
    """Write model folders, and an overlay of the config that names them instead of the hub's models.

    Parameters
    ----------
    out
        Folder to write gpt2/, roberta-base/, distilbert/, detector/ and rehearsal.yaml into.
    tokenizer
        Folder with tokenizer.json and tokenizer_config.json.
    tiny
        Whether the models have one layer of width 32, for tests.
    changes
        Changed fields of GPT-2's config.

    Returns
    -------
    Path
        The overlay, for use after config/paper.yaml.
    """
    torch.manual_seed(0)
    words = AutoTokenizer.from_pretrained(tokenizer)
    size, end = len(words), words.eos_token_id
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    special = {"vocab_size": size, "pad_token_id": end, "bos_token_id": end, "eos_token_id": end}
    gpt2 = ({"n_embd": 32, "n_layer": 1, "n_head": 2} if tiny else {}) | changes
    three = {"num_labels": 3}
    roberta = RobertaConfig(**special, **three, max_position_embeddings=514 + end, **(small if tiny else {}))
    distilbert = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64} if tiny else {}
    models = {
        "gpt2": GPT2LMHeadModel(GPT2Config(vocab_size=size, bos_token_id=end, eos_token_id=end, **gpt2)),
        "roberta-base": RobertaForSequenceClassification(roberta),
        "distilbert": DistilBertForSequenceClassification(
            DistilBertConfig(vocab_size=size, pad_token_id=end, **three, **distilbert)
        ),
        "detector": DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=size,
                pad_token_id=end,
                id2label=DETECTOR_LABELS,
                label2id={name: i for i, name in DETECTOR_LABELS.items()},
                **distilbert,
            )
        ),
    }
    for name, model in models.items():
        _save(model, words, out / name, pads=name != "gpt2")
    overlay = {
        "base_model": {"source": "folder", "path": str(out / "gpt2")},
        "classifier": {
            "candidates": [
                {"name": name, "source": "folder", "path": str(out / name)} for name in ("roberta-base", "distilbert")
            ],
            "splits": [],
        },
        "quality": {"detector": {"source": "folder", "path": str(out / "detector")}},
        # Models with random weights may write nothing.
        "degeneration": {"most_empty": 1},
    }
    (out / "rehearsal.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return out / "rehearsal.yaml"


def _save(model: PreTrainedModel, words: AutoTokenizer, folder: Path, pads: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if pads:
        words.pad_token = words.eos_token
    words.save_pretrained(folder)


def cut_corpus(articles: Path, out: Path, corpus: int) -> None:
    """Write a random part of a table's articles, with equally many of each label."""
    import pandas as pd

    table = pd.read_parquet(articles)
    labels = table["leaning"].unique()
    table.groupby("leaning").sample(corpus // len(labels), random_state=0).to_parquet(out, index=False)


def small_study(articles: Path, number: int) -> dict:
    """Return config keys for a short study: the paper's rounds with two generations of `number` articles.

    Parameters
    ----------
    articles
        The corpus.
    number
        Articles of a seed set.
    """
    paper = yaml.safe_load((Path(__file__).parents[1] / "config" / "paper.yaml").read_text(encoding="utf-8"))
    columns = {"event_id": "topic", "outlet": "source", "label": "leaning"}
    return {
        "name": "rehearsal",
        "results": "results-rehearsal",
        "generations": 2,
        "corpus": {
            "source": "table",
            "path": str(articles),
            "label_map": {label: label for label in paper["corpus"]["labels"]},
            "columns": columns | {name: name for name in ("article_id", "date", "title", "body")},
        },
        "seed_sets": [row | {"size": number} for row in paper["seed_sets"]],
        "rounds": [row | ({"epochs": 5} if "epochs" in row else {}) for row in paper["rounds"]],
        "finetuning": {"epochs": 1},
        "classifier": {"training": {"epochs": 1}},
        "strategies": {"preserved_share": max(0.1, 1 / number)},
    }


#: Patterns of logs' paths, and the name of each in the table. The first pattern that fits counts.
LOGS = (
    (r"/finetune\.log$", "fine-tuning"),
    (r"/generate\w*\.log$", "writing"),
    (r"/classify\.log$", "classifying, by both classifiers"),
    (r"/score_quality\.log$", "text quality"),
    (r"/score_perplexity\.log$", "perplexity"),
    (r"/measure_diversity\.log$", "diversity"),
    (r"/examine_texts\.log$", "degenerate texts"),
    (r"/extract_neurons\.log$", "extracting neurons"),
    (r"logs/classifier/", "classifiers: training, splits, choice"),
    (r"logs/neurons/", "analysing neurons"),
    (r"logs/replicates/", "comparing rounds"),
    (r"logs/(figures|tables|index)", "figures, tables and page"),
    (r"/(share_\w+[\w.]*|training_set)\.log$", "training sets and sharing"),
)


def resource_table(results: Path) -> str:
    """Return a Markdown table of time and memory by rule, read in the last lines of the jobs' logs.

    Parameters
    ----------
    results
        The study's results folder.
    """
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for log in sorted((results / "logs").rglob("*.log")):
        done = re.search(
            r"^done in ([\d.]+) s, at most ([\d,]+) MB of memory(?:, ([\d,]+) MB)?",
            log.read_text(encoding="utf-8"), re.MULTILINE,
        )  # fmt: skip
        if done:
            name = next((name for pattern, name in LOGS if re.search(pattern, log.as_posix())), log.stem)
            found[name].append(tuple(float((part or "0").replace(",", "")) for part in done.groups()))
    lines = ["| Rule | Jobs | Seconds: median (longest) | Seconds in all | Most memory, MB | Most GPU memory, MB |"]
    lines.append("|---|---|---|---|---|---|")
    for name, jobs in sorted(found.items(), key=lambda row: -sum(job[0] for job in row[1])):
        seconds, memory, gpu = zip(*jobs, strict=True)
        lines.append(
            f"| {name} | {len(jobs)} | {statistics.median(seconds):.1f} ({max(seconds):.1f}) | {sum(seconds):.0f} "
            f"| {max(memory):,.0f} | {max(gpu):,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Make the models and the overlay, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("out", type=Path)
    make.add_argument("--tokenizer", type=Path, required=True)
    make.add_argument("--articles", type=Path)
    make.add_argument("--number", type=int, default=6, help="articles of a seed set")
    make.add_argument("--corpus", type=int, default=96, help="articles that the classifiers and seed sets share")
    table = commands.add_parser("table")
    table.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "table":
        print(resource_table(arguments.results))
        return
    overlay = make_models(arguments.out, arguments.tokenizer)
    if arguments.articles:
        cut_corpus(arguments.articles, arguments.out / "articles.parquet", arguments.corpus)
        keys = yaml.safe_load(overlay.read_text(encoding="utf-8"))
        for name, section in small_study(arguments.out / "articles.parquet", arguments.number).items():
            keys[name] = keys[name] | section if name in keys else section
        overlay.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    print(overlay)


if __name__ == "__main__":
    main()
