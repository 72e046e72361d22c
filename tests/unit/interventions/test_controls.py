"""Control sets: how they are drawn, and how well they are matched."""

import numpy as np
import pytest
import torch
from random_studies import write_neurons
from small_models import small_gpt2

from bias_amplification.artifacts import StudyError
from bias_amplification.interventions.controls import (
    ModelFiles,
    draw_controls,
    full_layer,
    measure_neurons,
    standardise,
)
from bias_amplification.language_model.load import save_model

LAYERS, WIDTH = 3, 60


def random_layers(seed=0, layers=LAYERS, width=WIDTH):
    """Return the layer of each neuron, and features that are correlated, of which one is far from normal."""
    generator = np.random.default_rng(seed)
    base = generator.normal(size=(layers * width, 3))
    base[:, 1] += base[:, 0]
    base[:, 2] = np.log(np.abs(generator.normal(size=len(base))) * np.exp(0.5 * base[:, 1]))
    layer = np.repeat(np.arange(layers), width)
    return layer, standardise(np.exp(base), layer)


def test_scores_are_logarithms_with_mean_0_and_deviation_1_in_each_layer():
    features = np.exp(np.random.default_rng(1).normal(3, 2, size=(20, 3)))
    features[3, 1], features[:, 2] = 0.0, 7.0
    features[5, 0] = np.nan
    layer = np.repeat([0, 1], 10)

    scores = standardise(features, layer)

    logs = np.log(features[:10, 0])
    assert scores[:10, 0] == pytest.approx(np.nan_to_num((logs - np.nanmean(logs)) / np.nanstd(logs)))
    assert scores[10:].mean(axis=0) == pytest.approx(np.zeros(3)) and scores[10:, :2].std(axis=0) == pytest.approx(1)
    # 0 counts as the smallest of all; a feature that is the same everywhere says nothing.
    floored = np.log(np.where(features[:10, 1] > 0, features[:10, 1], features[:, 1][features[:, 1] > 0].min()))
    assert scores[:10, 1] == pytest.approx((floored - floored.mean()) / floored.std())
    assert not scores[:, 2].any()


def test_a_control_has_the_sets_number_in_each_layer_and_none_of_its_neurons():
    layer, scores = random_layers()
    chosen = np.r_[0:25, 61, 120, 121]

    controls = draw_controls(chosen, layer, scores, 30, np.random.default_rng(3))

    assert controls.shape == (30, len(chosen))
    for control in controls:
        assert len(set(control)) == len(chosen) and not set(control) & set(chosen)
        assert np.bincount(layer[control]).tolist() == [25, 1, 2]
    assert len({tuple(sorted(control)) for control in controls}) == 30
    again = draw_controls(chosen, layer, scores, 30, np.random.default_rng(3))
    assert np.array_equal(controls, again)


def test_a_control_that_takes_all_other_neurons_of_a_layer_is_drawn_and_a_larger_one_is_not():
    layer, scores = random_layers(layers=1, width=10)

    control = draw_controls(np.arange(5), layer, scores, 19, np.random.default_rng(0))

    assert {tuple(sorted(one)) for one in control} == {(5, 6, 7, 8, 9)}
    assert full_layer(np.arange(5), layer) is None and full_layer(np.arange(6), layer) == 0
    assert full_layer(np.r_[0, 1, 60:91], random_layers()[0]) == 1
    with pytest.raises(ValueError, match="fewer other neurons"):
        draw_controls(np.arange(6), layer, scores, 19, np.random.default_rng(0))


def test_controls_are_balanced_where_random_neurons_are_not():
    layer, scores = random_layers(width=300)
    generator = np.random.default_rng(5)
    differences, at_random = [], []
    for _ in range(20):
        # Mostly strongly changed neurons.
        chosen = np.argsort(-(scores[:, 1] + generator.normal(size=len(scores))))[:20]
        controls = draw_controls(chosen, layer, scores, 20, generator)
        differences.append(scores[chosen].mean(axis=0) - scores[controls].mean(axis=(0, 1)))
        at_random.append(scores[chosen].mean(axis=0) - scores.mean(axis=0))

    assert np.mean(at_random, axis=0)[1] > 1
    assert np.abs(np.mean(differences, axis=0)).max() < 0.15
    # The means of a random set's features are met, in units of their deviation within a layer.
    chosen = generator.permutation(len(layer))[:20]
    controls = draw_controls(chosen, layer, scores, 20, generator)
    assert np.abs(scores[chosen].mean(axis=0) - scores[controls].mean(axis=1)).max() < 0.15


@pytest.fixture
def models(tmp_path):
    """Two models of 2 layers with 16 neurons each, and their tables."""
    files = []
    for seed in (1, 2):
        save_model(small_gpt2(seed=seed), tmp_path / f"model {seed}")
        values = np.random.default_rng(seed).normal(size=(32, 4))
        write_neurons(tmp_path / f"{seed}.parquet", values)
        files.append((ModelFiles(tmp_path / f"model {seed}", tmp_path / f"{seed}.parquet"), values))
    return files


def test_features_are_norms_of_weights_and_of_their_change_and_changes_of_means(models):
    (own, values), (other, other_values) = models

    measured = measure_neurons(own, other, "auto")

    weights = [
        torch.cat([block.mlp.c_proj.weight.T for block in small_gpt2(seed=seed).transformer.h])
        .detach()
        .double()
        .numpy()
        for seed in (1, 2)
    ]  # [neurons, inputs] each
    assert measured.layer.tolist() == [0] * 16 + [1] * 16 and measured.neuron.tolist() == [*range(16)] * 2
    assert measured.features[:, 0] == pytest.approx(np.linalg.norm(weights[0], axis=1), rel=1e-6)
    assert measured.features[:, 1] == pytest.approx(np.linalg.norm(weights[0] - weights[1], axis=1), rel=1e-6)
    assert measured.features[:, 2] == pytest.approx(np.abs(values - other_values)[:, 2])


def test_models_of_other_sizes_are_refused(models, tmp_path):
    own, other = (files for files, _ in models)
    write_neurons(tmp_path / "wide.parquet", np.zeros((40, 4)))

    with pytest.raises(StudyError, match="has other layers or neurons than"):
        measure_neurons(own, other._replace(neurons=tmp_path / "wide.parquet"), "auto")
    with pytest.raises(StudyError, match="has 40 neurons, but the model has 32: delete the table"):
        measure_neurons(*(files._replace(neurons=tmp_path / "wide.parquet") for files in (own, other)), "auto")
