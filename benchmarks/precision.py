"""What a lower precision changes: continuations, labels, text quality, perplexities and neurons.

    PYTHONPATH=src python benchmarks/precision.py --model FOLDER --classifier FOLDER --detector FOLDER --articles TABLE

`--model` is a language model's folder, `--classifier` and `--detector` are folders of a finished study, and the table
(Parquet) has the columns title and body. On a GPU, TF32 is the GPU's own. On a CPU it is imitated: the factors of all
linear layers and of the output head are rounded to 10 bits, as a GPU rounds them, but those of attention are not.
bfloat16 is real on both. The result is a Markdown table.
"""

import argparse
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import DEVICE, here, read_rows, whole_blocks
from transformers.pytorch_utils import Conv1D

from bias_amplification.language_model.generate import continue_prompts
from bias_amplification.language_model.heads import decode_after
from bias_amplification.language_model.load import end_token, load_model, load_tokenizer, to_bfloat16
from bias_amplification.language_model.perplexity import perplexities
from bias_amplification.language_model.prompt_batches import Prompts
from bias_amplification.language_model.texts import encode
from bias_amplification.measures.corruption import CLASSES
from bias_amplification.measures.encoder_prediction import predict_probabilities
from bias_amplification.measures.encoders import load_encoder, read_scores
from bias_amplification.measures.quality import article_quality
from bias_amplification.measures.sentences import split_sentences
from bias_amplification.models.device import products_in
from bias_amplification.neurons.extract import neuron_table
from bias_amplification.study.sections import Decoding, Generation, JobCompute

PRECISIONS = ("float32", "tf32", "bfloat16")


def rounded(numbers: torch.Tensor) -> torch.Tensor:
    """Round float32 numbers to the 10 bits of TF32's mantissa, half away from zero."""
    return ((numbers.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


@contextmanager
def in_precision(model: torch.nn.Module, precision: str) -> Iterator[torch.nn.Module]:
    """Yield a copy of a model whose products have a precision, as `compute.measuring` makes them."""
    model = copy.deepcopy(model).to(DEVICE)
    if precision == "tf32" and DEVICE == "cpu":
        imitate_tf32(model)
    with products_in(precision, DEVICE):
        yield model


@torch.no_grad()
def imitate_tf32(model: torch.nn.Module) -> None:
    """Round the factors of a model's linear layers and of its output head, in place."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    for module in model.modules():
        if type(module) in (torch.nn.Linear, Conv1D) and module is not head:
            module.weight.copy_(rounded(module.weight))
            module.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0]), *inputs[1:]))
    if head is not None:
        # The head may share its weight with the input embeddings, which a GPU does not round.
        head.weight = torch.nn.Parameter(rounded(head.weight))
        model.base_model.register_forward_hook(round_hidden)


def round_hidden(_module: Any, _inputs: Any, output: Any) -> Any:
    """Round the last hidden states, which the output head reads."""
    output.last_hidden_state = rounded(output.last_hidden_state)
    return output


def relative(values: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest relative difference."""
    return float(np.max(np.abs(values / exact - 1)))


class Comparison:
    """The results of float32, and what differs from them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.words = load_tokenizer(arguments.model)
        self.model, compute = load_model(arguments.model), JobCompute()
        self.generation, self.compute = Generation(prompt="blocks"), compute
        rows = read_rows(arguments.articles, arguments.number)
        self.titles, self.bodies = ([row[name] for row in rows] for name in ("title", "body"))
        tokens = [encode(self.words, part) for part in (self.titles, self.bodies)]
        self.prompts = whole_blocks(*tokens, arguments.prompts)
        self.texts = [body[:512] for body in tokens[1]]
        self.labels = list(read_scores(arguments.classifier)["test"]["f1"])
        self.classifier = load_encoder(arguments.classifier, self.labels)
        self.detector = load_encoder(arguments.detector, CLASSES)

    def measure(self, precision: str, batch: int = 256) -> dict[str, Any]:
        """Return everything that a precision may change."""
        end, generation = end_token(self.model), self.generation.model_copy(update={"batch_prompts": batch})
        with in_precision(self.model, "tf32" if precision == "tf32" else "float32") as model:
            # In bfloat16, the model that writes has its weights in it.
            writer = to_bfloat16(model) if precision == "bfloat16" else model
            written = continue_prompts(writer, Prompts(self.prompts), generation, Decoding(), 0)
        with in_precision(self.model, precision) as model:
            found = {
                "written": written,
                "texts": decode_after(self.words, self.prompts, written),
                "perplexity": np.array(perplexities(model, self.texts, batch_tokens=4096, padding=end)),
                "neurons": neuron_table(model, self.texts[:12], batch_tokens=4096),
            }
        sentences = [sentence for body in self.bodies for sentence in split_sentences(body)[:5]]
        for name, encoder, texts in (
            ("probabilities", self.classifier, self.bodies), ("quality", self.detector, sentences)
        ):  # fmt: skip
            with in_precision(encoder.model, precision) as encoder_model:
                found[name] = predict_probabilities(encoder._replace(model=encoder_model), texts, 512, self.compute)
        # The labels of what was written, by the same classifier in float32: the effect of writing alone.
        found["labels"] = predict_probabilities(self.classifier, found["texts"], 512, self.compute).argmax(1)
        return found

    def row(self, name: str, found: dict[str, Any], exact: dict[str, Any]) -> str:
        """Return a precision's row of the table."""
        pairs = list(zip(found["written"], exact["written"], strict=True))
        others = np.mean([one != other for one, other in pairs])
        first = [next((k for k, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), 64) for pair in pairs]
        labels = found["labels"] != exact["labels"]
        shares = max(
            abs(np.mean(found["labels"] == k) - np.mean(exact["labels"] == k)) for k in range(len(self.labels))
        )
        changed = found["probabilities"].argmax(1) != exact["probabilities"].argmax(1)
        difference = np.abs(found["probabilities"] - exact["probabilities"]).max()
        index = article_quality(found["quality"])["quality"] - article_quality(exact["quality"])["quality"]
        neurons = [found["neurons"]["activation_ffn"].to_numpy(), exact["neurons"]["activation_ffn"].to_numpy()]
        error = np.linalg.norm(neurons[0] - neurons[1]) / np.linalg.norm(neurons[1])
        cells = [
            name, f"{others:.1%}", f"{np.mean(first):.0f}", f"{labels.mean():.1%}", f"{shares:.3f}",
            f"{changed.mean():.1%}", f"{difference:.1e}", f"{abs(index):.1e}",
            f"{relative(found['perplexity'], exact['perplexity']):.1e}", f"{error:.1e}",
        ]  # fmt: skip
        return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "classifier", "detector", "articles"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--number", type=int, default=200, help="articles that are read")
    arguments = parser.parse_args()
    comparison = Comparison(arguments)
    exact = comparison.measure("float32")
    print(
        here(), f"{len(comparison.prompts)} prompts of 64 tokens, {arguments.number} articles", sep="\n\n", end="\n\n"
    )
    print("| | Other continuations | First other token | Other labels of what is written | Change of a share | "
          "Other labels of the same texts | Change of a probability | Change of the quality index | "
          "Change of a perplexity, relative | Error of activations, relative |")  # fmt: skip
    print("|" + "---|" * 10)
    for name, precision, batch in [
        ("float32, 64 prompts at once", "float32", 64), ("tf32", "tf32", 256), ("bfloat16", "bfloat16", 256)
    ]:  # fmt: skip
        print(comparison.row(name, comparison.measure(precision, batch), exact), flush=True)


if __name__ == "__main__":
    main()
