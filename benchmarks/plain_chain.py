"""A chain of generations, written from the paper with transformers alone: padding to 512 tokens, one text at a time.

`chain.py` compares the project's chain with this one: its time, and its articles. Nothing of the project is used here.
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
    """Return the device that the models compute on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class InOrder(Trainer):
    """A Trainer that keeps the order of the examples, so that two programs can train in the same order."""

    def _get_train_sampler(self, *args, **kwargs) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def finetune(
    model: Path, tokenizer: Path, texts: Sequence[str], order: Sequence[int], out: Path, recipe: Mapping, most: int
) -> None:
    """Fine-tune on texts that are cut and padded to `most` tokens; `order` is the order of all epochs together."""
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
    """Write an article per article: continue its title and each block of its body, one by one."""
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
    """Return the class probabilities of each text by class name, computed one text at a time."""
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
    """Return the label probabilities of each text without its double quotes."""
    return probabilities(folder, [re.sub('["“”]', "", text) for text in texts], most)


def quality(folder: Path, texts: Sequence[str], most: int, values: Mapping[str, int]) -> list[float | None]:
    """Return the mean value of the sentences' likeliest classes for each text, cut into sentences at periods."""
    sentences = [[part.strip() for part in text.split(".") if part.strip()] for text in texts]
    rows = iter(probabilities(folder, [sentence for parts in sentences for sentence in parts], most))
    likeliest = [[max(row, key=row.get) for _, row in zip(parts, rows, strict=False)] for parts in sentences]
    return [sum(values[name] for name in names) / len(names) if names else None for names in likeliest]
