"""The panel's outcomes, and the neurons of all versions read a few layers at a time."""

import numpy as np
import pyarrow as pa
import pytest
from random_studies import LAYERS, write_neurons, write_study

from bias_amplification.artifacts import StudyError, write_table
from bias_amplification.artifacts.schemas import metrics
from bias_amplification.neurons.panel import assemble_panel, each_layer, read_outcomes, stream_batches
from bias_amplification.study.sections import Neurons

LABELS = ["red", "blue"]
TRACKED = {"first": "red", "second": "blue"}
VERSIONS = [(name, replicate, generation) for name in TRACKED for replicate in (1, 2) for generation in range(3)]
WIDTH = 5


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path, rounds=2, width=WIDTH)


def write_metrics(folder):
    """Write metrics of two rounds and of the base model; return the rounds' rows."""
    generator = np.random.default_rng(0)
    rows = []
    for name, replicate, generation in [("base", 1, None), *VERSIONS]:
        row = {"round": name, "replicate": replicate, "generation": generation, "seed_set": "s"}
        row["tracked_label"] = TRACKED.get(name)
        for column in metrics(LABELS).names:
            if column.startswith(("share_", "mean_probability_", "text_quality_index")):
                row[column] = float(generator.random())
        rows.append(row | {"articles": 10, "labelled": 10})
    path = folder / "metrics.parquet"
    write_table(pa.Table.from_pylist(rows, schema=metrics(LABELS)), path, metrics(LABELS))
    return path, rows[1:]


@pytest.mark.parametrize("tracked", [None, "blue"])
def test_the_panel_has_the_metrics_of_the_tracked_label(tmp_path, tracked):
    path, rows = write_metrics(tmp_path)
    panel = tmp_path / "panel.parquet"

    assemble_panel(path, panel, VERSIONS[::-1], LABELS, Neurons(tracked_label=tracked))

    found = read_outcomes(panel, len(VERSIONS))
    # Replicates are series of their own.
    chains = [(name if replicate == 1 else f"{name}/replicate_02", k) for name, replicate, k in VERSIONS]
    assert [*zip(*found.versions[:2], strict=True)] == chains[::-1]
    labels = [tracked or row["tracked_label"] for row in rows]
    for measure in ("share", "mean_probability"):
        expected = [row[f"{measure}_{label}"] for row, label in zip(rows, labels, strict=True)]
        assert found.values[measure][::-1].tolist() == expected
    bias, quality = found.pair("share", "weighted")
    assert bias is found.values["share"]
    assert quality[::-1].tolist() == [row["text_quality_index_weighted"] for row in rows]
    assert found.values["quality_class"][::-1].tolist() == [row["text_quality_index"] for row in rows]


def test_a_version_missing_from_the_metrics_is_an_error(tmp_path):
    path, _ = write_metrics(tmp_path)

    with pytest.raises(
        StudyError, match=r"metrics\.parquet has no row for generation 3 of round 'second', replicate 2"
    ):
        assemble_panel(path, tmp_path / "panel.parquet", [*VERSIONS, ("second", 2, 3)], LABELS, Neurons())


def test_a_tracked_label_outside_the_label_set_is_an_error(tmp_path):
    path, _ = write_metrics(tmp_path)

    with pytest.raises(StudyError, match="tracked label of round 'first' is 'green', which is not one of red, blue"):
        assemble_panel(path, tmp_path / "panel.parquet", VERSIONS, LABELS, Neurons(tracked_label="green"))


def test_a_panel_of_another_study_is_an_error(study):
    with pytest.raises(StudyError, match=r"panel\.parquet has 14 versions and the study 13"):
        read_outcomes(study.panel, 13)


def test_neurons_of_another_model_are_an_error(study):
    write_neurons(study.neurons[3], study.values[3], layers=1)

    with pytest.raises(StudyError, match=r"3\.parquet has other layers or neurons than .*0\.parquet"):
        list(stream_batches(study.neurons, ["weight_mean"]))


def test_a_missing_neurons_table_is_an_error(study):
    study.neurons[2].unlink()

    with pytest.raises(StudyError, match=r"2\.parquet does not exist"):
        list(stream_batches(study.neurons, ["weight_mean"]))


def test_an_empty_neurons_table_is_an_error(tmp_path):
    write_neurons(tmp_path / "empty.parquet", np.zeros((0, 4)))

    with pytest.raises(StudyError, match=r"empty\.parquet has no neurons"):
        list(stream_batches([tmp_path / "empty.parquet"], ["weight_mean"]))


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_batches_hold_whole_layers_in_order(study, at_once):
    columns = {"weight_l2": 1, "activation_block": 3}

    batches = list(stream_batches(study.neurons[::-1], list(columns), at_once))

    assert len(batches) == (1 if at_once == 10**6 else LAYERS)
    for name, column in columns.items():
        found = np.concatenate([batch.values[name] for batch in batches], axis=1)
        np.testing.assert_array_equal(found, study.values[::-1, :, column])
    assert np.concatenate([batch.layer for batch in batches]).tolist() == [0] * WIDTH + [1] * WIDTH
    assert np.concatenate([batch.neuron for batch in batches]).tolist() == [*range(WIDTH)] * LAYERS


@pytest.mark.parametrize("at_once", [1, 10**6])
def test_layers_know_their_places_whatever_the_batches(study, at_once):
    layers = list(each_layer(stream_batches(study.neurons, ["weight_mean"], at_once)))

    assert [layer.index for layer in layers] == [0, 1]
    for layer in layers:
        np.testing.assert_array_equal(layer.values["weight_mean"], study.values[:, layer.places, 0])
