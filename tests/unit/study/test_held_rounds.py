"""Rounds that hold neurons: the versions on which their sets are found, the files they need, and faults."""

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Plan, check_paths, read_study

BIAS = {"outcome": "bias", "size": 10, "rounds": ["balanced_synthetic"]}


def held(config: dict, **of_round: dict) -> dict:
    """Return the config with `held` in some of its rounds, by name."""
    rounds = [r | ({"held": of_round[r["name"]]} if r["name"] in of_round else {}) for r in config["rounds"]]
    return config | {"rounds": rounds}


def planned(config: dict, **of_round: dict) -> Plan:
    return Plan(read_study(held(config, **of_round)))


def fault(config: dict, **of_round: dict) -> str:
    with pytest.raises(StudyError) as caught:
        planned(config, **of_round)
    return str(caught.value)


PLACE = "rounds balanced_preservation: "


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outcome": None}, "rounds.2.held: exactly one of outcome and file is needed: set one, remove the other."),
        ({"file": "a.csv"}, "rounds.2.held: exactly one of outcome and file is needed"),
        ({"size": None}, "rounds.2.held: outcome is set, but size is missing: add the number of neurons."),
        ({"rounds": []}, "held: outcome is set, but rounds is missing: add the names of the rounds that choose."),
        ({"rounds": ["a", "a"]}, "rounds.2.held: a is twice in rounds: remove one."),
        ({"outcome": None, "file": "a.csv"}, "held: file is set, so that size has no effect: remove it."),
        (
            {"outcome": None, "file": "a.csv", "size": None},
            "held: file is set, so that rounds has no effect: remove it.",
        ),
        (
            {"outcome": None, "file": "a.csv", "size": None, "rounds": [], "measure": "activation"},
            "rounds.2.held: file is set, so that measure has no effect: remove it.",
        ),
        ({"penalty": 0.0}, "rounds.2.held.penalty is 0.0, but must be greater than 0"),
        ({"sizes": 3}, "rounds.2.held.sizes is not a key of the config: write size, or remove it."),
        (
            {"rounds": ["balanced_synthetic", "none"]},
            f"{PLACE}held.rounds is 'none', which is not in rounds: use one of balanced_synthetic, balanced_overf",
        ),
        (
            {"rounds": ["balanced_synthetic", "balanced_preservation"]},
            f"{PLACE}held.rounds has the round itself, so that neurons would be found on the round that they are tried "
            "on: remove it.",
        ),
    ],
)
def test_faults_of_a_round(config: dict, changes: dict, sentence: str) -> None:
    assert sentence in fault(config, balanced_preservation=BIAS | changes)


def test_held_that_is_no_map(config: dict) -> None:
    said = fault(config, balanced_preservation="bias")

    assert said.endswith("rounds.2.held is 'bias', but must be a map.")


def test_a_round_with_models_holds_nothing(config: dict) -> None:
    config["rounds"][2]["models"] = [{"source": "folder", "path": f"models/{k}"} for k in range(11)]

    said = fault(config, balanced_preservation=BIAS)
    assert f"{PLACE}held has no effect on a round with models: remove it." in said
    # Its neurons and outcomes can choose a set.
    assert planned(config, green_synthetic=BIAS | {"rounds": ["balanced_preservation"]})


def test_a_study_of_one_generation_holds_nothing(config: dict) -> None:
    config["generations"] = 1

    said = fault(config, balanced_preservation=BIAS)
    assert f"{PLACE}neurons are held from generation 1 on, but generations is 1: raise it, or remove held." in said


def test_rounds_that_wait_for_each_other_are_refused(config: dict) -> None:
    def on(*names: str) -> dict:
        return BIAS | {"rounds": list(names)}

    said = fault(config, green_synthetic=on("green_preservation"), green_preservation=on("green_synthetic"))
    assert (
        "rounds green_synthetic: held.rounds has green_preservation, whose own held neurons are found on "
        "green_synthetic, so that each would wait for the other: remove one of the names."
    ) in said
    said = fault(
        config,
        balanced_preservation=on("balanced_synthetic", "green_synthetic"),
        green_synthetic=on("balanced_synthetic", "green_preservation"),
        green_preservation=on("balanced_preservation"),
    )
    assert (
        "rounds balanced_preservation: held.rounds has green_synthetic, whose own held neurons are found on "
        "balanced_preservation by way of green_preservation, so that"
    ) in said


def test_a_set_may_be_found_on_a_round_that_holds_another_set(config: dict) -> None:
    chosen = {"rounds": ["balanced_preservation", "balanced_synthetic"]}

    assert planned(config, balanced_preservation=BIAS, green_synthetic=BIAS | chosen)


def test_a_missing_file_is_reported_before_the_run(config: dict) -> None:
    study = read_study(held(config, balanced_preservation={"file": "units.csv"}))

    with pytest.raises(StudyError, match=r"balanced_preservation: held.file is units.csv, which does not exist: corr"):
        check_paths(study)
