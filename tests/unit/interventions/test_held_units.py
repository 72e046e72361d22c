"""The neurons that the training of a round holds: which are chosen, on which outcomes, and faults."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from random_studies import list_versions, write_neurons
from small_models import tiny_model

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.schemas import HELD_UNITS, QUALITY, predictions
from bias_amplification.interventions.held import ChoosingVersion, choose_held_units, read_version_outcomes
from bias_amplification.language_model.load import save_model
from bias_amplification.models.held import read_units
from bias_amplification.neurons.designs import make_rows
from bias_amplification.neurons.regress import regress
from bias_amplification.study.sections import Held, Neurons, Quality

LABELS = ["red", "blue"]
ROUNDS, GENERATIONS, WIDTH, ARTICLES = 3, 6, 10, 8


def write_predictions(path: Path, probabilities: list[float | None]) -> None:
    """Write the predictions of articles with these probabilities of red; None: too short for a label."""
    found = [None if p is None else LABELS[p < 0.5] for p in probabilities]
    columns = {
        "article_id": [f"a{k}" for k in range(len(found))],
        "predicted": pa.array(found, pa.string()),
        "probability_red": pa.array(probabilities, pa.float64()),
        "probability_blue": pa.array([None if p is None else 1 - p for p in probabilities], pa.float64()),
    }
    write_table(pa.table(columns), path, predictions(LABELS))


def write_quality(path: Path, classes: list[float | None]) -> None:
    columns = {"article_id": [f"a{k}" for k in range(len(classes))], "sentences": [1] * len(classes)}
    columns["quality"] = pa.array(classes, pa.float64())
    columns["quality_weighted"] = pa.array([None if c is None else c / 2 for c in classes], pa.float64())
    nothing = pa.nulls(len(classes), pa.float64())
    rest = {name: nothing for name in QUALITY.names if name.startswith("share_")}
    write_table(pa.table(columns | rest), path, QUALITY)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The versions of 3 rounds, and their neurons [versions, neurons]; 3 neurons of layer 1 follow the mean probability
    of red, and 3 of layer 0 the quality."""
    folder, generator = tmp_path_factory.mktemp("study"), np.random.default_rng(5)
    names = list_versions(ROUNDS, GENERATIONS)
    versions, values = [], generator.normal(size=(len(names.rounds), 2 * WIDTH, 4)).cumsum(axis=0)
    for number, (name, generation) in enumerate(zip(names.rounds, names.generations, strict=True)):
        red, clean = generator.uniform(size=ARTICLES), generator.integers(0, 4, ARTICLES).astype(float)
        values[number, [WIDTH, WIDTH + 4, WIDTH + 9], 0] = red.mean() + 0.01 * generator.normal(size=3)
        values[number, [2, 5, 6], 0] = clean.mean() + 0.01 * generator.normal(size=3)
        paths = [folder / f"{number} {table}.parquet" for table in ("predictions", "quality", "neurons")]
        write_predictions(paths[0], red.tolist())
        write_quality(paths[1], clean.tolist())
        write_neurons(paths[2], values[number])
        versions.append(ChoosingVersion(name, 1, generation, "even", "red", *paths))
    return versions, values


def choose(versions, out: Path, base: Path | None = None, neurons: dict | None = None, **held) -> list[tuple[int, int]]:
    settings = Neurons(**{"bias": "mean_probability"} | (neurons or {}))
    held = {"rounds": ["a"]} | held if "outcome" in held else held
    choose_held_units(versions, base, out, Held(**held), settings, Quality(), LABELS)
    table = read_table(out, HELD_UNITS)
    return list(zip(table["layer"].to_pylist(), table["neuron"].to_pylist(), strict=True))


def test_the_strongest_neurons_of_an_outcome_are_chosen(study, tmp_path):
    versions, _ = study
    out = tmp_path / "held.parquet"

    assert choose(versions, out, outcome="bias", size=3) == [(1, 0), (1, 4), (1, 9)]
    assert choose(versions, out, outcome="quality", size=3) == [(0, 2), (0, 5), (0, 6)]
    assert choose(versions, out, outcome="bias_only", size=3) == [(1, 0), (1, 4), (1, 9)]
    first = out.read_bytes()
    assert choose(versions, out, outcome="bias_only", size=3) and out.read_bytes() == first


@pytest.mark.parametrize("measure", ["weight", "activation"])
@pytest.mark.parametrize("bias", ["share", "mean_probability"])
def test_they_are_those_of_a_regression(study, tmp_path, measure, bias):
    versions, values = study
    found = choose(versions, tmp_path / "held.parquet", neurons={"bias": bias}, outcome="bias", size=6, measure=measure)

    outcome = read_version_outcomes(versions, Neurons(bias=bias), Quality(), LABELS).values[bias]
    rows = make_rows(list_versions(ROUNDS, GENERATIONS), "within")
    t = np.abs(regress(values[:, :, 0 if measure == "weight" else 2], outcome, rows, Neurons()).statistic)
    assert found == sorted((int(place) // WIDTH, int(place) % WIDTH) for place in np.argsort(-t)[:6])


def test_outcomes_leave_out_texts_without_a_label_or_a_sentence(tmp_path):
    write_predictions(tmp_path / "p", [0.9, None, 0.6, 0.2, None])
    write_quality(tmp_path / "q", [3.0, None, 1.0, 2.0, 2.0])
    write_predictions(tmp_path / "none p", [None, None])
    write_quality(tmp_path / "none q", [None, None])
    one = ChoosingVersion("a", 2, 0, "even", "red", tmp_path / "p", tmp_path / "q", tmp_path / "n")
    none = one._replace(generation=1, predictions=tmp_path / "none p", quality=tmp_path / "none q")

    share = read_version_outcomes([one, none], Neurons(bias="share"), Quality(), LABELS)
    probability = read_version_outcomes(
        [one._replace(label="blue")], Neurons(bias="mean_probability"), Quality(score="weighted"), LABELS
    )

    assert np.allclose(share.pair("share", "class"), [[2 / 3, np.nan], [2.0, np.nan]], equal_nan=True)
    assert np.allclose(probability.pair("mean_probability", "weighted"), [[1.3 / 3], [1.0]])
    assert share.versions.rounds == ("a/replicate_02",) * 2 and share.versions.replicates == (2, 2)


def test_a_penalty_is_written_beside_the_neurons(study, tmp_path):
    versions, _ = study
    for penalty in (None, 0.25):
        choose(versions, tmp_path / "held.parquet", outcome="quality", size=3, penalty=penalty)

        units, found = read_units(tmp_path / "held.parquet")
        assert found == penalty
        assert {layer: numbers.tolist() for layer, numbers in units.items()} == {0: [2, 5, 6]}


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_neurons_from_a_file(tmp_path, model_type):
    save_model(tiny_model(model_type), tmp_path / "base")
    (tmp_path / "units.csv").write_text("Layer;Neuron\n1;15\n0;7\n1;2\n")

    found = choose([], tmp_path / "held.parquet", tmp_path / "base", file=str(tmp_path / "units.csv"))
    assert found == [(0, 7), (1, 2), (1, 15)]
    (tmp_path / "units.csv").write_text("layer,neuron\n1,16\n")
    with pytest.raises(StudyError, match=r"units.csv, row 2 has neuron 16 of layer 1, which the model does not have: "):
        choose([], tmp_path / "held.parquet", tmp_path / "base", file=str(tmp_path / "units.csv"))


@pytest.mark.parametrize(
    ("number", "held", "reason"),
    [
        (
            2,
            {"size": 3},
            r"no set of 3 neurons can be chosen for bias on round 0, because no neuron has a test on bias ",
        ),
        (
            GENERATIONS * ROUNDS,
            {"size": 21},
            "of 21 neurons .* on round 0, round 1, round 2, because only 20 neurons c",
        ),
    ],
)
def test_a_set_that_does_not_exist_is_an_error_with_its_remedy(study, tmp_path, number, held, reason):
    versions, _ = study

    with pytest.raises(StudyError, match=reason) as caught:
        choose(versions[:number], tmp_path / "held.parquet", outcome="bias", **held)
    assert str(caught.value).endswith(": name more rounds in the round's held.rounds, or another size or outcome.")
    assert not (tmp_path / "held.parquet").exists()
