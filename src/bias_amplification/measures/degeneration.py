"""What has fallen apart among the texts of one model version: empty, short, repetitive and copied texts."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, DEGENERATION, GENERATED_ARTICLES
from bias_amplification.corpus.articles import article_text
from bias_amplification.corpus.degenerate import copied_shares, degenerate_kinds, repeated_shares
from bias_amplification.corpus.words import bare_words
from bias_amplification.language_model.texts import read_training_texts
from bias_amplification.study.sections import Degeneration


class TrainingTexts(NamedTuple):
    """The texts that a model was trained on: a training set, and the table of each origin in it."""

    training_set: Path | str
    sources: Mapping[str, Path | str]


def examine_texts(
    articles: Path | str,
    seed_set: Path | str,
    out: Path | str,
    degeneration: Degeneration,
    language: str,
    training: TrainingTexts | None = None,
    generation: int | None = None,
) -> None:
    """Write how much of each text of one version repeats itself or is copied.

    Parameters
    ----------
    articles
        Texts that a model has written (`GENERATED_ARTICLES`).
    seed_set
        The real articles whose prompts it continued (`ARTICLES`).
    out
        `DEGENERATION`, in the order of `articles`.
    degeneration
        When a text is degenerate, and how many empty texts of a generation 0 stop the study.
    language
        Language of the articles, an ISO 639 code.
    training
        The texts that the version was trained on; None if they are not known.
    generation
        The version's generation; None for the base model.

    Raises
    ------
    StudyError
        If the seed set has other articles, or if too many texts of a generation 0 are empty or too short.
    """
    table = read_table(articles, GENERATED_ARTICLES, ["article_id", "head", "text"])
    rows = read_table(seed_set, ARTICLES, ["article_id", "title", "body"]).to_pylist()
    real = {row["article_id"]: article_text(row["title"], row["body"]) for row in rows}
    ids = table["article_id"].to_pylist()
    if set(ids) != set(real):
        raise StudyError(f"{articles} has other articles than {seed_set}: delete it and run snakemake again.")
    texts = [bare_words(text, language) for text in table["text"].to_pylist()]
    prompts = [bare_words(real[i], language) for i in ids]
    trained = [] if training is None else read_training_texts(*training)
    copied_prompt, copied = copied_shares(
        texts, prompts, [bare_words(article_text(title, body), language) for title, body in trained]
    )
    words, repeated = np.array([len(own) for own in texts]), repeated_shares(texts)
    columns = [words.astype(np.int32), repeated, copied_prompt, copied]
    found = pa.table([table["article_id"], *columns], schema=DEGENERATION)
    kinds = degenerate_kinds(words, repeated, copied, degeneration)
    counts = ", ".join(f"{int(chosen.sum())} {kind}" for kind, chosen in kinds.items())
    print(f"{len(texts)} texts: {counts}", flush=True)
    if generation == 0:
        heads = any(table["head"].to_pylist())
        _check_first_generation(articles, kinds["empty"] | kinds["short"], heads, degeneration)
    write_table(found, out, DEGENERATION)


def _check_first_generation(articles: Path | str, missing: np.ndarray, heads: bool, degeneration: Degeneration) -> None:
    """Check that not too many texts of a generation 0 are without a label.

    `missing` says which are, [texts]; `heads`, whether the prompts are beginnings of texts.
    """
    if missing.sum() <= degeneration.most_empty * len(missing):
        return
    remedy = (
        "If the model ends its texts too early, train it longer, or use a larger or a pretrained one; if prompts leave "
        "too few words to be written, lower generation.head_share or generation.head_tokens."
        if heads
        else "If the model ends its texts at once because a prompt is a whole text, set generation.prompt to head; if "
        "it has learned too little, train it longer."
    )
    raise StudyError(
        f"{articles}: {missing.sum()} of {len(missing)} texts are empty or have fewer than {degeneration.few_words} "
        f"words, more than the share of degeneration.most_empty ({degeneration.most_empty:g}). {remedy} To go on all "
        "the same, set degeneration.most_empty to 1."
    )
