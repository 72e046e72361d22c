"""The versions whose neurons are changed, the models that this needs, and faults of the config's section."""

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Chain, Plan, Version, read_study
from bias_amplification.study.changed_versions import (
    changed_versions,
    mean_files,
    reference_folders,
    texts_in_folder,
    texts_in_generations,
)
from bias_amplification.study.sections import Action

STEER = {"kind": "steer", "amounts": [1.0]}


def planned(config: dict, **interventions) -> Plan:
    return Plan(read_study(config | {"interventions": {"rounds": ["balanced_synthetic"]} | interventions}))


def fault(config: dict, **interventions) -> str:
    with pytest.raises(StudyError) as caught:
        planned(config, **interventions)
    return str(caught.value)


def test_the_first_round_of_a_small_model_is_changed_by_default(config: dict) -> None:
    assert changed_versions(Plan(read_study(config))) == [Version("balanced_synthetic", 10)]
    large = config | {"base_model": {"source": "hub", "hub_id": "a/b", "revision": "0" * 40}}
    assert changed_versions(Plan(read_study(large))) == []
    alone = config | {"rounds": config["rounds"][:1]}
    assert changed_versions(Plan(read_study(alone))) == []
    assert changed_versions(planned(config, rounds=[])) == []


SHARED = "generation 0 of balanced_synthetic is changed, but balanced_preservation, whose versions choose the neurons"


@pytest.mark.parametrize("chosen_on", ["others", ["green_synthetic", "balanced_preservation"]])
def test_no_set_is_tried_on_a_generation_0_that_chose_it(config: dict, chosen_on: str | list[str]) -> None:
    chosen = {"generations": [0, 3], "chosen_on": chosen_on}

    assert SHARED in fault(config, **chosen)
    # Rounds of other replicates have another generation 0; those named choose in all replicates.
    replicated = config | {"replicates": {"number": 2}}
    if chosen_on == "others":
        assert len(changed_versions(planned(replicated, **chosen))) == 4
    else:
        assert SHARED in fault(replicated, **chosen)


def test_rounds_share_generation_0_as_in_the_plan(config: dict) -> None:
    config["rounds"][3]["models"] = [{"source": "folder", "path": f"models/{k}"} for k in range(11)]
    config["rounds"].append(config["rounds"][0] | {"name": "nucleus", "decoding": {"method": "nucleus"}})
    plan = planned(config, rounds=[])

    first = plan.study.choice("others").first
    owners = {name: plan.sharing.get(name, name) for name in plan.rounds}
    assert len(plan.sharing) == 2
    for one in first:
        assert [first[one] == first[other] for other in first] == [owners[one] == owners[other] for other in first]


def test_a_generation_0_of_its_own_is_changed(config: dict) -> None:
    # The overfitting round has other epochs, the green rounds another seed set.
    generations = {"generations": [0]}
    for chosen_on in ("own", ["green_synthetic", "balanced_overfitting"]):
        assert planned(config, chosen_on=chosen_on, **generations)
    assert planned(config, rounds=["balanced_overfitting"], **generations)
    assert planned(config, sets=[{"name": "mine", "file": "mine.csv"}], **generations)
    # The last generation is 0, but no one asked for interventions.
    assert changed_versions(Plan(read_study(config | {"generations": 1}))) == []


def held(config: dict, **found_on: list[str]) -> dict:
    """Return the config with neurons held in some rounds, by name: the rounds on which these are found.

    All rounds are analysed, also those with held neurons, unless the config says which.
    """
    found = {name: {"held": {"outcome": "bias", "size": 3, "rounds": names}} for name, names in found_on.items()}
    everything = {"neurons": {"rounds": [r["name"] for r in config["rounds"]]}}
    return everything | config | {"rounds": [r | found.get(r["name"], {}) for r in config["rounds"]]}


def test_rounds_with_held_neurons_neither_are_analysed_nor_choose_by_default(config: dict) -> None:
    one = {
        key: part for key, part in held(config, green_synthetic=["balanced_overfitting"]).items() if key != "neurons"
    }
    plan = planned(one)

    rounds = [name for name in plan.rounds if name != "green_synthetic"]
    assert list(dict.fromkeys(version.round for version in plan.neuron_versions())) == rounds
    choosing = plan.study.choice("others").chains(Chain("balanced_synthetic"))
    assert [chain.round for chain in choosing] == [name for name in rounds if name != "balanced_synthetic"]
    assert (
        "interventions.chosen_on has green_synthetic, which is not in neurons.rounds, so that its neurons are not "
        "analysed: add it there, or remove it"
    ) in fault(one, chosen_on=["green_synthetic"])
    # If all rounds hold neurons, all are analysed.
    every = one | {"rounds": [r | {"held": {"file": "units.csv"}} for r in one["rounds"]]}
    assert planned(every).study.analysed_rounds == list(plan.rounds)


def test_rounds_whose_held_neurons_are_found_on_the_changed_round_do_not_choose(config: dict) -> None:
    of_others = held(
        config,
        balanced_preservation=["balanced_synthetic"],
        green_preservation=["balanced_preservation", "green_synthetic"],
        green_synthetic=["balanced_overfitting"],
    )
    plan = planned(of_others)
    choice = plan.study.choice("others")

    assert choice.left_out("balanced_synthetic") == ["balanced_preservation", "green_preservation"]
    assert choice.left_out("balanced_overfitting") == ["green_synthetic", "green_preservation"]
    assert choice.left_out("balanced_accumulation") == []
    assert [chain.round for chain in choice.chains(Chain("balanced_synthetic"))] == [
        "balanced_overfitting", "balanced_accumulation", "green_synthetic",
    ]  # fmt: skip
    assert (
        "interventions.chosen_on has green_preservation, whose held neurons are found on balanced_synthetic, which is "
        "changed, so that its sets would be tried on a round that helped to choose them: remove it, or set chosen_on "
        "to own"
    ) in fault(of_others, chosen_on=["green_synthetic", "green_preservation"])
    assert planned(of_others, chosen_on=["green_synthetic"])


@pytest.mark.parametrize("chosen_on", ["others", ["green_synthetic", "green_preservation"]])
def test_held_neurons_that_were_found_on_the_same_generation_0_choose_for_later_ones_alone(
    config: dict, chosen_on: str | list[str]
) -> None:
    # The only rounds that share generation 0 with the changed one are not analysed.
    config["neurons"] = {"rounds": ["balanced_synthetic", "green_synthetic", "green_preservation"]}
    found = held(config, green_preservation=["green_synthetic"], green_synthetic=["balanced_accumulation"])
    said = fault(found, generations=[0], chosen_on=chosen_on)

    assert (
        "generation 0 of balanced_synthetic is changed, but balanced_accumulation, on which the held neurons of "
        "green_synthetic are found, whose versions choose the neurons, has the same generation 0"
    ) in said
    assert planned(found, generations=[3], chosen_on=chosen_on)
    assert planned(found, generations=[0], chosen_on="own")
    # Found on a round with another generation 0.
    assert planned(held(config, green_synthetic=["balanced_overfitting"]), generations=[0], chosen_on=chosen_on)


def given(config: dict, **models: list[str]) -> dict:
    """Return the config with given models in some rounds, by name: the last part of each generation's folder."""
    added = {name: [{"source": "folder", "path": f"models/{one}"} for one in ones] for name, ones in models.items()}
    rounds = [r | ({"models": added[r["name"]]} if r["name"] in added else {}) for r in config["rounds"]]
    return config | {"rounds": rounds, "generations": 3}


def test_a_given_model_is_recognised_in_other_rounds(config: dict) -> None:
    own, theirs = "balanced_synthetic", "green_synthetic"
    elsewhere = given(config, **{own: ["a", "b", "c"], theirs: ["x", "./c", "z"]})
    said = (
        f"interventions.rounds has {own}, but {theirs}, whose versions choose the neurons, has a given model of {own}, "
        "too, so that sets would be tried on a model that chose them: name rounds with other models in chosen_on or "
        "neurons.rounds, or set chosen_on to own"
    )

    assert said in fault(elsewhere) and said in fault(elsewhere, chosen_on=[theirs])
    assert planned(elsewhere, chosen_on=["green_preservation"]) and planned(elsewhere, chosen_on="own")
    # Another generation of the changed round is no other round, either. A common generation 0 is, if it is unchanged.
    assert said in fault(given(config, **{own: ["a", "b", "c"], theirs: ["x", "b", "z"]}))
    same_first = given(config, **{own: ["a", "b", "c"], theirs: ["a", "y", "z"]})
    assert planned(same_first) and said in fault(same_first, generations=[0, 2])


def test_held_neurons_that_were_found_on_a_changed_given_model_do_not_choose(config: dict) -> None:
    models = {"balanced_synthetic": ["a", "b", "c"], "green_synthetic": ["x", "y", "c"]}
    study = held(given(config, **models), green_preservation=["green_synthetic"])

    assert (
        "but green_synthetic, on which the held neurons of green_preservation are found, whose versions choose the "
        "neurons, has a given model of balanced_synthetic, too"
    ) in fault(study, chosen_on=["green_preservation"])


def test_models_of_a_hub_are_the_same_by_id_and_commit(config: dict) -> None:
    def rounds(commit: str) -> dict:
        found = given(config, balanced_synthetic=["a", "b", "c"], green_synthetic=["x", "y", "z"])
        hub = {"source": "hub", "hub_id": "a/model", "revision": "0" * 40}
        for r in found["rounds"]:
            if "models" in r:
                r["models"][2] = hub | ({"revision": commit * 40} if r["name"] == "green_synthetic" else {})
        return found

    assert "green_synthetic, whose versions choose the neurons, has a given model of" in fault(rounds("0"))
    assert planned(rounds("1"))


def test_the_last_generation_of_each_replicate_is_changed(config: dict) -> None:
    config["replicates"] = {"number": 2}

    found = changed_versions(planned(config, rounds=["green_synthetic", "balanced_synthetic"]))

    names = ("balanced_synthetic", "green_synthetic")
    assert found == [Version(name, 10, replicate) for name in names for replicate in (1, 2)]
    assert found[1].intervention_folder == "interventions/balanced_synthetic/replicate_02/generation_10"


def test_named_generations_are_changed(config: dict) -> None:
    found = changed_versions(planned(config, generations=[4, 0, 2], chosen_on=["green_synthetic"]))

    assert [version.generation for version in found] == [0, 2, 4]


def test_reference_models(config: dict) -> None:
    config["replicates"] = {"number": 2}
    actions = [
        {"kind": "restore"},
        {"kind": "restore", "generation": 3},
        {"kind": "ablate"},
        {"kind": "scale", "amounts": [2.0]},
        STEER,
        {"kind": "transplant", "generation": 9},
    ]
    plan = planned(config, generations=[5], actions=actions)
    version = Version("balanced_synthetic", 5, 2)

    folder = "out/rounds/balanced_synthetic/replicate_02/generation_"
    assert reference_folders(plan, version) == {"base": "out/base", "3": f"{folder}03", "9": f"{folder}09"}
    assert mean_files(plan, version) == [f"{folder}05/neurons.parquet", "out/base/neurons.parquet"]


def test_a_shared_generation_0_is_read_where_it_was_trained(config: dict) -> None:
    actions = [{"kind": "restore", "generation": 0}, STEER | {"generation": 0}]
    plan = planned(config, rounds=["balanced_accumulation"], actions=actions)
    version = Version("balanced_accumulation", 10)

    assert plan.model_folder(version) == "out/rounds/balanced_accumulation/generation_10"
    assert plan.model_folder(Version("balanced_accumulation", 0)) == "out/rounds/balanced_synthetic/generation_00"
    assert reference_folders(plan, version) == {"0": "out/rounds/balanced_synthetic/generation_00"}
    assert mean_files(plan, version) == [
        "out/rounds/balanced_accumulation/generation_10/neurons.parquet",
        "out/rounds/balanced_synthetic/generation_00/neurons.parquet",
    ]


@pytest.mark.parametrize(
    ("action", "files"), [({"kind": "ablate", "output": "mean"}, 1), ({"kind": "ablate"}, 0), ({"kind": "restore"}, 0)]
)
def test_means_are_needed_by_some_actions(config: dict, action: dict, files: int) -> None:
    plan = planned(config, actions=[action])

    assert len(mean_files(plan, Version("balanced_synthetic", 10))) == files


def test_names_of_actions() -> None:
    actions = [
        Action(kind="restore"),
        Action(kind="transplant", generation=3),
        Action(kind="ablate"),
        Action(kind="ablate", output="mean"),
        Action(kind="scale", amounts=[2.0]),
        Action(kind="steer", amounts=[2.0]),
    ]

    names = ["restore base", "transplant 3", "ablate zero", "ablate mean", "scale", "steer base"]
    assert [action.name for action in actions] == names


@pytest.mark.parametrize(
    ("interventions", "sentence"),
    [
        ({"rounds": ["none"]}, "interventions.rounds is 'none', which is not in rounds: use one of balanced_synthetic"),
        ({"chosen_on": ["none"]}, "interventions.chosen_on is 'none', which is not in rounds"),
        (
            {"chosen_on": ["green_synthetic", "balanced_synthetic"]},
            "interventions.chosen_on has balanced_synthetic, which is in interventions.rounds, so that its sets would "
            "be tried on the round that chose them: remove it, or set chosen_on to own",
        ),
        ({"generations": [2, 11]}, "interventions.generations has 11, but the last generation is 10: lower it"),
        ({"generations": [2, 2]}, "interventions.generations has 2 twice: remove or rename one"),
        ({"sizes": [10, 10]}, "interventions.sizes has 10 twice"),
        (
            {"sets": [{"name": "a", "outcome": "bias"}, {"name": "a", "outcome": "quality"}]},
            "interventions.sets has a twice: remove or rename one",
        ),
        (
            {"actions": [{"kind": "ablate"}, {"kind": "ablate", "output": "zero"}]},
            "interventions.actions has ablate zer",
        ),
        (
            {"actions": [{"kind": "scale", "amounts": [amount]} for amount in (0.5, 2.0)]},
            "interventions.actions has scale twice: put the amounts together in one action",
        ),
        ({"actions": [STEER, STEER]}, "interventions.actions has steer base twice: put the amounts together in one"),
        ({"chosen_on": []}, "interventions.chosen_on is empty: name rounds, or set it to others or own"),
        ({"chosen_on": ["green_synthetic"] * 2}, "interventions.chosen_on has green_synthetic twice: remove or"),
        (
            {"rounds": None, "chosen_on": ["balanced_synthetic"]},
            "interventions.chosen_on has balanced_synthetic, which is changed by default (interventions.rounds is "
            "null), so that its sets would be tried on the round that chose them: remove it, name another round in "
            "interventions.rounds, or set chosen_on to own",
        ),
        ({"controls": 1001}, "interventions.controls is 1001, but must be"),
        ({"actions": [{"kind": "scale", "amounts": [2.0, 2.0]}]}, "amounts has the same number twice: remove one"),
        (
            {"generations": [5, 3], "actions": [{"kind": "restore", "generation": 3}]},
            "interventions.actions restore: generation is 3, but generation 3 is changed and 10 is the last: name an "
            "earlier generation, or null for the base model",
        ),
        (
            {"generations": [5], "actions": [{"kind": "transplant", "generation": 4}]},
            "interventions.actions transplant: generation is 4, but generation 5 is changed and 10 is the last: name a "
            "later generation, up to the last one",
        ),
        (
            {"actions": [{"kind": "transplant", "generation": 10}]},
            "interventions.actions transplant: generation is 10, but generation 10 is changed and 10 is the last: set "
            "interventions.generations to an earlier one",
        ),
        ({"generations": [5], "actions": [{"kind": "transplant", "generation": 11}]}, "name a later generation, up to"),
        ({"actions": [STEER | {"generation": 10}]}, "name another generation, up to the last one"),
        ({"actions": [STEER | {"generation": 11}]}, "name another generation, up to the last one"),
    ],
)
def test_faults(config: dict, interventions: dict, sentence: str) -> None:
    assert sentence in fault(config, **interventions)


def test_only_rounds_whose_neurons_are_analysed_can_choose(config: dict) -> None:
    config["neurons"] = {"rounds": ["balanced_synthetic", "green_synthetic"]}
    assert planned(config, chosen_on=["green_synthetic"])
    assert (
        "interventions.chosen_on has green_preservation, which is not in neurons.rounds, so that its neurons are not "
        "analysed: add it there, or remove it"
    ) in fault(config, chosen_on=["green_synthetic", "green_preservation"])
    assert (
        "interventions.chosen_on is own, but green_preservation, which is changed, is not in neurons.rounds: add it "
        "there"
    ) in fault(config, rounds=["green_preservation"], chosen_on="own")
    # Interventions are off.
    assert planned(config, rounds=[], chosen_on=["green_preservation"])


def test_other_versions_are_needed_to_choose(config: dict) -> None:
    alone = config | {"neurons": {"rounds": ["balanced_synthetic"]}}
    only_held = held(config, green_preservation=["balanced_synthetic"])
    only_held["neurons"] = {"rounds": ["balanced_synthetic", "green_preservation"]}
    begin = "interventions.chosen_on is others, but no other version is analysed that could choose the neurons of "
    end = ": add names to rounds or neurons.rounds, set replicates.number to at least 2, or set chosen_on to own"

    assert f"{begin}balanced_synthetic{end}" in fault(alone)
    why = " (the held neurons of green_preservation are found on balanced_synthetic)"
    assert f"{begin}balanced_synthetic{why}{end}" in fault(only_held)
    for study in (alone, only_held):
        assert changed_versions(Plan(read_study(study))) == []
        assert planned(study, chosen_on="own")
        assert planned(study, sets=[{"name": "mine", "file": "mine.csv"}])
        assert len(changed_versions(planned(study | {"replicates": {"number": 2}}))) == 2
    # The number of replicates may be the round's own.
    alone["rounds"][0]["replicates"] = {"number": 3}
    assert len(changed_versions(planned(alone))) == len(changed_versions(Plan(read_study(alone)))) == 3


@pytest.mark.parametrize(
    "action", [{"kind": "restore", "generation": 9}, STEER | {"generation": 9}, {"kind": "ablate", "output": "mean"}]
)
def test_generations_on_the_right_side_are_accepted(config: dict, action: dict) -> None:
    assert planned(config, actions=[action]).study.interventions.actions[0].kind == action["kind"]


def test_time_is_asked_for_all_conditions(config: dict) -> None:
    size = read_study(config).seed_sets[0].size
    scaling = [{"kind": "scale", "amounts": [0.5, 2.0]}, {"kind": "restore"}]

    # Two sets of two sizes with 19 controls, and 3 changes: 240 conditions, and the one without a change.
    assert texts_in_generations(planned(config, sizes=[3, 4], controls=19, actions=scaling)) == 241
    assert texts_in_generations(planned(config, sizes=[3], controls=19, articles=size // 2)) == round(41 / 2 + 0.01)


def test_time_is_asked_for_measuring_all_conditions(config: dict) -> None:
    plan = planned(config, sizes=[3], controls=19)
    version = changed_versions(plan)[0]

    assert texts_in_folder(plan, version.intervention_folder) == texts_in_generations(plan) == 41
    assert texts_in_folder(plan, version.folder) == texts_in_folder(plan, "base/generated/balanced") == 1
