"""Tables like those of a study: 6 rounds of 11 generations, three labels, the neurons of a small model."""

import datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from bias_amplification.artifacts import schemas, write_table
from bias_amplification.artifacts.schemas.diversity import DIVERSITY_MEASURES
from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE

LABELS = ("red", "green", "blue")
ROUNDS = (
    "balanced_synthetic",
    "balanced_overfitting",
    "balanced_preservation",
    "balanced_accumulation",
    "green_synthetic",
    "green_preservation",
)
GENERATIONS = 11
ARTICLES = 300


def make_metrics() -> pd.DataFrame:
    """Return a metrics table in which all numbers differ, so that tests notice swapped columns or rounds."""
    rows = []
    for seed_set in ("balanced", "green"):
        rows.append(_metrics_row("base", None, seed_set, None, np.array([0.05, 0.48, 0.47]), 2.41, 9.0))
    for place, name in enumerate(ROUNDS):
        seed_set, strategy = name.split("_")
        mild = strategy in ("preservation", "accumulation")
        for generation in range(GENERATIONS):
            red = 0.11 - 0.006 * generation + 0.002 * place
            blue = 0.50 + 0.016 * generation * (0.3 if mild else 1.0) + 0.004 * place
            quality = 2.35 - generation * (0.012 if mild else 0.07) - 0.01 * place
            perplexity = 8.0 * np.exp(-generation * (0.03 if mild else 0.09)) + 0.05 * place
            shares = np.array([red, 1 - red - blue, blue])
            rows.append(_metrics_row(name, generation, seed_set, strategy, shares, quality, perplexity))
    table = pa.Table.from_pandas(pd.DataFrame(rows), schema=schemas.metrics(LABELS), preserve_index=False)
    return table.to_pandas()


def _metrics_row(name, generation, seed_set, strategy, shares, quality, perplexity) -> dict:
    row = {
        "round": name,
        "replicate": 1,
        "generation": generation,
        "seed_set": seed_set,
        "strategy": strategy,
        "decoding": None if generation is None else "greedy",
        "tracked_label": None if generation is None else "blue",
        "articles": ARTICLES,
        "labelled": ARTICLES,
    }
    for label, share in zip(LABELS, shares, strict=True):
        half = 1.96 * np.sqrt(share * (1 - share) / ARTICLES)
        row |= _numbers(f"share_{label}", share, half) | _numbers(f"mean_probability_{label}", share + 0.001, half)
        for place, measure in enumerate(schemas.ROBUST_MEASURES):
            row |= _numbers(f"{measure}_{label}", share - 0.002 * (place + 1), half)
    row |= _numbers("agreement", 0.8 + 0.1 * shares[0], 0.05)
    row |= {"adjusted_misfit": 0.1 * shares[2], "articles_readable": round(ARTICLES * quality / 3)}
    row |= _numbers("text_quality_index", quality, 0.04) | _numbers("text_quality_index_weighted", quality - 0.2, 0.04)
    row |= _numbers("perplexity_base", perplexity, 0.15)
    for label, share in zip(LABELS, shares, strict=True):
        row |= _numbers(f"{LEXICON_SHARE}_{label}", share - 0.02, 0.05)
    row |= {"articles_lexicon": ARTICLES // 2} | _numbers("agreement_lexicon", 0.9 - 0.1 * shares[0], 0.03)
    for place, measure in enumerate(DIVERSITY_MEASURES, start=1):
        row |= _numbers(measure, 0.05 * place + 0.01 * quality, 0.02)
    for place, kind in enumerate((*schemas.DEGENERATE_KINDS, "degenerate", "readable"), start=1):
        row |= _numbers(kind, 0.1 * place + 0.001 * quality, 0.02)
    return row | _numbers("perplexity_generating", perplexity * 0.6, 0.1)


def _numbers(name: str, value: float, half: float) -> dict:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def make_neurons() -> pd.DataFrame:
    """Return correlations and p-values of 4 layers of 64 neurons. Neuron 5 never changed and has none."""
    generator = np.random.default_rng(0)
    parts = []
    for measure in ("weight", "activation"):
        for outcome in ("bias", "quality"):
            part = pd.DataFrame({"layer": np.repeat(np.arange(4), 64), "neuron": np.tile(np.arange(64), 4)})
            part["measure"], part["outcome"] = measure, outcome
            part["pearson"] = np.tanh(generator.normal(0.1 * (measure == "weight"), 0.6, len(part)))
            power = 2.0 if outcome == "bias" else 1.0
            part["p_value"] = generator.uniform(size=len(part)) ** power
            part.loc[5, ["pearson", "p_value"]] = np.nan
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def make_sets() -> pd.DataFrame:
    """Return counts of section 4.4, with the published numbers. The second overlap has no probability."""
    return pd.DataFrame(
        {
            "measure": ["weight", "activation"],
            "column": ["weight_mean", "activation_ffn"],
            "difference": "within",
            "reference": "t",
            "rows": 60,
            "lags": 1,
            "lags_plugin": 3,
            "alpha": 0.05,
            "neurons": 9216,
            "tested_bias": [9216, 9210],
            "tested_quality": [9216, 9210],
            "tested": [9216, 9210],
            "bias": [3243, 3062],
            "quality": [1033, 2],
            "both": [389, 1],
            "expected_both": [363.499, 0.665],
            "p_overlap": [0.0419, np.nan],
            "odds_ratio": [1.128, np.nan],
            "odds_ratio_low": [0.984, np.nan],
            "odds_ratio_high": [1.292, np.nan],
            "true_nulls_bias": [0.6, 0.7],
            "true_nulls_quality": [0.9, 1.0],
            **{f"{name}_by": [count, 0] for name, count in (("bias", 1176), ("quality", 1), ("both", 0))},
            **{f"{name}_bonferroni": [count, 0] for name, count in (("bias", 635), ("quality", 1), ("both", 0))},
            "bias_bh": [2252, 1500],
            "quality_bh": [24, 0],
            "both_bh": [11, 0],
            "bias_plugin": [3300, 3100],
            "quality_plugin": [1100, 3],
            "both_plugin": [400, 1],
        }
    )


def make_beta() -> pd.DataFrame:
    """Return the closed form of the weighted loop, and a plain loop that stays near Beta(2, 2)."""
    rows = [("weighted", k, 1 + 3.0 * 2**k, 1 + 2.0 * 2**k) for k in range(11)]
    rows += [("plain", k, 2 + 0.01 * k, 2 - 0.005 * k) for k in range(11)]
    table = pd.DataFrame(rows, columns=["method", "generation", "a", "b"])
    law = stats.beta(table["a"], table["b"])
    return table.assign(mean=law.mean(), standard_deviation=law.std(), closed_form_a=table["a"], closed_form_b=2.0)


@pytest.fixture
def labels() -> tuple[str, ...]:
    return LABELS


@pytest.fixture
def metrics() -> pd.DataFrame:
    return make_metrics()


@pytest.fixture
def metrics_file(tmp_path, metrics):
    path = tmp_path / "metrics.parquet"
    write_table(pa.Table.from_pandas(metrics, schema=schemas.metrics(LABELS)), path, schemas.metrics(LABELS))
    return path


@pytest.fixture
def neurons() -> pd.DataFrame:
    return make_neurons()


@pytest.fixture
def sets() -> pd.DataFrame:
    return make_sets()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table with its declared schema and returns the file."""

    def write_as(table, name, schema):
        write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False), tmp_path / name, schema)
        return tmp_path / name

    return write_as


@pytest.fixture
def validity(write):
    """Return a function that writes the calibration, with a rate of "count of bias", and returns its arguments."""
    from reliability_tables import make_calibration, make_world

    def write_both(rejected=0.05):
        return {
            "calibration_file": write(make_calibration(rejected), "calibration.parquet", schemas.NEURON_CALIBRATION),
            "world_file": write(make_world(), "world.parquet", schemas.NEURON_WORLD),
        }

    return write_both


@pytest.fixture
def beta() -> pd.DataFrame:
    return make_beta()


SCRIPT = "<script>alert('x')</script> & <img src=x onerror=alert(1)>"


@pytest.fixture
def script() -> str:
    return SCRIPT


@pytest.fixture
def round_files(tmp_path):
    """A seed set of two articles, and the tables of a round of three generations in the layout of a run."""
    articles = [
        {"article_id": name, "event_id": None, "outlet": "Daily", "date": datetime.date(2016, 1, 2), "title": title,
         "body": f"Body of {name}. {SCRIPT}", "label": label}
        for name, title, label in (("a1", f"First {SCRIPT}", "red"), ("a2", "Second", "blue"))
    ]  # fmt: skip
    write_table(pa.Table.from_pylist(articles, schemas.ARTICLES), tmp_path / "seed.parquet", schemas.ARTICLES)
    files = []
    for generation in range(3):
        rows = {"articles": [], "predictions": [], "quality": [], "perplexity": []}
        for place, name in enumerate(("a1", "a2")):
            red = 0.1 + 0.2 * generation + 0.01 * place
            rows["articles"].append({
                "article_id": name, "title": name, "head": "", "text": f"Text {generation} of {name}. {SCRIPT}\nEnd",
                "prompts": 2, "new_tokens": 100,
            })  # fmt: skip
            rows["predictions"].append({
                "article_id": name, "predicted": "red", "probability_red": red, "probability_green": 0.3,
                "probability_blue": 0.7 - red,
            })  # fmt: skip
            quality = 2.5 - 0.5 * generation - 0.1 * place
            rows["quality"].append({"article_id": name, "sentences": 9, "quality": quality})
            rows["perplexity"].append({
                "article_id": name, "tokens": 100, "perplexity_base": 20.0 / (1 + generation),
                "perplexity_generating": None if generation == 2 else 10.0 / (1 + generation),
            })  # fmt: skip
        kinds = {
            "articles": schemas.GENERATED_ARTICLES,
            "predictions": schemas.predictions(LABELS),
            "quality": schemas.QUALITY,
            "perplexity": schemas.PERPLEXITY,
        }
        for kind, schema in kinds.items():
            path = tmp_path / f"generation_{generation:02d}" / f"{kind}.parquet"
            write_table(pa.Table.from_pylist(rows[kind], schema), path, schema)
            files.append(path)
    return SimpleNamespace(seed_set=tmp_path / "seed.parquet", generations=files)
