"""The chain as one writes it from the paper with transformers alone: Trainer padded to 512, one text at a time.

The other side of `chain.py`, and the oracle of its articles. It knows nothing of this project.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
)


def device() -> str:
    """Where the models compute."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class InOrder(Trainer):
    """Takes the examples as they come, so that two programs can learn from the same ones in the same order."""

    def _get_train_sampler(self, *args, **kwargs) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def finetune(
    model: Path, tokenizer: Path, texts: Sequence[str], order: Sequence[int], out: Path, recipe: Mapping, most: int
) -> None:
    """Fine-tune on texts cut and padded to `most` tokens; `order` goes over all epochs."""
    words = AutoTokenizer.from_pretrained(tokenizer)
    words.pad_token = words.eos_token
    rows = []
    for text in texts:
        row = words(text, truncation=True, max_length=most, padding="max_length")
        row["labels"] = [t if m else -100 for t, m in zip(row["input_ids"], row["attention_mask"], strict=True)]
        rows.append(dict(row))
    arguments = TrainingArguments(
        output_dir=str(out / "trainer"),
        num_train_epochs=1,
        per_device_train_batch_size=recipe["batch_size"],
        learning_rate=recipe["learning_rate"],
        weight_decay=recipe["weight_decay"],
        bf16=device() == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False),
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = InOrder(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=[rows[position] for position in order],
    )
    trainer.train()
    trainer.model.save_pretrained(out)


def write(model: Path, tokenizer: Path, articles: Sequence[Mapping], block: int, new: int) -> list[str]:
    """Continue each article's title and every block of its body, one after the other."""
    words = AutoTokenizer.from_pretrained(tokenizer)
    writer = AutoModelForCausalLM.from_pretrained(model).to(device()).eval()
    texts = []
    for article in articles:
        body = words(article["body"], add_special_tokens=False)["input_ids"]
        prompts = [words(article["title"], add_special_tokens=False)["input_ids"]]
        prompts += [body[start : start + block] for start in range(0, len(body), block)]
        written: list[int] = []
        for prompt in filter(None, prompts):
            tokens = torch.tensor([prompt], device=device())
            with torch.inference_mode():
                found = writer.generate(
                    tokens,
                    attention_mask=torch.ones_like(tokens),
                    max_new_tokens=new,
                    do_sample=False,
                    use_cache=True,
                    eos_token_id=words.eos_token_id,
                    pad_token_id=words.eos_token_id,
                )[0, len(prompt) :].tolist()
            written += [token for token in found if token != words.eos_token_id]
        texts.append(words.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return texts


def probabilities(folder: Path, texts: Sequence[str], most: int) -> list[dict[str, float]]:
    """Class probabilities by name, one text at a time."""
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).to(device()).eval()
    found = []
    for text in texts:
        with torch.inference_mode():
            logits = model(**words(text, truncation=True, max_length=most, return_tensors="pt").to(device())).logits[0]
        shares = torch.softmax(logits.double(), 0).tolist()
        found.append({model.config.id2label[place]: share for place, share in enumerate(shares)})
    return found


def classify(folder: Path, texts: Sequence[str], most: int) -> list[dict[str, float]]:
    """Leaning of each text, double quotes removed."""
    return probabilities(folder, [re.sub('["“”]', "", text) for text in texts], most)


def quality(folder: Path, texts: Sequence[str], most: int, values: Mapping[str, int]) -> list[float | None]:
    """Mean value of the likeliest class over what stands between periods."""
    pieces = [[piece.strip() for piece in text.split(".") if piece.strip()] for text in texts]
    rows = iter(probabilities(folder, [piece for some in pieces for piece in some], most))
    likeliest = [[max(row, key=row.get) for _, row in zip(some, rows, strict=False)] for some in pieces]
    return [sum(values[name] for name in names) / len(names) if names else None for names in likeliest]
