"""Time three ways to classify with a RoBERTa-base: the workflow's, one text at a time, and batches padded to 512.

    PYTHONPATH=src python benchmarks/classification.py --tokenizer FOLDER [--articles TABLE] [--out FOLDER]

All ways run in this process, in alternation, with a model of random weights. The texts have different lengths: they are
beginnings of articles (Parquet, column body) or random words. Nothing else should run on the machine. The result is a
Markdown table with the median and range of each way's seconds, and its largest difference of a probability from one
text at a time.
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
from bias_amplification.measures.encoders import TextClassifier
from bias_amplification.study.sections import JobCompute

LABELS = ("LABEL_0", "LABEL_1", "LABEL_2")


def read_texts(table: Path | None, number: int) -> list[str]:
    """Return texts of 40 to 600 words, like synthetic articles: some are cut at 512 tokens, most are not."""
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
    """Classify in batches in the given order, each text padded to 512 tokens."""
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
    """Classify one text at a time."""
    return np.array([[row[label] for label in LABELS] for row in probabilities(folder, texts, MOST)])


def ours(folder: Path, texts: list[str], batch_tokens: int) -> np.ndarray:
    """Classify as the workflow does, including reading the model as the other ways do."""
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    compute = JobCompute(batch_tokens=batch_tokens)
    return predict_probabilities(TextClassifier(model, words, LABELS), texts, MOST, compute)


def compare(folder: Path, texts: list[str], repeats: int, batch_tokens: int) -> list[str]:
    """Return the lines of the table: the seconds of each way to classify."""
    ways = {
        "one text at a time": lambda some: alone(folder, some),
        "batches of 16, padded to 512": lambda some: padded(folder, some, 16),
        "ours": lambda some: ours(folder, some, batch_tokens),
    }
    took, found = in_turn(ways, texts, repeats)
    lines = [
        f"{len(texts)} texts, a model of RoBERTa-base's shape in float32. The time includes reading the model.",
        "",
        "| | Seconds | Seconds, relative to ours | Largest difference from one text at a time |",
        "|---|---|---|---|",
    ]
    for name, values in took.items():
        difference = float(np.abs(found[name] - found["one text at a time"]).max())
        lines.append(f"| {name} | {spread(values)} | {times(values, took['ours']):.2f} | {difference:.0e} |")
    return lines


def main() -> None:
    """Compare the ways and write classification.md."""
    parser = new_parser(__doc__, needs_tokenizer=True)
    parser.add_argument("--number", type=int, default=32 if DEVICE == "cpu" else 1518, help="number of texts")
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--tiny", action="store_true", help="use a model of width 32, to try the benchmark")
    arguments = parse(parser)
    texts = read_texts(arguments.articles, arguments.number)
    with tempfile.TemporaryDirectory() as folder:
        make_models(Path(folder), arguments.tokenizer, arguments.tiny)
        table = compare(Path(folder) / "roberta-base", texts, arguments.repeats, arguments.batch_tokens)
    write_report("Classifying", table, arguments.out, "classification")


if __name__ == "__main__":
    main()
