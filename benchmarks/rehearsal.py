"""Make what config/paper.yaml needs, at its real size and without a hub: models of random weights in local folders.

    python benchmarks/rehearsal.py models --tokenizer FOLDER
    snakemake --cores all --resources gpu=1 --configfile config/paper.yaml models/rehearsal.yaml my-corpus.yaml

GPT-2 124M, RoBERTa-base and DistilBERT with the published detector's label names, each with the tokenizer given. The
texts are noise; the path, the time and the memory are the paper's.
"""

import argparse
import shutil
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

#: Label names of the published gibberish detector, by its ids, which are not in the order of quality.
DETECTOR_LABELS = {0: "clean", 1: "mild gibberish", 2: "noise", 3: "word salad"}


def make_models(out: Path, tokenizer: Path, tiny: bool = False) -> Path:
    """Write the three model folders and the overlay that puts them in the place of the hub's.

    Parameters
    ----------
    out
        Folder to make: gpt2/, roberta-base/, detector/ and rehearsal.yaml.
    tokenizer
        A folder with tokenizer.json and tokenizer_config.json.
    tiny
        Real architectures, but one layer of width 32, for tests.

    Returns
    -------
    Path
        The overlay, to be given after config/paper.yaml.
    """
    torch.manual_seed(0)
    words = AutoTokenizer.from_pretrained(tokenizer)
    size, end = len(words), words.eos_token_id
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    special = {"vocab_size": size, "pad_token_id": end, "bos_token_id": end, "eos_token_id": end}
    gpt2 = {"n_embd": 32, "n_layer": 1, "n_head": 2} if tiny else {}
    roberta = RobertaConfig(**special, max_position_embeddings=514 + end, **(small if tiny else {}))
    distilbert = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64} if tiny else {}
    models = {
        "gpt2": GPT2LMHeadModel(GPT2Config(vocab_size=size, bos_token_id=end, eos_token_id=end, **gpt2)),
        "roberta-base": RobertaForSequenceClassification(roberta),
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
            "candidates": [{"name": "roberta-base", "source": "folder", "path": str(out / "roberta-base")}],
            "splits": [],
        },
        "quality": {"detector": {"source": "folder", "path": str(out / "detector")}},
    }
    (out / "rehearsal.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return out / "rehearsal.yaml"


def _save(model: PreTrainedModel, words: AutoTokenizer, folder: Path, pads: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if pads:
        words.pad_token = words.eos_token
    words.save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    arguments = parser.parse_args()
    print(make_models(arguments.out, arguments.tokenizer))
