"""How the entries of the catalogue follow from the config."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from bias_amplification.figures.catalogue import KINDS, catalogue
from bias_amplification.study import Plan, read_study
from helpers import ROOT

#: Of permutations, in every study.
EXCHANGE = "Exchange replicates: the replicates of all rounds of a seed set are exchanged."


def entries(config):
    return catalogue(Plan(read_study(config)))


def test_figures_show_the_chosen_measure_of_bias(shipped):
    share, mean = (entries(shipped(figures={"bias": measure})) for measure in ("share", "mean_probability"))

    changed = {name for name in share if share[name] != mean[name]}
    assert changed == {"figure_2", "figure_3", "figure_5", "figure_6", "figure_7"}
    assert mean["figure_3"].arguments["columns"] == ["mean_probability_right", "text_quality_index"]
    assert share["figure_3"].arguments["columns"] == ["share_right", "text_quality_index"]
    assert mean["figure_2"].arguments["figures"] == {"bias": "mean_probability"}
    assert mean["figure_6"].caption.startswith("Mean probability of center")


def test_figures_show_the_chosen_quality_score(shipped):
    own, weighted = (entries(shipped(quality={"score": score})) for score in ("class", "weighted"))

    assert {name for name in own if own[name] != weighted[name]} == {"figure_3", "figure_5", "figure_8"}
    assert weighted["figure_3"].arguments["columns"][-1] == "text_quality_index_weighted"
    assert weighted["figure_8"].arguments["quality"] == {"score": "weighted"}


def test_numbers_of_figures_are_in_tables_of_the_same_study(shipped):
    for changed in ({}, {"interventions": {"rounds": []}}):
        found = entries(shipped(**changed))
        shown = {name: entry.numbers for name, entry in found.items() if entry.numbers}

        assert {found[name].kind for name in shown} == {"figure"}
        assert {found[table].kind for table in shown.values()} == {"table"}


def test_published_lines_are_drawn_for_published_rounds_unless_switched_off(shipped):
    drawn, without = (entries(shipped(figures={"published": wanted})) for wanted in (True, False))

    def with_lines(found):
        return {name for name, entry in found.items() if "published_rounds" in entry.arguments}

    assert with_lines(drawn) == {"figure_3", "figure_5", "figure_6", "figure_7", "figure_9"}
    assert with_lines(without) == set()
    assert drawn["figure_5"].arguments["published_rounds"] == {
        "center_synthetic": "center_synthetic", "center_preservation": "center_preservation",
    }  # fmt: skip
    assert "only their direction can be compared (the corpus is press" in drawn["figure_3"].caption
    assert drawn["figure_3"].sources("out") == {"metrics_file": "out/metrics.parquet"}
    assert drawn["figure_3"].published_sources()["published_file"].endswith("resources/published/trajectories.csv")
    assert without["figure_3"].published_sources() == {}


def test_study_with_other_labels_has_no_published_lines(config):
    found = entries(config)

    assert not [name for name, entry in found.items() if "published_rounds" in entry.arguments]
    assert not {"comparison", "comparison_summary"} & set(found)
    assert found["table_1"].published == {} and found["table_1"].title == "Classifier candidates"
    assert found["figure_6"].title == "Articles labelled green"
    assert "Figure" not in "".join(entry.title + entry.caption for entry in found.values())


@pytest.mark.parametrize("names", [("paper",), ("authors",)])
def test_levels_are_compared_in_the_papers_own_study(shipped, names):
    found = entries(shipped(*names))

    assert "only their direction" not in found["figure_6"].caption
    assert ("only their direction" in found["figure_3"].caption) == (names == ("paper",))


def test_the_caption_of_the_base_model_says_what_a_run_has_pretrained_it_on(shipped):
    assert entries(shipped())["figure_2"].caption.endswith(
        "The run has pretrained the model on a part of the classifier's texts (5% left, 48% center, 47% right)."
    )
    assert "pretrained" not in entries(shipped("paper"))["figure_2"].caption


def test_captions_have_the_studys_significance_level(shipped):
    found = entries(shipped(neurons={"alpha": 0.1}))

    assert "reaches in 10% of the permutations" in found["neuron_overlap"].caption
    assert "p ≤ 0.1" in found["layer_map"].caption
    assert found["layer_map"].arguments["neurons"] == {"alpha": 0.1}


def test_reproducibility_heads_the_neurons_with_the_studys_halves_and_centring(shipped):
    one, three = entries(shipped()), entries(shipped("replicates"))
    by_round = entries(shipped(neurons={"alpha": 0.1, "fixed_effects": "rounds"}))

    neurons = [name for name, entry in one.items() if entry.group == "Neurons"]
    assert neurons[:2] == ["reproducibility", "reproducibility_table"]
    assert "one half of the rounds" in one["reproducibility"].caption
    assert "changes in a held-out round;" in one["reproducibility"].caption
    assert "have in common at each generation, are subtracted" in one["reproducibility"].caption
    assert "each tested at 0.025" in one["reproducibility"].caption
    assert "one half of the replicates" in three["reproducibility"].caption
    assert "changes in a held-out replicate;" in three["reproducibility"].caption
    assert "The mean of each round is subtracted first." in by_round["reproducibility"].caption
    assert "each tested at 0.05" in by_round["reproducibility"].caption


def test_captions_name_the_kind_of_interval_and_the_replicate_that_is_shown(shipped):
    one, three = entries(shipped()), entries(shipped("replicates"))

    def captions(found, *names):
        return [found[name].caption for name in names]

    for caption in captions(one, "figure_2", "robustness", "robustness_table", "ground_truth", "transitions"):
        assert "over articles" in caption or "over the articles" in caption
    for caption in (entry.caption for name, entry in one.items() if name not in ("changes", "changes_table")):
        assert "replicates" not in caption.replace("docs/replicates.md", "").replace(EXCHANGE, "")
    assert "between the 3 draws" in three["figure_2"].caption
    for caption in captions(three, "robustness", "robustness_table", "ground_truth", "ground_truth_table"):
        assert "between replicates" in caption
    assert "of each replicate" in three["metrics"].caption
    assert "over articles in brackets" in three["metrics"].caption
    assert "between replicates" in three["transitions"].caption and "3 replicates" in three["transitions"].caption
    for caption in captions(three, "comparison", "comparison_summary"):
        assert "one new training" in caption and "in either study" not in caption
    assert "another training seed is not included in either study" in one["comparison_summary"].caption
    for name in ("figure_8", "article_evolution", "article_page"):
        assert "round synthetic (replicate 1 of 3)" in three[name].caption
        assert "replicate 1" not in one[name].caption and "round balanced_synthetic" in one[name].caption
    assert three["article_page"].arguments["example"]["round"] == "synthetic (replicate 1 of 3)"
    for name in ("counts_against_chance", "neuron_overlap", "neuron_calibration"):
        assert three[name].caption == one[name].caption + " Each replicate of a round counts as a round here."


@pytest.mark.parametrize("names", [(), ("replicates",)])
def test_page_of_articles_has_the_base_model_and_the_first_replicate_of_every_round(shipped, names):
    plan = Plan(read_study(shipped(*names)))
    page = catalogue(plan)["article_page"]
    seed_sets, rounds = page.inputs["seed_set_files"], page.arguments["rounds"]

    expected = [Path("base/generated") / Path(file).stem for file in seed_sets]
    for name, shown in zip(plan.rounds, rounds, strict=True):
        assert shown == name + (" (replicate 1 of 3)" if names else "")
        assert seed_sets[rounds[shown]] == f"corpus/seed_sets/{plan.rounds[name].seed_set}.parquet"
        expected += [Path("rounds") / name / f"generation_{place:02d}" for place in range(plan.study.generations)]
    tables = ("articles", "predictions", "quality", "perplexity")
    assert page.inputs["version_files"] == [f"{folder}/{table}.parquet" for folder in expected for table in tables]


def test_tables_about_replicates_are_only_in_studies_with_several(shipped):
    names = {"means_table", "variance_sources"}
    one, three = entries(shipped()), entries(shipped("replicates"))
    mixed = shipped()
    mixed["rounds"][1]["replicates"] = {"number": 2}

    assert not names & set(one)
    assert names <= set(three) and names <= set(entries(mixed))
    assert three["means_table"].sources("out") == {"means_file": "out/replicates/means.parquet"}


def test_interventions_are_shown_behind_the_neurons_where_neurons_are_changed(shipped):
    names = ["interventions_table", "interventions", "interventions_all", "interventions_calibration"]
    tables = dict(
        zip(names, (["effects", "missing"], ["effects"], ["effects", "missing"], ["calibration"]), strict=True)
    )
    changed = {"rounds": ["balanced_synthetic"], "controls": 40}
    found = entries(shipped(interventions=changed))

    assert not set(names) & set(entries(shipped(interventions={"rounds": []})))
    groups = list(dict.fromkeys(entry.group for entry in found.values()))
    assert groups[groups.index("Neurons") + 1] == found["interventions"].group == "Interventions: neurons are changed"
    assert [name for name, entry in found.items() if entry.group == found["interventions"].group] == names
    for name in names:
        assert found[name].sources("out") == {
            f"{table}_file": f"out/interventions/{table}.parquet" for table in tables[name]
        }
        if name != "interventions_calibration":
            assert found[name].caption.endswith(" Sets were chosen on the other rounds.")
    assert "in generation 10 of round balanced_synthetic" in found["interventions"].caption
    assert "mean of 40 controls" in found["interventions"].caption


@pytest.mark.parametrize(
    ("chosen", "ending"),
    [
        ({"chosen_on": "own"}, "Sets were chosen on the same versions that are changed, so that chance can make them "
                               "look effective."),
        ({"chosen_on": ["center_synthetic"]}, "Sets were chosen on the rounds center_synthetic."),
        ({"sets": [{"name": "mine", "file": "mine.csv"}]}, "text quality from 0 to 3."),
        ({"sets": [{"name": "mine", "file": "mine.csv"}, {"name": "bias", "outcome": "bias"}]},
         "Sets that are not from a file were chosen on the other rounds."),
        ({"generations": [3, 10]}, "Sets were chosen on the other rounds."),
    ],
)  # fmt: skip
def test_captions_of_interventions_say_where_sets_are_from(shipped, chosen, ending):
    found = entries(shipped(interventions={"rounds": ["balanced_synthetic"], **chosen}))["interventions_table"]

    assert found.caption.endswith(ending)
    assert ("in 2 versions" in found.caption) == ("generations" in chosen)


def test_caption_says_that_rounds_with_held_neurons_do_not_choose(shipped):
    config = shipped(interventions={"rounds": ["balanced_synthetic"]})
    config["rounds"][2]["held"] = {"outcome": "bias", "size": 3, "rounds": ["balanced_synthetic"]}

    caption = entries(config)["interventions_table"].caption
    assert caption.endswith(
        "chosen on the other rounds, without rounds whose held neurons were found on the changed round."
    )


def test_sets_of_a_study_with_replicates_are_chosen_on_other_replicates(shipped):
    found = entries(shipped("replicates", interventions={"rounds": ["synthetic"]}))

    assert found["interventions"].caption.endswith("Sets were chosen on the other replicates of all rounds.")


def test_caption_of_the_ground_truth_has_no_number_of_one_run(shipped):
    caption = entries(shipped())["ground_truth_table"].caption

    assert [word for word in caption.split() if "%" in word] == ["95%"]


#: Words of the paper and of its corpus, which a page about posts with two labels has no use for.
FOREIGN = re.compile(
    r"(?i:\b(articles?|outlets?|events?|topics?|titles?|headlines?|press|published numbers|figures? \d+|table \d+|"
    r"section \d|appendi(x|ces))\b)|\bcenter\b"
)


@pytest.mark.parametrize("bias", ["share", "mean_probability"])
def test_page_about_posts_speaks_of_posts_alone(posts, bias):
    found = entries(posts(figures={"bias": bias}, interventions={"rounds": ["synthetic"]}))

    for name, entry in found.items():
        said = FOREIGN.search(f"{entry.group}. {entry.title}. {entry.caption}")
        assert said is None, (name, said)
        assert not entry.published and "comparison.parquet" not in entry.inputs.values()
        assert "unit" not in entry.arguments or entry.arguments["unit"] == "post"
    assert not {"comparison", "comparison_summary", "event_shares", "figure_6", "figure_7"} & set(found)
    assert found["figure_8"].group == "Posts" and found["figure_2"].title == "Labels of the base model's posts"
    assert f"The {bias.replace('_', ' ')} of polite is one minus that of rude." in found["figure_3"].caption
    assert found["table_1"].caption.endswith("macro F1 on the validation part of the random split.")


def test_report_says_what_an_article_is(shipped, posts):
    # Snakemake renders its reports with it.
    jinja2 = pytest.importorskip("jinja2")

    def report(config):
        text = jinja2.Template((ROOT / "workflow" / "report" / "workflow.rst").read_text(encoding="utf-8"))
        return " ".join(text.render(snakemake=SimpleNamespace(config=config)).split())

    press, of_posts, as_a_module = map(report, (shipped(), posts(), {}))

    assert press == as_a_module and press.startswith("This study trains a language model")
    assert "with the article's title and with each block of its body" in press
    assert "synthetic articles. A **round** is" in press
    assert "with the article's title, if it has one, and with each block of its body" in of_posts
    assert "an article is one text of the corpus, here called post. A **round** is" in of_posts


def test_words_of_names_stay(posts):
    config = posts("article", "comment")
    config["rounds"][0]["name"] = "short-articles"

    found = entries(config)

    assert "Share of posts whose most likely label is article, and" in found["figure_3"].caption
    assert "the posts of round short-articles, in bins" in found["figure_8"].caption


def test_events_and_outlets_are_spoken_of_where_the_config_names_them(posts):
    both = {"event_id": "thread", "outlet": "forum"}
    found = entries(posts(corpus={"columns": both}))
    event = entries(posts(corpus={"columns": {"event_id": "thread"}}))
    config = posts()
    config["corpus"]["columns"] = {}
    unknown = entries(config)

    assert found["table_1"].caption.endswith(
        "the random split, and trains it again on splits by event and by outlet. If labels follow outlets, scores on a "
        "random split are too good."
    )
    assert event["table_1"].caption.endswith("the random split, and trains it again on a split by event.")
    # Whether the file has events is not known: the table is empty if it has none.
    assert "event_shares" in found and "event_shares" in event and "event_shares" in unknown
    assert unknown["table_1"].caption.endswith("macro F1 on the validation part of the random split.")


def test_every_figure_and_table_of_articles_knows_their_word(posts):
    without = set()
    for name, entry in entries(posts(replicates={"number": 2})).items():
        if not {"unit", "corpus"} & set(entry.arguments):
            without.add(name)

    # These show nothing of single texts.
    groups = ("Neurons", "Interventions: neurons are changed", "Theory")
    neurons = {name for name, entry in entries(posts()).items() if entry.group in groups}
    assert without - neurons == {"changes", "article_evolution", "quality_detector"}


def test_figures_are_numbered_by_seed_set_and_label(config):
    config["seed_sets"].append({"name": "red", "labels": ["red"], "size": 6})
    config["rounds"].append({"name": "red", "seed_set": "red", "strategy": "synthetic", "tracked_label": "red"})

    found = entries(config)

    columns = {name: entry.arguments["columns"] for name, entry in found.items() if "columns" in entry.arguments}
    assert columns == {
        "figure_3": ["share_blue", "text_quality_index"],
        "figure_6": ["share_green"],
        "figure_7": ["share_red"],
        "figure_5": ["share_green", "text_quality_index"],
        "trajectories_red": ["share_red", "text_quality_index"],
        "figure_9": ["perplexity_base", "perplexity_generating"],
    }
    assert found["trajectories_red"].arguments["rounds"] == ["red"]


@pytest.mark.parametrize("names", [(), ("replicates",)])
def test_every_entry_gives_its_function_the_parameters_that_it_takes(shipped, names):
    for entry in entries(shipped(*names)).values():
        module, name = entry.function.split(":")
        function = getattr(importlib.import_module(f"bias_amplification.{module}"), name)
        given = {**entry.sources("out"), **entry.published_sources(), **entry.arguments, "out": entry.files("out")}
        inspect.signature(function).bind(**given)
        assert "{" not in entry.title + entry.caption


def test_files_and_groups_of_the_page(shipped):
    found = entries(shipped())

    assert found["figure_4"].files("out") == [
        "out/figures/figure_4.png",
        "out/figures/figure_4.svg",
        "out/figures/figure_4.pdf",
    ]
    assert found["table_1"].files("out") == ["out/tables/table_1.csv", "out/tables/table_1.html"]
    assert found["article_page"].files("out") == ["out/figures/article_page.html"]
    assert {entry.kind for entry in found.values()} == set(KINDS)
    # The page needs the members of a group to follow each other.
    groups = [entry.group for entry in found.values()]
    assert len(set(groups)) == 1 + sum(one != other for one, other in pairwise(groups))


def test_importing_the_catalogue_loads_no_plotting_library():
    code = "import sys, bias_amplification.figures.catalogue; print([*sys.modules])"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    assert "bias_amplification.figures.catalogue" in found.stdout
    assert not {"'matplotlib'", "'seaborn'", "'pandas'"} & set(found.stdout.strip("[]\n").split(", "))
