"""Correlations, regressions and sets of neurons, from files to files."""

import numpy as np
import pytest
import statsmodels.api as sm
from random_studies import LAYERS, list_versions, write_panel, write_study
from scipy.stats import pearsonr

from bias_amplification.artifacts import read_table
from bias_amplification.artifacts.schemas import NEURON_CORRELATIONS, NEURON_REGRESSION, NEURON_SETS
from bias_amplification.neurons.analyse import AnalysisFiles, analyse_batches, analyse_neurons
from bias_amplification.neurons.panel import read_outcomes, stream_batches
from bias_amplification.study.sections import Neurons, Quality

ROUNDS, GENERATIONS, WIDTH = 2, 7, 5


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), rounds=ROUNDS, generations=GENERATIONS, width=WIDTH)


def analyse(study, out, settings, quality="class"):
    schemas = {"correlations": NEURON_CORRELATIONS, "regression": NEURON_REGRESSION, "sets": NEURON_SETS}
    files = AnalysisFiles(**{name: out / f"{name}.parquet" for name in schemas})
    analyse_neurons(study.panel, study.neurons, files, settings, Quality(score=quality))
    return [read_table(file, schema).to_pandas() for file, schema in zip(files, schemas.values(), strict=True)]


def fit_with_statsmodels(x, y, lags):
    """Regress changes within rounds: estimate, standard error, statistic and p-value."""
    inside = np.arange(ROUNDS * GENERATIONS - 1) != GENERATIONS - 1  # without the step between rounds
    groups = np.repeat(np.arange(ROUNDS), GENERATIONS - 1)
    keywords = {"groups": groups, "maxlags": lags, "use_correction": "hac", "df_correction": False}
    model = sm.OLS(np.diff(y)[inside], sm.add_constant(np.diff(x)[inside]))
    fit = model.fit(cov_type="hac-panel", cov_kwds=keywords, use_t=True)
    return [fit.params[1], fit.bse[1], fit.tvalues[1], fit.pvalues[1]]


def test_tables_equal_one_regression_at_a_time(study, tmp_path):
    correlations, regression, sets = analyse(study, tmp_path, Neurons(lags=1, fixed_effects="none"))

    keys = ["measure", "outcome", "layer", "neuron"]
    correlations, regression = correlations.set_index(keys), regression.set_index(keys)
    assert len(correlations) == len(regression) == 2 * 2 * LAYERS * WIDTH
    for measure, column in (("weight", 0), ("activation", 2)):
        for outcome, y in (("bias", study.outcomes["share"]), ("quality", study.outcomes["quality_class"])):
            for neuron in range(LAYERS * WIDTH):
                key = (measure, outcome, neuron // WIDTH, neuron % WIDTH)
                x = study.values[:, neuron, column]
                if neuron == 3:
                    assert np.isnan(correlations.loc[key, "pearson"])
                    assert np.isnan(regression.loc[key, "p_value"])
                    assert regression.loc[key, "reason"] == "constant neuron"
                    continue
                plugin = fit_with_statsmodels(x, y, lags=2)  # floor(4 (12 / 100)^(2/9))
                expected = [*fit_with_statsmodels(x, y, lags=1), plugin[1], plugin[3]]
                found = regression.loc[key, list(NEURON_REGRESSION.names[4:10])].to_numpy(dtype=float)
                np.testing.assert_allclose(found, expected, rtol=1e-9)
                assert correlations.loc[key, "pearson"] == pytest.approx(pearsonr(x, y).statistic, rel=1e-9)
    sets = sets.set_index("measure")
    assert sets["column"].to_dict() == {"weight": "weight_mean", "activation": "activation_ffn"}
    assert sets["rows"].tolist() == [12, 12]
    assert sets["tested"].tolist() == [LAYERS * WIDTH - 1] * 2


def test_sets_count_the_regression_table(study, tmp_path):
    _, regression, sets = analyse(study, tmp_path, Neurons(alpha=0.4, lags=0))

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


def test_a_constant_outcome_does_not_affect_the_other(study, tmp_path):
    constant = np.full(ROUNDS * GENERATIONS, 2.5)
    panel = tmp_path / "panel.parquet"
    outcomes = {**study.outcomes, "quality_class": constant}
    write_panel(panel, list_versions(ROUNDS, GENERATIONS), outcomes)

    _, regression, sets = analyse(study._replace(panel=panel), tmp_path, Neurons(alpha=0.4))

    reasons = regression[regression["outcome"] == "quality"]["reason"].value_counts().to_dict()
    assert reasons == {"constant outcome": 2 * (LAYERS * WIDTH - 1), "constant neuron": 2}
    assert sets["tested_bias"].tolist() == [9, 9]
    assert sets["tested_quality"].tolist() == sets["tested"].tolist() == [0, 0]
    assert sets["bias"].sum() > 0
    assert sets["p_overlap"].isna().all()


def test_two_analyses_give_the_same_bytes(study, tmp_path):
    for run in "ab":
        analyse(study, tmp_path / run, Neurons())

    for name in ("correlations", "regression", "sets"):
        first, second = (tmp_path / run / f"{name}.parquet" for run in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_other_measures_take_other_columns(study, tmp_path):
    settings = Neurons(weight="l2", activation="block", bias="mean_probability")

    correlations, _, sets = analyse(study, tmp_path, settings, quality="weighted")

    for measure, column in (("weight", 1), ("activation", 3)):
        for outcome, name in (("bias", "mean_probability"), ("quality", "quality_weighted")):
            chosen = (correlations["measure"] == measure) & (correlations["outcome"] == outcome)
            expected = pearsonr(study.values[:, 0, column], study.outcomes[name]).statistic
            assert correlations[chosen]["pearson"].iloc[0] == pytest.approx(expected, rel=1e-9)
    assert sets["column"].tolist() == ["weight_l2", "activation_block"]


def test_the_size_of_batches_does_not_matter(study):
    outcomes, columns = read_outcomes(study.panel, len(study.neurons)), ["weight_mean", "activation_ffn"]

    whole, parts = (
        analyse_batches(stream_batches(study.neurons, columns, at_once), outcomes, Neurons(), Quality())
        for at_once in (10**6, 1)
    )

    np.testing.assert_array_equal(whole[0], parts[0])
    assert whole[1].keys() == parts[1].keys()
    for key, expected in whole[1].items():
        np.testing.assert_array_equal(parts[1][key].pearson, expected.pearson)
        for name in ("estimate", "standard_error", "p_value", "reason"):
            for found, slopes in ((parts[1][key].slopes, expected.slopes), (parts[1][key].plugin, expected.plugin)):
                np.testing.assert_array_equal(getattr(found, name), getattr(slopes, name))
