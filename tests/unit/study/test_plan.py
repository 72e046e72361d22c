"""The versions of a study: what each is trained on, what it starts from, and which are the same."""

import pytest

from bias_amplification.study import Plan, Version, read_study


@pytest.fixture
def plan(config: dict) -> Plan:
    return Plan(read_study(config))


def test_versions_of_the_papers_shape(plan: Plan) -> None:
    versions = list(plan.versions())

    assert len(versions) == len(set(versions)) == 66
    assert versions[0] == Version("balanced_synthetic", 0)
    assert versions[-1] == Version("green_preservation", 10)
    assert versions[-1].folder == "rounds/green_preservation/generation_10"


def test_rounds_share_generation_0(plan: Plan) -> None:
    # Overfitting has its own number of epochs, so it trains its own generation 0.
    assert plan.sharing == {
        "balanced_preservation": "balanced_synthetic",
        "balanced_accumulation": "balanced_synthetic",
        "green_preservation": "green_synthetic",
    }


@pytest.mark.parametrize(
    "own", [{"decoding": {"method": "nucleus"}}, {"epochs": 6}, {"weight_decay": 0.02}, {"seed_set": "green"}]
)
def test_rounds_with_another_recipe_share_nothing(config: dict, own: dict) -> None:
    config["rounds"] = config["rounds"][:3]
    config["rounds"][2] |= own

    assert Plan(read_study(config)).sharing == {}


def test_own_value_equal_to_the_common_one_is_no_other_recipe(config: dict) -> None:
    config["rounds"][2]["epochs"] = 5

    assert Plan(read_study(config)).sharing["balanced_preservation"] == "balanced_synthetic"


def test_shared_generation_0_has_equal_seeds_and_settings(plan: Plan) -> None:
    for sharer, owner in plan.sharing.items():
        for use in ("training_set", "finetune", "generate"):
            assert plan.seed(use, Version(sharer, 0)) == plan.seed(use, Version(owner, 0))
        assert plan.finetuning(sharer) == plan.finetuning(owner)
        assert plan.training_sources(Version(sharer, 0)) == plan.training_sources(Version(owner, 0))
        assert plan.initial_model(Version(sharer, 0)) == plan.initial_model(Version(owner, 0))
        assert plan.initial_model(Version(sharer, 1)) == plan.initial_model(Version(owner, 1))
        assert plan.initial_model(Version(sharer, 2)) != plan.initial_model(Version(owner, 2))


def test_other_seeds_differ(plan: Plan) -> None:
    seeds = [plan.seed(use, v) for use in ("finetune", "generate") for v in plan.versions() if v.generation]

    assert len(set(seeds)) == len(seeds) == 120
    assert plan.seed("finetune", Version("green_synthetic", 0)) != plan.seed(
        "finetune", Version("balanced_synthetic", 0)
    )


def test_seeds_do_not_depend_on_the_order_of_rounds(config: dict, plan: Plan) -> None:
    config["rounds"] = config["rounds"][::-1]
    other = Plan(read_study(config))

    assert {v: plan.seed("finetune", v) for v in plan.versions()} == {
        v: other.seed("finetune", v) for v in other.versions()
    }


def test_finetuning_has_the_rounds_own_values(plan: Plan) -> None:
    own, common = plan.finetuning("balanced_overfitting"), plan.finetuning("balanced_synthetic")

    assert (own.epochs, own.weight_decay, own.learning_rate) == (25, 0.0, 5e-5)
    assert (common.epochs, common.weight_decay, common.learning_rate) == (5, 0.01, 5e-5)


SEED_SET = {"seed_set": "out/corpus/seed_sets/balanced.parquet"}


def generations(name: str, *numbers: int) -> dict[str, str]:
    return {f"generation_{k:02d}": f"out/rounds/{name}/generation_{k:02d}/articles.parquet" for k in numbers}


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("balanced_synthetic", generations("balanced_synthetic", 2)),
        ("balanced_overfitting", generations("balanced_overfitting", 2)),
        ("balanced_preservation", SEED_SET | generations("balanced_preservation", 2)),
        ("balanced_accumulation", SEED_SET | generations("balanced_accumulation", 0, 1, 2)),
    ],
)
def test_training_sources(plan: Plan, name: str, sources: dict[str, str]) -> None:
    assert plan.training_sources(Version(name, 3)) == sources
    assert plan.training_sources(Version(name, 0)) == SEED_SET


def test_training_sources_follow_the_strategies_options(config: dict) -> None:
    config["strategies"] = {"preservation": "replace", "preserved_share": 0.01, "accumulation": "synthetic_only"}
    plan = Plan(read_study(config))

    preserved = plan.training_sources(Version("balanced_preservation", 1))
    accumulated = plan.training_sources(Version("balanced_accumulation", 2))

    assert preserved == SEED_SET | generations("balanced_preservation", 0)
    assert accumulated == generations("balanced_accumulation", 0, 1)


def test_initial_model(config: dict, plan: Plan) -> None:
    config["finetuning"] = {"initialisation": "base"}
    from_base = Plan(read_study(config))

    assert plan.initial_model(Version("green_synthetic", 0)) == "out/base"
    assert plan.initial_model(Version("green_synthetic", 10)) == "out/rounds/green_synthetic/generation_09"
    assert from_base.initial_model(Version("green_synthetic", 10)) == "out/base"


def test_measured_lists_the_base_model_and_every_version(config: dict, plan: Plan) -> None:
    config["seed_sets"].append({"name": "unused", "labels": ["red"], "size": 3})
    rows = Plan(read_study(config)).measured()

    assert len(rows) == 2 + 66
    assert [row["folder"] for row in rows[:2]] == ["base/generated/balanced", "base/generated/green"]
    assert rows[2 + 3 * 11 + 4] == {
        "folder": "rounds/balanced_accumulation/generation_04",
        "round": "balanced_accumulation",
        "generation": 4,
        "seed_set": "balanced",
        "strategy": "accumulation",
        "decoding": "greedy",
        "tracked_label": "blue",
    }


def test_training_set_depends_only_on_options_of_its_strategy(plan: Plan) -> None:
    for version in plan.versions():
        options = plan.strategy_options(version)
        strategy = plan.rounds[version.round].strategy
        if version.generation == 0 or strategy in ("synthetic", "overfitting"):
            assert options == {}
        elif strategy == "preservation":
            assert options == {"preserved_share": 0.1, "preservation": "add"}
        else:
            assert options == {"accumulation": "with_seed_set"}


def test_probe_set_is_the_first_seed_set_unless_named(config: dict, plan: Plan) -> None:
    assert plan.probe_set == config["seed_sets"][0]["name"]
    assert Plan(read_study({**config, "neurons": {"probe_set": "green"}})).probe_set == "green"


def test_splits_need_a_column_of_the_corpus(config: dict, plan: Plan) -> None:
    assert plan.splits == ["event", "outlet"]
    table = {**config["corpus"], "source": "table", "path": "a.csv", "columns": {"body": "text", "outlet": "paper"}}
    assert Plan(read_study({**config, "corpus": table})).splits == ["outlet"]


MODELS = [{"source": "folder", "path": f"models/{generation}"} for generation in range(11)]


def test_rounds_with_given_models_share_nothing(config: dict) -> None:
    config["rounds"][2]["models"] = MODELS
    plan = Plan(read_study(config))

    assert plan.given == ["balanced_preservation"]
    assert plan.given_model(Version("balanced_preservation", 7)).path == "models/7"
    assert plan.sharing == {"balanced_accumulation": "balanced_synthetic", "green_preservation": "green_synthetic"}
    # Other rounds do not take the generation 0 of such a round either.
    config["rounds"][0]["models"] = MODELS
    assert Plan(read_study(config)).sharing == {"green_preservation": "green_synthetic"}


def test_neurons_of_some_rounds_can_be_analysed(config: dict) -> None:
    assert Plan(read_study(config)).neuron_versions() == list(Plan(read_study(config)).versions())

    config["neurons"] = {"rounds": ["green_synthetic", "balanced_synthetic"]}

    found = Plan(read_study(config)).neuron_versions()
    assert found == [Version(name, g) for name in ("balanced_synthetic", "green_synthetic") for g in range(11)]


def test_longest_rounds_come_first(plan: Plan) -> None:
    # 11 generations of 5 epochs. Accumulation trains on 1 + 2 + ... + 11 sets.
    assert plan.work_left(Version("balanced_preservation", 0)) == 55
    assert plan.work_left(Version("balanced_accumulation", 0)) == 5 * 66
    assert plan.work_left(Version("balanced_accumulation", 10)) == 5 * 11
    assert plan.priority(Version("balanced_accumulation", 1)) > plan.priority(Version("balanced_synthetic", 1))
    # Another round trains the generation 0 that accumulation shares.
    assert plan.sharing["balanced_accumulation"] == "balanced_synthetic"
    assert plan.priority(Version("balanced_synthetic", 0)) == 80
    assert all(20 < plan.priority(version) <= 80 for version in plan.versions())
