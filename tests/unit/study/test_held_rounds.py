"""Rounds that hold neurons: the versions on which their sets are found, the files they need, and faults."""

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Chain, Plan, Version, check_paths, read_study
from bias_amplification.study.held_rounds import choosing_rows, choosing_versions, held_chains, holding_files

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


def test_an_adapter_holds_nothing(config: dict) -> None:
    config["finetuning"] = {"adapter": {"rank": 4}}

    said = fault(config, balanced_preservation=BIAS)
    assert f"{PLACE}held holds neurons in a training of all weights, but finetuning.adapter trains an adapter: " in said
    assert planned(config)


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


def test_a_table_of_each_replicate_is_needed_from_generation_1_on(config: dict) -> None:
    config["replicates"] = {"number": 2}
    plan = planned(config, balanced_preservation=BIAS, green_preservation=BIAS | {"penalty": 2.0})

    names = ["balanced_preservation", "green_preservation"]
    assert list(held_chains(plan)) == [name + end for name in names for end in ("", "/replicate_02")]
    table = "out/rounds/balanced_preservation/replicate_02/held.parquet"
    assert holding_files(plan, Version("balanced_preservation", 1, 2)) == [table]
    assert holding_files(plan, Version("green_preservation", 10)) == [
        "out/rounds/green_preservation/held.parquet",
        "out/base/model.safetensors",
        "out/base/config.json",
    ]
    for version in (Version("balanced_preservation", 0), Version("balanced_synthetic", 3)):
        assert holding_files(plan, version) == []
    assert held_chains(planned(config)) == {}


def test_generation_0_is_shared_with_rounds_that_hold_nothing_or_others(config: dict) -> None:
    plan = planned(config, balanced_preservation=BIAS, green_preservation={"file": "a.csv"})

    assert plan.sharing == planned(config).sharing
    # More than the strategy differs from a control, so that they are compared as a pair.
    assert plan.recipe("balanced_preservation") != plan.recipe("balanced_synthetic")
    assert planned(config).recipe("balanced_preservation") == plan.recipe("balanced_synthetic")


def test_all_replicates_but_the_rounds_own_number_choose(config: dict) -> None:
    config["rounds"][0]["replicates"] = {"number": 3}
    config["rounds"][2]["replicates"] = {"number": 2}
    chosen = BIAS | {"rounds": ["green_synthetic", "balanced_synthetic"]}
    plan = planned(config, balanced_preservation=chosen)

    for replicate, others in ((1, (2, 3)), (2, (1, 3))):
        found = choosing_versions(plan, Chain("balanced_preservation", replicate))
        # A round with one replicate has no other one.
        assert found == [Version("balanced_synthetic", g, r) for r in others for g in range(11)] + [
            Version("green_synthetic", g) for g in range(11)
        ]


def test_the_label_is_the_rounds_or_that_of_the_neuron_analysis(config: dict) -> None:
    chosen = BIAS | {"rounds": ["balanced_synthetic", "green_synthetic"]}

    rows = choosing_rows(planned(config, balanced_preservation=chosen), Chain("balanced_preservation"))
    assert [row["label"] for row in rows] == ["blue"] * 11 + ["green"] * 11
    assert rows[12] == {
        "round": "green_synthetic",
        "replicate": 1,
        "generation": 1,
        "seed_set": "green",
        "label": "green",
    }
    config["neurons"] = {"tracked_label": "red"}
    rows = choosing_rows(planned(config, balanced_preservation=chosen), Chain("balanced_preservation"))
    assert {row["label"] for row in rows} == {"red"}


def test_neurons_from_a_file_are_chosen_on_no_version(config: dict) -> None:
    plan = planned(config, balanced_preservation={"file": "a.csv"})

    assert choosing_versions(plan, Chain("balanced_preservation")) == []
