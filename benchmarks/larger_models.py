"""The tables of docs/larger-models.md, computed from counts of bytes and operations, and a check of them on a CPU.

python benchmarks/larger_models.py              # the tables
python benchmarks/larger_models.py --measure    # peak memory of small trainings, predicted and seen
"""

import argparse
import json
import os
import resource
import subprocess
import sys

from bias_amplification.models.folders import Shape
from bias_amplification.study.costs.training import Training
from bias_amplification.study.sections import Adapter

#: Parameters and shapes of two models of these sizes: SmolLM2-1.7B and Llama 3.1 8B.
MODELS = {
    "1.7 B": (1_711_376_384, Shape(layers=24, width=2048, heads=32, vocabulary=49_152)),
    "8 B": (8_030_261_248, Shape(layers=32, width=4096, heads=32, vocabulary=128_256)),
}
#: The paper's step and its texts: articles of a training set, tokens of each at most, epochs, and model versions.
ROWS, TOKENS, ARTICLES, EPOCHS, VERSIONS = 8, 512, 1518, 5, 66
#: An H100's bfloat16 products per second, without sparsity, and the assumed share of them that a training reaches.
PEAK, SHARES = 989e12, (0.2, 0.4)
ADAPTER = Adapter(rank=16, target_modules="all-linear")
#: The model whose memory is measured.
SMALL = {"layers": 12, "width": 512, "heads": 8, "context": 256, "vocabulary": 8192}

GB = 1e9


def ways() -> dict[str, dict]:
    """Return the ways of training that the tables have, with the arguments of `Training`."""
    return {
        "all weights, 1 GPU": {},
        "all weights, 4 GPUs (DDP)": {"devices": 4},
        "all weights, 4 GPUs (FSDP)": {"devices": 4, "sharded": True},
        "all weights, 8 GPUs (FSDP)": {"devices": 8, "sharded": True},
        "LoRA, 1 GPU": {"adapter": ADAPTER},
        "LoRA, 4 GPUs (DDP)": {"adapter": ADAPTER, "devices": 4},
    }


def print_memory() -> None:
    """Print the memory of each GPU."""
    print("| Model | Training | Weights | Gradients, moments | Copies for products | Activations, logits | Each GPU |")
    print("|---|---|---|---|---|---|---|")
    for name, (parameters, shape) in MODELS.items():
        for way, options in ways().items():
            one = Training(parameters, shape, ROWS, TOKENS, bfloat16=True, **options)
            parts = (one.weights, one.optimizer, one.gathered, one.activations, one.memory)
            print(f"| {name} | {way} | {' | '.join(f'{part / GB:.1f} GB' for part in parts)} |")


def print_space() -> None:
    """Print the space on disk."""
    print("| Model | Weights of a version | Weights of 66 versions | State, all weights | State, LoRA |")
    print("|---|---|---|---|---|")
    for name, (parameters, shape) in MODELS.items():
        full, adapted = (Training(parameters, shape, ROWS, TOKENS, adapter=adapter) for adapter in (None, ADAPTER))
        sizes = (full.weights, VERSIONS * full.weights, 2 * full.state, 2 * adapted.state)
        print(f"| {name} | {' | '.join(f'{size / GB:,.1f} GB' for size in sizes)} |")


def print_time() -> None:
    """Print the time of training."""
    tokens = ARTICLES * TOKENS * EPOCHS
    low, high = (f"{share:.0%}" for share in SHARES)
    print(f"| Model | Training | Operations for a token | A version, {low} to {high} | 66 versions, {low} to {high} |")
    print("|---|---|---|---|---|")
    for name, (parameters, shape) in MODELS.items():
        for way, options in {"all weights": {}, "LoRA": {"adapter": ADAPTER}}.items():
            each = Training(parameters, shape, ROWS, TOKENS, **options).operations
            hours = [tokens * each / (PEAK * share) / 3600 for share in reversed(SHARES)]
            version = f"{60 * hours[0]:.0f} to {60 * hours[1]:.0f} minutes"
            study = f"{VERSIONS * hours[0]:.0f} to {VERSIONS * hours[1]:.0f} hours"
            print(f"| {name} | {way} | {each / 1e9:.1f} billion | {version} | {study} |")


def train_once(kind: str) -> None:
    """Train the small model for three steps, and print its parameters and how far memory has grown, as JSON."""
    import torch

    from bias_amplification.language_model.adapter import LowRankAdapter
    from bias_amplification.language_model.pretrain import new_model
    from bias_amplification.language_model.training import train
    from bias_amplification.study.sections import Finetuning, JobCompute

    def run(sizes: dict, rows: int, tokens: int) -> int:
        model = new_model(**sizes, end=0, seed=1)
        parameters = sum(p.numel() for p in model.parameters())
        settings = ADAPTER if kind == "LoRA" else None
        if settings:
            LowRankAdapter(model, settings, 1)
        examples = torch.randint(1, 200, (3 * rows, tokens)).tolist()
        recipe = Finetuning(epochs=1, batch_size=rows, adapter=settings)
        train(model, examples, recipe, pad=0, seed=1, compute=JobCompute(device="cpu"))
        return parameters

    # Libraries load on first use.
    run(SMALL | {"layers": 1, "width": 32, "vocabulary": 256}, 2, 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    parameters = run(SMALL, 4, SMALL["context"])
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print(json.dumps({"parameters": parameters, "grown": grown}))


def measure() -> None:
    """Print the peak memory of small trainings on this CPU, predicted and seen."""
    print("| Training | Parameters | Predicted | Seen |")
    print("|---|---|---|---|")
    shape = Shape(SMALL["layers"], SMALL["width"], SMALL["heads"], SMALL["vocabulary"])
    for kind, adapter in {"all weights": None, "LoRA": ADAPTER}.items():
        command = [sys.executable, __file__, "--train", kind]
        # With one arena, freed memory is used again instead of being kept for each thread.
        environment = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        seen = json.loads(run.stdout.splitlines()[-1])
        predicted = Training(seen["parameters"], shape, 4, SMALL["context"], adapter=adapter).memory
        print(f"| {kind} | {seen['parameters']:,} | {predicted / 1e6:,.0f} MB | {seen['grown'] / 1e6:,.0f} MB |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="peak memory on this CPU, predicted and seen")
    parser.add_argument("--train", choices=["all weights", "LoRA"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train_once(arguments.train)
    elif arguments.measure:
        measure()
    else:
        for table in (print_memory, print_space, print_time):
            table()
            print()


if __name__ == "__main__":
    main()
