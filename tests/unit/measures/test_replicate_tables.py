import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from bias_amplification.artifacts import read_table, write_table
from bias_amplification.artifacts.schemas import metrics as metrics_schema
from bias_amplification.artifacts.schemas.contrasts import means
from bias_amplification.measures.replicates import collect_means, over_replicates

LABELS = ("left", "right")


def make_metrics(replicates=3):
    """Return the metrics of two generations of one round and of the base model, all numbers different."""
    schema = metrics_schema(LABELS)
    generator = np.random.default_rng(0)
    rows = []
    for name, generation in (("base", None), ("balanced_synthetic", 0), ("balanced_synthetic", 1)):
        for replicate in range(1, replicates + 1):
            row = {field.name: None for field in schema}
            row |= {"round": name, "replicate": replicate, "generation": generation, "seed_set": "balanced"}
            row |= {
                "articles": 300,
                "labelled": 290,
                "articles_readable": 200 + replicate,
                "adjusted_misfit": 0.01 * replicate,
            }
            if generation is not None:
                row |= {"strategy": "synthetic", "decoding": "greedy", "tracked_label": "right"}
            for column in schema.names:
                if f"{column}_low" in schema.names:
                    value = generator.uniform(0.4, 0.6) + 10 * column.startswith("perplexity")
                    row |= {column: value, f"{column}_low": value - 0.02, f"{column}_high": value + 0.03}
            rows.append(row)
    return pa.Table.from_pylist(rows, schema)


def test_means_have_the_t_interval_between_replicates(tmp_path):
    table = make_metrics()
    write_table(table, tmp_path / "metrics.parquet", table.schema)

    collect_means(tmp_path / "metrics.parquet", tmp_path / "means.parquet", LABELS)

    found = read_table(tmp_path / "means.parquet", means(LABELS)).to_pandas()
    metrics = table.to_pandas()
    assert found["round"].tolist() == ["base", "balanced_synthetic", "balanced_synthetic"]
    assert found["generation"].isna().tolist() == [True, False, False]
    assert found["replicates"].tolist() == [3, 3, 3]
    assert found["articles_readable"].tolist() == [202, 202, 202]
    np.testing.assert_allclose(found["adjusted_misfit"], 0.02)
    rows = metrics[metrics["generation"] == 1]
    for name in ("share_right", "mean_probability_calibrated_left", "agreement"):
        low, high = stats.ttest_1samp(rows[name], 0).confidence_interval()
        row = found.iloc[2]
        assert row[name] == pytest.approx(rows[name].mean())
        # The intervals over articles, divided by the root of 3, are narrower in these data.
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((max(low, 0), min(high, 1)))
        assert row[f"{name}_replicates"] == 3


def test_equal_replicates_leave_the_articles_interval():
    metrics = make_metrics().to_pandas()
    for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.7)):
        metrics[f"share_right{end}"] = value

    row = over_replicates(metrics).iloc[2]

    assert (row["share_right_low"], row["share_right_high"]) == pytest.approx((0.5 - 0.1 / 3**0.5, 0.5 + 0.2 / 3**0.5))


def test_intervals_end_at_the_ends_of_the_scale():
    metrics = make_metrics(2).to_pandas()
    of_last = metrics["generation"] == 1
    metrics.loc[of_last, "share_right"] = [0.9, 1.0]
    metrics.loc[of_last, "text_quality_index"] = [0.1, 2.9]
    metrics.loc[of_last, "perplexity_base"] = [2.0, 50.0]

    row = over_replicates(metrics).iloc[2]

    assert row["share_right_high"] == 1
    assert (row["text_quality_index_low"], row["text_quality_index_high"]) == (0, 3)
    assert row["perplexity_base_low"] == 1
    assert row["perplexity_base_high"] == pytest.approx(26 + 12.7062 * 24, rel=1e-5)


def test_missing_values_are_left_out_and_counted():
    metrics = make_metrics().to_pandas()
    of_last = metrics["generation"] == 1
    columns = ["share_readable_right", "share_readable_right_low", "share_readable_right_high"]
    metrics.loc[of_last & (metrics["replicate"] > 1), columns] = np.nan
    metrics.loc[of_last, ["agreement", "agreement_low", "agreement_high"]] = np.nan

    row = over_replicates(metrics).iloc[2]

    [known] = metrics.loc[of_last & (metrics["replicate"] == 1), columns].to_numpy()
    assert row[columns].to_numpy(dtype=float) == pytest.approx(known)
    assert (row["share_readable_right_replicates"], row["agreement_replicates"], row["replicates"]) == (1, 0, 3)
    assert row[["agreement", "agreement_low", "agreement_high"]].isna().all()


def test_one_replicate_stays_as_it_is():
    metrics = make_metrics(1).to_pandas()

    found = over_replicates(metrics)

    same = [name for name in metrics.columns if name != "replicate"]
    pd.testing.assert_frame_equal(found[same], metrics[same], check_dtype=False, rtol=1e-12)
