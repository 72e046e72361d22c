"""The analysis from files to files."""

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy.stats import pearsonr

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import (
    NEURON_CORRELATIONS,
    NEURON_REGRESSION,
    NEURON_SETS,
    NEURONS,
    metrics,
)
from bias_amplification.neurons.analyse import analyse_neurons
from bias_amplification.neurons.panel import assemble_panel, read_outcomes, stream_layers

LABELS = ["red", "blue"]
TRACKED = {"first": "red", "second": "blue"}
GENERATIONS, LAYERS, WIDTH = 7, 2, 5


def write_study(folder, seed=0, quality=None):
    """Two rounds that share their generation 0, and the base model, in tables."""
    generator = np.random.default_rng(seed)
    versions = [(name, generation) for name in TRACKED for generation in range(GENERATIONS)]
    rows, paths, values = [], [], []
    walk = generator.normal(size=(len(versions), LAYERS * WIDTH, 4)).cumsum(axis=0)
    walk[:, 3] = 0.25  # a neuron that never changes
    walk[GENERATIONS] = walk[0]
    for index, (name, generation) in enumerate(versions):
        rows.append(metrics_row(generator, name, generation, TRACKED[name], quality))
        path = folder / f"{name}_{generation}.parquet"
        if (name, generation) == ("second", 0):
            path = paths[0]
            rows[-1] = rows[0] | {"round": name, "tracked_label": TRACKED[name]}
        else:
            write_neurons(path, walk[index])
        paths.append(path)
        values.append(walk[index])
    rows.insert(0, metrics_row(generator, "base", None, None, quality))
    write_table(pa.Table.from_pylist(rows, schema=metrics(LABELS)), folder / "metrics.parquet", metrics(LABELS))
    return versions, paths, rows[1:], np.array(values)


def metrics_row(generator, name, generation, tracked, quality):
    row = {"round": name, "generation": generation, "seed_set": "s", "tracked_label": tracked, "articles": 10}
    for column in metrics(LABELS).names:
        if column.startswith(("share_", "mean_probability_", "text_quality_index")):
            row[column] = float(generator.random())
    if quality is not None:
        row["text_quality_index"] = quality
    return row


def write_neurons(path, values, layers=LAYERS):
    """`values` is [neurons, 4 columns]."""
    columns = {"layer": np.repeat(np.arange(layers, dtype=np.int16), len(values) // layers)}
    columns["neuron"] = np.tile(np.arange(len(values) // layers, dtype=np.int32), layers)
    columns |= dict(zip(NEURONS.names[2:], values.T, strict=True))
    write_table(pa.table(columns), path, NEURONS)


def analyse(folder, versions, paths, *, bias_label=None, alpha=0.05, choices=None, **test):
    out = [folder / "neurons" / f"{name}.parquet" for name in ("correlations", "regression", "sets")]
    panel = folder / "neurons" / "panel.parquet"
    assemble_panel(folder / "metrics.parquet", panel, versions=versions, labels=LABELS, bias_label=bias_label)
    analyse_neurons(panel, paths, *out, test=test, alpha=alpha, **(choices or {}))
    schemas = (NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS)
    return [read_table(path, schema).to_pandas() for path, schema in zip(out, schemas, strict=True)]


def test_tables_hold_what_one_regression_at_a_time_gives(tmp_path):
    versions, paths, rows, values = write_study(tmp_path)

    correlations, regression, sets = analyse(tmp_path, versions, paths, lags=1)

    bias = np.array([row[f"share_{row['tracked_label']}"] for row in rows])
    quality = np.array([row["text_quality_index"] for row in rows])
    inside = np.arange(len(versions) - 1) != GENERATIONS - 1  # the step from one round to the other
    groups = np.repeat([0, 1], GENERATIONS - 1)
    keys = ["measure", "outcome", "layer", "neuron"]
    correlations, regression = correlations.set_index(keys), regression.set_index(keys)
    assert len(correlations) == len(regression) == 2 * 2 * LAYERS * WIDTH
    for measure, column in (("weight", 0), ("activation", 2)):
        for outcome, y in (("bias", bias), ("quality", quality)):
            for neuron in range(LAYERS * WIDTH):
                key = (measure, outcome, neuron // WIDTH, neuron % WIDTH)
                x = values[:, neuron, column]
                if neuron == 3:
                    assert np.isnan(correlations.loc[key, "pearson"])
                    assert np.isnan(regression.loc[key, "p_value"])
                    assert regression.loc[key, "reason"] == "constant neuron"
                    continue
                model = sm.OLS(np.diff(y)[inside], sm.add_constant(np.diff(x)[inside]))
                fits = [
                    model.fit(
                        cov_type="hac-panel",
                        cov_kwds={"groups": groups, "maxlags": n, "use_correction": "hac", "df_correction": False},
                        use_t=True,
                    )
                    for n in (1, 2)  # the plug-in rule gives floor(4 (12 / 100)^(2/9)) = 2
                ]
                expected = [fits[0].params[1], fits[0].bse[1], fits[0].tvalues[1], fits[0].pvalues[1]]
                expected += [fits[1].bse[1], fits[1].pvalues[1]]
                found = regression.loc[key, list(NEURON_REGRESSION.names[4:10])].to_numpy(dtype=float)
                np.testing.assert_allclose(found, expected, rtol=1e-9)
                assert correlations.loc[key, "pearson"] == pytest.approx(pearsonr(x, y).statistic, rel=1e-9)
    sets = sets.set_index("measure")
    assert sets["column"].to_dict() == {"weight": "weight_mean", "activation": "activation_ffn"}
    assert sets["rows"].tolist() == [12, 12]
    assert sets["tested"].tolist() == [LAYERS * WIDTH - 1] * 2


def test_counts_are_those_of_the_regression_table(tmp_path):
    versions, paths, _, _ = write_study(tmp_path, seed=4)

    _, regression, sets = analyse(tmp_path, versions, paths, alpha=0.4, lags=0)

    for row in sets.itertuples():
        wide = regression[regression["measure"] == row.measure].pivot(
            index=["layer", "neuron"], columns="outcome", values=["p_value", "p_value_plugin"]
        )
        chosen = wide < 0.4
        assert row.bias == chosen["p_value", "bias"].sum() > 0
        assert row.quality == chosen["p_value", "quality"].sum() > 0
        assert row.both == (chosen["p_value", "bias"] & chosen["p_value", "quality"]).sum()
        assert row.bias_plugin == chosen["p_value_plugin", "bias"].sum()
        assert row.quality_plugin == chosen["p_value_plugin", "quality"].sum()
        assert row.expected_both == pytest.approx(row.bias * row.quality / row.tested)
        assert 0 < row.p_overlap <= 1
        assert row.bias_bh <= row.bias
        assert (row.lags, row.lags_plugin) == (0, 2)


def test_an_outcome_that_cannot_be_tested_leaves_the_other_standing(tmp_path):
    versions, paths, _, _ = write_study(tmp_path, quality=2.5)

    _, regression, sets = analyse(tmp_path, versions, paths, alpha=0.4)

    reasons = regression[regression["outcome"] == "quality"]["reason"].value_counts().to_dict()
    assert reasons == {"constant outcome": 2 * (LAYERS * WIDTH - 1), "constant neuron": 2}
    assert sets["tested_bias"].tolist() == [9, 9]
    assert sets["tested_quality"].tolist() == sets["tested"].tolist() == [0, 0]
    assert sets["bias"].sum() > 0
    assert sets["p_overlap"].isna().all()


def test_two_analyses_give_the_same_bytes(tmp_path):
    versions, paths, _, _ = write_study(tmp_path)
    files = [tmp_path / "neurons" / f"{name}.parquet" for name in ("correlations", "regression", "sets")]

    analyse(tmp_path, versions, paths)
    first = [file.read_bytes() for file in files]
    analyse(tmp_path, versions, paths)

    assert [file.read_bytes() for file in files] == first


def test_other_columns_and_one_label_for_all_rounds(tmp_path):
    versions, paths, rows, values = write_study(tmp_path)

    correlations, _, sets = analyse(
        tmp_path,
        versions,
        paths,
        bias_label="blue",
        choices={"weight": "l2", "activation": "block", "bias": "mean_probability", "quality": "weighted"},
    )

    outcomes = {"bias": "mean_probability_blue", "quality": "text_quality_index_weighted"}
    for measure, column in (("weight", 1), ("activation", 3)):
        for outcome, name in outcomes.items():
            chosen = (correlations["measure"] == measure) & (correlations["outcome"] == outcome)
            expected = pearsonr(values[:, 0, column], [row[name] for row in rows]).statistic
            assert correlations[chosen]["pearson"].iloc[0] == pytest.approx(expected, rel=1e-9)
    assert sets["column"].tolist() == ["weight_l2", "activation_block"]


def test_a_version_missing_from_the_metrics_is_named(tmp_path):
    versions, paths, _, _ = write_study(tmp_path)

    with pytest.raises(StudyError, match=r"metrics\.parquet has no row for generation 7 of round 'second'"):
        analyse(tmp_path, [*versions, ("second", GENERATIONS)], [*paths, paths[-1]])


def test_a_label_outside_the_set_is_named(tmp_path):
    versions, paths, _, _ = write_study(tmp_path)

    with pytest.raises(StudyError, match="label 'green': the labels are red, blue"):
        analyse(tmp_path, versions, paths, bias_label="green")


def test_a_panel_of_another_study_is_named(tmp_path):
    versions, paths, _, _ = write_study(tmp_path)
    panel = tmp_path / "panel.parquet"
    assemble_panel(tmp_path / "metrics.parquet", panel, versions=versions, labels=LABELS)

    with pytest.raises(StudyError, match=r"panel\.parquet has 14 versions and the study 13"):
        read_outcomes(panel, len(paths) - 1)


def test_a_table_of_another_model_is_named(tmp_path):
    _, paths, _, values = write_study(tmp_path)
    write_neurons(paths[3], values[3], layers=1)

    with pytest.raises(StudyError, match=r"first_3\.parquet has not the layers and neurons of .*first_0\.parquet"):
        list(stream_layers(paths, ["weight_mean"]))


def test_a_missing_table_is_named(tmp_path):
    _, paths, _, _ = write_study(tmp_path)
    paths[2].unlink()

    with pytest.raises(StudyError, match=r"first_2\.parquet does not exist"):
        list(stream_layers(paths, ["weight_mean"]))


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_layers_come_whole_in_the_order_given(tmp_path, at_once):
    _, paths, _, values = write_study(tmp_path)

    parts = list(stream_layers(paths[::-1], ["weight_l2", "activation_block"], at_once))

    assert len(parts) == (1 if at_once == 10**6 else LAYERS)
    found = np.concatenate([part.values["weight_l2"] for part in parts], axis=1)
    np.testing.assert_array_equal(found, values[::-1, :, 1])
    found = np.concatenate([part.values["activation_block"] for part in parts], axis=1)
    np.testing.assert_array_equal(found, values[::-1, :, 3])
    assert [number for part in parts for number, _ in part.each()] == [0, 1]
    assert (
        np.concatenate([part.neuron[place] for part in parts for _, place in part.each()]).tolist()
        == [*range(WIDTH)] * 2
    )


def test_memory_for_few_layers_gives_the_same_bytes(tmp_path, monkeypatch):
    versions, paths, _, _ = write_study(tmp_path)
    files = [tmp_path / "neurons" / f"{name}.parquet" for name in ("correlations", "regression", "sets")]
    analyse(tmp_path, versions, paths)
    first = [file.read_bytes() for file in files]

    monkeypatch.setattr(stream_layers, "__defaults__", (1,))
    analyse(tmp_path, versions, paths)

    assert [file.read_bytes() for file in files] == first
