"""The versions of a study: what each is trained on, what it starts from, and which are the same."""

from types import SimpleNamespace

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.study import Chain, Draw, Plan, Version, read_study


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
        "replicate": 1,
        "generation": 4,
        "seed_set": "balanced",
        "strategy": "accumulation",
        "decoding": "greedy",
        "tracked_label": "blue",
        "draw": "balanced",
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


def replicated(config: dict, number: int = 3, articles: str = "redrawn", **more) -> Plan:
    return Plan(read_study({**config, "replicates": {"number": number, "articles": articles, **more}}))


def test_replicates_of_the_papers_shape(config: dict) -> None:
    plan = replicated(config)
    versions = list(plan.versions())

    assert len(versions) == len(set(versions)) == len({version.folder for version in versions}) == 3 * 66
    assert versions[11] == Version("balanced_synthetic", 0, 2)
    assert versions[11].folder == "rounds/balanced_synthetic/replicate_02/generation_00"
    wildcards = SimpleNamespace(chain="green_synthetic/replicate_03", generation="04")
    assert plan.version(wildcards) == Version("green_synthetic", 4, 3)
    assert len(plan.measured()) == 3 * 2 + 3 * 66


def test_more_replicates_leave_the_first_ones_as_they_are(config: dict, plan: Plan) -> None:
    two, three = replicated(config, 2), replicated(config, 3)

    def everything(plan: Plan, version: Version) -> tuple:
        seeds = [plan.seed(use, version) for use in ("training_set", "finetune", "generate")]
        return (
            version.folder,
            seeds,
            plan.training_sources(version),
            plan.initial_model(version),
            plan.draw(version.chain),
        )

    for version in plan.versions():
        assert everything(three, version) == everything(two, version) == everything(plan, version)
    for version in two.versions():
        assert everything(three, version) == everything(two, version)
    # Neither the classifier nor the base model depends on the number of replicates.
    assert three.reserved_draws == two.reserved_draws


def test_seeds_of_replicates_differ_in_every_generation(config: dict) -> None:
    plan = replicated(config, 3, "same")
    own = [v for v in plan.versions() if v.chain.name not in plan.sharing or v.generation]

    for use in ("finetune", "generate", "training_set"):
        assert len({plan.seed(use, version) for version in own}) == len(own) - 3  # overfitting's own generation 0
    assert plan.seed("finetune", Version("balanced_overfitting", 0, 2)) == plan.seed(
        "finetune", Version("balanced_synthetic", 0, 2)
    )


def test_generation_0_is_shared_within_a_replicate(config: dict) -> None:
    plan = replicated(config, 2)

    assert plan.sharing["balanced_preservation/replicate_02"] == "balanced_synthetic/replicate_02"
    assert plan.initial_model(Version("balanced_preservation", 1, 2)) == (
        "out/rounds/balanced_synthetic/replicate_02/generation_00"
    )
    assert len(plan.sharing) == 2 * 3


def test_seed_articles_of_replicates(config: dict) -> None:
    redrawn, same = replicated(config, 2), replicated(config, 2, "same")
    second = Version("green_synthetic", 1, 2)

    assert redrawn.seed_set_file(second) == "out/corpus/seed_sets/green/replicate_02.parquet"
    assert same.seed_set_file(second) == "out/corpus/seed_sets/green.parquet"
    assert redrawn.draws == [Draw("balanced", 1), Draw("balanced", 2), Draw("green", 1), Draw("green", 2)]
    assert same.draws == same.reserved_draws == [Draw("balanced", 1), Draw("green", 1)]
    assert redrawn.reserved_draws == [Draw(name, k) for name in ("balanced", "green") for k in range(1, 6)]
    assert replicated(config, 2, reserve=2).reserved_draws == redrawn.draws


def test_a_round_has_its_own_replicates(config: dict) -> None:
    config["rounds"][0]["replicates"] = {"number": 4}
    config["rounds"][4]["replicates"] = {"articles": "same"}
    plan = replicated(config, 2)

    assert [plan.replicates(name) for name in plan.rounds] == [4, 2, 2, 2, 2, 2]
    assert plan.draw(Chain("balanced_synthetic", 4)) == Draw("balanced", 4)
    assert plan.draw(Chain("green_synthetic", 2)) == Draw("green", 1)
    assert plan.sharing["balanced_preservation/replicate_02"] == "balanced_synthetic/replicate_02"
    # They start from different articles, so that they share generation 0 in the first replicate only.
    assert "green_preservation/replicate_02" not in plan.sharing


def test_a_round_with_given_models_has_one_replicate(config: dict) -> None:
    config["rounds"][2]["models"] = [{"source": "folder", "path": f"models/{k}"} for k in range(11)]
    assert replicated(config).replicates("balanced_preservation") == 1

    config["rounds"][2]["replicates"] = {"number": 2}
    with pytest.raises(
        StudyError, match=r"rounds balanced_preservation: replicates.number is 2, but a round with model"
    ):
        replicated(config)


def test_strategies_name_what_they_read(config: dict) -> None:
    for r, strategy in zip(
        config["rounds"], ("label_weighted_synthetic", "quality_pruning", "human_likeness", "real"), strict=False
    ):
        r["strategy"] = strategy
    plan = replicated(config, 2)
    names = list(plan.rounds)
    before = "out/rounds/{}/replicate_02/generation_02"

    assert [plan.evidence(Version(name, 0, 2)) for name in names] == [{}] * 6
    found = [plan.evidence(Version(name, 3, 2)) for name in names]
    assert found[0] == {"predictions": f"{before.format(names[0])}/predictions.parquet"}
    assert found[1] == {"quality": f"{before.format(names[1])}/quality.parquet"}
    assert found[2] == {
        "human": f"{before.format(names[2])}/human_likeness.parquet",
        "human_of_seed_set": "out/human_likeness/seed_sets/balanced/replicate_02.parquet",
    }
    assert found[3] == {"real": "out/corpus/real/balanced/replicate_02.parquet"}
    assert found[4:] == [{}, {}]
    assert plan.training_sources(Version(names[3], 3, 2)) == found[3]
    assert plan.real_draws == [Draw("balanced", k) for k in range(1, 6)]


def real_round(name: str, replicates: int, option: str, articles: str = "redrawn") -> dict:
    return {
        **{"name": name, "seed_set": "balanced", "strategy": "real", "tracked_label": "blue"},
        "replicates": {"number": replicates, "articles": articles},
        "options": {"real_articles": option},
    }


def test_each_round_decides_whether_its_real_articles_are_used_again(config: dict) -> None:
    synthetic, green = config["rounds"][0], {**real_round("green", 3, "refuse"), "seed_set": "green"}
    rounds = [real_round("more", 7, "begin_again"), real_round("few", 1, "refuse", "same"), green, synthetic]
    plan = replicated({**config, "rounds": rounds}, 9, reserve=2)

    # Synthetic has nine replicates; the control beside it has real articles for seven, of which one refuses.
    assert len([draw for draw in plan.reserved_draws if draw.seed_set == "balanced"]) == 9
    assert plan.real_draws == [Draw("balanced", k) for k in range(1, 8)] + [Draw("green", k) for k in range(1, 4)]
    assert plan.distinct_real_replicates("balanced") == 1
    assert plan.distinct_real_replicates("green") == 3
    # What is reserved counts too, so that more replicates need no other articles.
    assert replicated({**config, "rounds": rounds}, 9, reserve=5).distinct_real_replicates("green") == 5
    rounds[1]["options"]["real_articles"] = "begin_again"
    assert replicated({**config, "rounds": rounds}, 9, reserve=2).distinct_real_replicates("balanced") == 0


def test_rounds_with_given_models_need_no_real_articles(config: dict) -> None:
    config["rounds"][0] |= {"strategy": "real", "models": MODELS}
    assert Plan(read_study(config)).real_draws == []


def test_options_of_a_round(config: dict) -> None:
    config["rounds"][2]["options"] = {"preserved_share": 0.5}
    config["strategies"] = {"preserved_share": 0.2, "preservation": "replace"}
    plan = Plan(read_study(config))

    assert plan.strategy_options(Version("balanced_preservation", 1)) == {
        "preserved_share": 0.5,
        "preservation": "replace",
    }
    assert plan.strategy_options(Version("green_preservation", 1))["preserved_share"] == 0.2


@pytest.mark.parametrize(
    ("round_", "options", "message"),
    [
        (0, {"budget": 2.0}, r"options.budget has no effect on strategy synthetic: remove it \(it has no options\)"),
        (2, {"budget": 2.0}, r"options.budget has no effect on .* \(use one of preservation, preserved_share\)"),
    ],
)
def test_options_of_another_strategy_are_refused(config: dict, round_: int, options: dict, message: str) -> None:
    config["rounds"][round_]["options"] = options

    with pytest.raises(StudyError, match=message):
        read_study(config)


@pytest.mark.parametrize("strategy", ["label_weighted_preservation", "label_weighted_synthetic"])
def test_weights_by_label_need_a_seed_set_with_several_labels(config: dict, strategy: str) -> None:
    config["rounds"][0]["strategy"] = strategy
    assert read_study(config)

    config["rounds"][4]["strategy"] = strategy
    message = f"rounds green_synthetic: strategy is {strategy}, which .* but seed_sets green has one label: use a seed"
    with pytest.raises(StudyError, match=message):
        read_study(config)
    # Nothing is trained in a round with models.
    config["rounds"][4]["models"] = MODELS
    assert read_study(config)


def test_titles_are_not_moved_where_lines_are_examples(config: dict) -> None:
    config["rounds"][0]["strategy"] = "shuffled"
    assert read_study(config)

    config["finetuning"] = {"example": "line"}
    message = (
        r"rounds balanced_synthetic: strategy is shuffled, .* but finetuning\.example is line, .*: set finetuning\."
    )
    with pytest.raises(StudyError, match=message):
        read_study(config)
    config["rounds"][0]["strategy"] = "fixed"
    assert read_study(config)


def test_a_sweep_is_a_list_of_rounds_that_differ_in_one_number(config: dict) -> None:
    share = {"seed_set": "balanced", "strategy": "preservation", "tracked_label": "blue"}
    config["rounds"] = [
        {"name": f"share_{k}", **share, "options": {"preserved_share": value}}
        for k, value in enumerate((0.0, 0.25, 0.1, 1.0))
    ]
    config["rounds"].append({"name": "other", **share, "epochs": 7, "options": {"preserved_share": 0.7}})

    assert Plan(read_study(config)).sweeps() == [
        ("preserved_share", {"share_0": 0.0, "share_1": 0.25, "share_2": 0.1, "share_3": 1.0})
    ]
    config["rounds"] = config["rounds"][:2]
    assert Plan(read_study(config)).sweeps() == []


def test_a_detector_of_machine_text_needs_a_candidate_that_is_trained(config: dict) -> None:
    config["rounds"][0]["strategy"] = "human_likeness"
    plan = replicated({**config, "generations": 3}, 2)
    assert plan.detects_machine_text
    seed_sets = [f"out/human_likeness/seed_sets/balanced{k}.parquet" for k in ("", "/replicate_02")]
    chains = [f"out/rounds/balanced_synthetic{k}" for k in ("", "/replicate_02")]
    scored = [f"{chain}/generation_0{k}/human_likeness.parquet" for chain in chains for k in range(2)]
    assert sorted(plan.machine_text_scores) == sorted(seed_sets + scored)

    given = {**config, "rounds": [config["rounds"][0] | {"models": MODELS}, *config["rounds"][1:]]}
    assert not Plan(read_study(given)).detects_machine_text
    assert Plan(read_study(given)).machine_text_scores == []

    config["classifier"] = {"candidates": [{"name": "given", "source": "folder", "path": "m", "train": False}]}
    with pytest.raises(StudyError, match=r"no row of classifier.candidates has train: true"):
        read_study(config)
