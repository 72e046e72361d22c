"""Diversity of a version's articles: compression, embeddings, and the table."""

import math
import random
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.spatial.distance import pdist

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import ARTICLES, GENERATED_ARTICLES
from bias_amplification.artifacts.schemas.diversity import ARTICLE_MEASURES, DIVERSITY, DIVERSITY_MEASURES
from bias_amplification.measures.diversity import (
    Diversity,
    SelectedEncoder,
    compression_ratio,
    diversity_columns,
    embed_texts,
    embedding_spread,
    measure_diversity,
)
from bias_amplification.measures.encoders import TextClassifier, obtain_encoder, write_encoder
from bias_amplification.study.sections import Classifier, Encoder, EncoderTraining, JobCompute

LABELS = ("up", "down")
CLASSIFIER = Classifier(training=EncoderTraining(max_tokens=32))
WORDS = "the harbour council wins a vote on bridge opens in spring mayor says budget falls and large small now"


def sentences(seed: int) -> str:
    chooser = random.Random(seed)
    return " ".join(" ".join(chooser.choices(WORDS.split(), k=7)).capitalize() + "." for _ in range(8))


TEXTS = [sentences(seed) for seed in range(30)]
LOOPS = [("the mayor says " if seed % 2 else "the vote on the bridge ") * 20 for seed in range(30)]


@pytest.fixture(scope="module")
def encoder() -> TextClassifier:
    return obtain_encoder(Encoder(layers=2, width=16, heads=2, vocabulary=300), TEXTS, LABELS, 32, seed=1, key="k")


@pytest.fixture(scope="module")
def folder(encoder: TextClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "selected"
    write_encoder(encoder, folder, {"validation": {"macro_f1": 1.0}}, {})
    return folder


def measure(texts: list[str], folder: Path, out: Path, cpu: JobCompute, seed: int = 4, **settings) -> dict[str, dict]:
    rows = [
        {"article_id": f"a{place:02d}", "title": "t", "head": "", "text": text, "prompts": 1, "new_tokens": 9}
        for place, text in enumerate(texts)
    ]
    articles = out.with_suffix(".articles.parquet")
    write_table(pa.Table.from_pylist(rows, GENERATED_ARTICLES), articles, GENERATED_ARTICLES)
    chosen = Diversity(**{"drawn": 200, "sample": 10} | settings)
    measure_diversity(articles, SelectedEncoder(folder, LABELS), out, chosen, CLASSIFIER, seed, cpu)
    return {row["measure"]: row for row in read_table(out, DIVERSITY).to_pylist()}


def test_compression_ratio_is_that_of_zlib():
    joined = "".join(f"{text}\n" for text in TEXTS).encode()

    assert compression_ratio(TEXTS)[0] == len(joined) / len(zlib.compress(joined, 9))
    assert all(math.isnan(end) for end in compression_ratio([]))


def test_compression_interval_leaves_out_groups_of_articles():
    value, low, high = compression_ratio(TEXTS)
    groups = np.array_split(np.arange(len(TEXTS)), 20)
    without = []
    for group in groups:
        joined = "".join(f"{text}\n" for place, text in enumerate(TEXTS) if place not in group).encode()
        without.append(len(joined) / len(zlib.compress(joined, 9)))

    deviation = math.sqrt(19 * np.var(without))
    # Where the input of the compressor is cut does not change its output by more than a few bytes. 2.093: Student's
    # distribution with 19 degrees of freedom.
    assert (low, high) == pytest.approx((value - 2.093 * deviation, value + 2.093 * deviation), rel=2e-3)


def test_spread_of_embeddings_equals_the_mean_of_all_distances():
    embeddings = np.random.default_rng(0).normal(0.5, 1, (12, 5))

    value, low, high = embedding_spread(embeddings)

    assert value == pytest.approx(pdist(embeddings, "cosine").mean(), abs=1e-12)
    without = [pdist(np.delete(embeddings, place, axis=0), "cosine").mean() for place in range(12)]
    half = 2.200985 * math.sqrt(11 * np.var(without))  # Student's distribution with 11 degrees of freedom
    assert (low, high) == pytest.approx((value - half, value + half), abs=1e-6)


def test_spread_of_few_embeddings():
    # Two articles have the same direction, the third is at a right angle: distances 0, 1 and 1.
    assert embedding_spread(np.array([[1.0, 0], [0, 2], [3, 0]]))[0] == pytest.approx(2 / 3, abs=1e-12)
    value, low, _ = embedding_spread(np.array([[1.0, 0], [-1, 0]]))
    assert value == pytest.approx(2, abs=1e-12) and math.isnan(low)
    assert math.isnan(embedding_spread(np.ones((1, 3)))[0])


def test_embeddings_are_means_over_the_tokens_of_one_text_at_a_time(encoder: TextClassifier, cpu: JobCompute):
    # Texts of very different lengths, which are padded, and one that is cut.
    texts = ["The vote.", *TEXTS[:5], "Budget falls in spring and now"]

    found = embed_texts(encoder, texts, 32, cpu)

    for row, text in zip(found, texts, strict=True):
        batch = encoder.tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        with torch.no_grad():
            expected = encoder.model.base_model(**batch).last_hidden_state[0].mean(dim=0).numpy()
        # Padding changes the order of float32 sums.
        assert row == pytest.approx(expected, abs=1e-5)


def test_table_has_every_measure_and_its_articles(folder: Path, tmp_path: Path, cpu: JobCompute):
    rows = measure([*TEXTS[:27], "one two.", " ... ", ""], folder, tmp_path / "out.parquet", cpu)

    assert tuple(rows) == DIVERSITY_MEASURES
    counts = {name: row["articles"] for name, row in rows.items()}
    assert counts["distinct_1"] == counts["compression_ratio"] == counts["embedding_spread"] == 28
    assert counts["distinct_3"] == counts["entropy_3"] == counts["repeated_4"] == 27
    assert counts["words"] == 30
    # Punctuation between white space counts as a word of English.
    assert rows["words"]["value"] == pytest.approx((27 * 56 + 2 + 1) / 30)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())


def test_loops_and_varied_texts_differ_in_every_measure_of_repetition(folder: Path, tmp_path: Path, cpu: JobCompute):
    varied, loops = (measure(texts, folder, tmp_path / "out.parquet", cpu) for texts in (TEXTS, LOOPS))

    for name in ("distinct_1", "distinct_2", "distinct_3", "entropy_2", "entropy_3", "embedding_spread"):
        assert loops[name]["high"] < varied[name]["low"], name
    for name in ("repeated_4", "self_bleu", "compression_ratio"):
        assert loops[name]["low"] > varied[name]["high"], name


def test_versions_have_the_same_sample_for_self_bleu(folder: Path, tmp_path: Path, cpu: JobCompute):
    # All copies of one text: any other article among the sample would lower self-BLEU from 1.
    sample = set(np.random.default_rng(4).permutation(30)[:10].tolist())
    texts = [TEXTS[0] if place in sample else TEXTS[place] for place in range(30)]

    same, other = (
        measure(texts, folder, tmp_path / "out.parquet", cpu, seed=seed)["self_bleu"]["value"] for seed in (4, 5)
    )

    assert same == pytest.approx(1, abs=1e-12)
    assert other < 0.99


def test_same_articles_in_another_order_give_the_same_bytes(folder: Path, tmp_path: Path, cpu: JobCompute):
    measure(TEXTS, folder, tmp_path / "a.parquet", cpu)
    rows = read_table(tmp_path / "a.articles.parquet", GENERATED_ARTICLES).to_pylist()[::-1]
    write_table(pa.Table.from_pylist(rows, GENERATED_ARTICLES), tmp_path / "b.parquet", GENERATED_ARTICLES)
    settings, out = Diversity(drawn=200, sample=10), tmp_path / "c.parquet"

    measure_diversity(tmp_path / "b.parquet", SelectedEncoder(folder, LABELS), out, settings, CLASSIFIER, 4, cpu)

    assert out.read_bytes() == (tmp_path / "a.parquet").read_bytes()


def test_real_articles_can_be_measured_too(folder: Path, tmp_path: Path, cpu: JobCompute):
    expected = measure(TEXTS, folder, tmp_path / "a.parquet", cpu)
    rows = [
        {"article_id": f"a{place:02d}", "title": "other", "body": text, "label": "up"}
        for place, text in enumerate(TEXTS)
    ]
    write_table(pa.Table.from_pylist(rows, ARTICLES), tmp_path / "seed.parquet", ARTICLES)
    settings, out = Diversity(drawn=200, sample=10), tmp_path / "c.parquet"

    measure_diversity(tmp_path / "seed.parquet", SelectedEncoder(folder, LABELS), out, settings, CLASSIFIER, 4, cpu)

    assert {row["measure"]: row for row in read_table(out, DIVERSITY).to_pylist()} == expected


def test_columns_of_the_metrics_table(folder: Path, tmp_path: Path, cpu: JobCompute):
    rows = measure(TEXTS, folder, tmp_path / "out.parquet", cpu, drawn=10**6)

    columns = diversity_columns(tmp_path / "out.parquet")

    assert list(columns)[:3] == ["distinct_1", "distinct_1_low", "distinct_1_high"]
    assert len(columns) == 3 * len(DIVERSITY_MEASURES)
    assert columns["distinct_1"] is None and columns["distinct_1_low"] is None
    assert columns["words_high"] == rows["words"]["high"]


def test_no_article_has_a_word(folder: Path, tmp_path: Path, cpu: JobCompute):
    rows = measure(["", " . "], folder, tmp_path / "out.parquet", cpu)

    assert {name for name, row in rows.items() if row["value"] is not None} <= set(ARTICLE_MEASURES)
    assert rows["words"]["value"] == 0.5
