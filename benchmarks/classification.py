"""Time classifying by a RoBERTa-base: ours, one text at a time, and batches padded to 512.

    PYTHONPATH=src python benchmarks/classification.py --tokenizer FOLDER [--articles TABLE] [--out FOLDER]

All sides run in this process, in alternation, on a model of random weights and texts of mixed lengths: the first so
many words of articles (Parquet, column body), or of noise. Nothing else should run on the machine meanwhile. The result
is a Markdown table of medians and ranges, and the largest difference of a probability from one text at a time.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from common import BATCH_TOKENS, DEVICE, MOST, in_turn, new_parser, parse, read_rows, spread, times, write_report
from plain_chain import probabilities
from rehearsal import make_models
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bias_amplification.measures.encoder_prediction import predict_probabilities

LABELS = ("LABEL_0", "LABEL_1", "LABEL_2")


def read_texts(table: Path | None, number: int) -> list[str]:
    """Texts of 40 to 600 words, as synthetic articles are: some are cut at 512 tokens, most are not."""
    generator = np.random.default_rng(0)
    lengths = generator.lognormal(np.log(250), 0.7, number).astype(int).clip(40, 600)
    if table is None:
        letters = [chr(ord("a") + place) for place in range(26)]
        words = ["".join(generator.choice(letters, 5)) for _ in range(2000)]
        return [" ".join(generator.choice(words, length)) for length in lengths]
    rows = read_rows(table, number)
    return [" ".join(row["body"].split()[:length]) for row, length in zip(rows, lengths, strict=False)]


@torch.inference_mode()
def padded(folder: Path, texts: list[str], batch: int) -> np.ndarray:
    """Batches as they come, each text padded to 512."""
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).to(DEVICE).eval()
    found = []
    for start in range(0, len(texts), batch):
        inputs = words(
            texts[start : start + batch], truncation=True, max_length=MOST, padding="max_length", return_tensors="pt"
        )
        found.append(torch.softmax(model(**inputs.to(DEVICE)).logits.double(), 1).cpu())
    return torch.cat(found).numpy()


def alone(folder: Path, texts: list[str]) -> np.ndarray:
    """One text at a time."""
    return np.array([[row[label] for label in LABELS] for row in probabilities(folder, texts, MOST)])


def ours(folder: Path, texts: list[str], batch_tokens: int) -> np.ndarray:
    """As the workflow does, reading the model included as on the other sides."""
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    return predict_probabilities(model, words, texts, LABELS, max_tokens=MOST, batch_tokens=batch_tokens, device="auto")


def compare(folder: Path, texts: list[str], repeats: int, batch_tokens: int) -> list[str]:
    """Rows of the table: seconds of each way to classify."""
    ways = {
        "one text at a time": lambda some: alone(folder, some),
        "batches of 16, padded to 512": lambda some: padded(folder, some, 16),
        "ours": lambda some: ours(folder, some, batch_tokens),
    }
    took, found = in_turn(ways, texts, repeats)
    lines = [
        f"{len(texts)} texts, RoBERTa-base's shape, float32; reading the model within the time.",
        "",
        "| | Seconds | Times ours | Farthest from one text at a time |",
        "|---|---|---|---|",
    ]
    for name, values in took.items():
        apart = float(np.abs(found[name] - found["one text at a time"]).max())
        lines.append(f"| {name} | {spread(values)} | {times(values, took['ours']):.2f} | {apart:.0e} |")
    return lines


def main() -> None:
    """Compare, and write classification.md."""
    parser = new_parser(__doc__, needs_tokenizer=True)
    parser.add_argument("--number", type=int, default=32 if DEVICE == "cpu" else 1518, help="texts")
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--tiny", action="store_true", help="a model of width 32, to try this out")
    arguments = parse(parser)
    texts = read_texts(arguments.articles, arguments.number)
    with tempfile.TemporaryDirectory() as folder:
        make_models(Path(folder), arguments.tokenizer, arguments.tiny)
        table = compare(Path(folder) / "roberta-base", texts, arguments.repeats, arguments.batch_tokens)
    write_report("Classifying", table, arguments.out, "classification")


if __name__ == "__main__":
    main()
