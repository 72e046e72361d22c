"""Every figure and table of a study, declared: what it shows, what it is made from, what makes it.

The workflow's rules, Snakemake's report and the page of results all read this list, so a new figure is a function of
this room and one entry here. Importing it loads no plotting library.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bias_amplification.published.place import trajectories_file
from bias_amplification.study import Plan, Version
from bias_amplification.study.comparable import level_departures, published_rounds

#: Files of an entry, by kind.
ENDINGS = {"figure": ("png", "svg", "pdf"), "table": ("csv", "html")}


@dataclass(frozen=True)
class Entry:
    """A figure or table.

    `inputs` are paths below the results folder, by the function's parameter, and `shipped` files of the project's own;
    `function` is "module:name" for `jobs.run_job`.
    """

    name: str
    group: str
    title: str
    caption: str
    function: str
    inputs: dict[str, str | list[str]]
    arguments: dict[str, Any] = field(default_factory=dict)
    kind: str = "figure"
    shipped: dict[str, str] = field(default_factory=dict)

    def files(self, results: str) -> list[str]:
        """Paths of its files."""
        return [f"{results}/{self.kind}s/{self.name}.{ending}" for ending in ENDINGS[self.kind]]

    def sources(self, results: str) -> dict[str, str | list[str]]:
        """Paths of what it is made from, by the function's parameter."""
        made = {
            name: f"{results}/{paths}" if isinstance(paths, str) else [f"{results}/{path}" for path in paths]
            for name, paths in self.inputs.items()
        }
        return made | self.shipped


_BANDS = "Bands: 95% intervals over the articles of a generation. Dotted: the base model before fine-tuning."


def catalogue(plan: Plan) -> dict[str, Entry]:
    """List a study's figures and tables, in the order of the page of results.

    The first seed set gives Figures 2, 3, 6, 7 and following; the second gives Figure 5; further ones are named after
    their seed set.
    """
    entries = [
        *_base(plan),
        *_trajectories(plan),
        *_robustness(plan),
        *_comparison(plan),
        *_articles(plan),
        *_neurons(plan),
        *_corpus(plan),
        *_theory(),
    ]
    return {entry.name: entry for entry in entries}


def _corpus(plan: Plan) -> list[Entry]:
    cleaning = Entry(
        name="cleaning",
        kind="table",
        group="Corpus and classifier",
        title="What cleaning did",
        caption="How many articles each step of reading, cleaning and identity removal changed or left out, with the "
        "ids of some.",
        function="figures.tables:write_cleaning_table",
        inputs={"cleaning_file": "corpus/cleaning.parquet"},
    )
    splits = [f"classifier/splits/{split}/scores.json" for split in plan.splits]
    table_1 = Entry(
        name="table_1",
        kind="table",
        group="Corpus and classifier",
        title="Table 1: classifier candidates",
        caption="Each candidate's scores on articles that it was not trained on. The study uses the one with the best "
        "macro F1 on the validation part of the random split, and trains that one again on splits by event and by "
        "outlet: labels are given by outlet, so a random split flatters.",
        function="figures.tables:write_classifier_table",
        inputs={"scores_files": [f"classifier/{name}/scores.json" for name in plan.candidates] + splits},
    )
    detector = Entry(
        name="quality_detector",
        kind="table",
        group="Corpus and classifier",
        title="Quality detector",
        caption="F1 of the detector behind the text quality index, for each class, on graded corruptions of sentences "
        "that it was not trained on.",
        function="figures.tables:write_detector_table",
        inputs={"scores_file": "quality_detector/scores.json"},
    )
    return [table_1, detector, cleaning]


def _base(plan: Plan) -> list[Entry]:
    metrics = Entry(
        name="metrics",
        kind="table",
        group="Bias and quality over generations",
        title="Every model version",
        caption="One row a generation of every round, and the base model: shares of labels in per cent, mean "
        "probabilities, text quality index and perplexities, each with its 95% interval over articles in brackets.",
        function="figures.tables:write_metrics_table",
        inputs={"metrics_file": "metrics.parquet"},
        arguments={"labels": plan.study.corpus.labels},
    )
    first = plan.seed_sets_used()[0]
    shown = {
        "share": "Share of the base model's articles with each most likely label",
        "mean_probability": "Mean probability of each label over the base model's articles",
    }[plan.study.figures.bias]
    figure_2 = Entry(
        name="figure_2",
        group="Bias and quality over generations",
        title="Figure 2: what the base model writes",
        caption=f"{shown}, before any fine-tuning, prompted with the articles of the seed set {first}. Black lines: "
        "95% intervals over articles. Dotted: equal shares.",
        function="figures.distributions:write_label_distribution",
        inputs={"metrics_file": "metrics.parquet"},
        arguments={"labels": plan.study.corpus.labels, "seed_set": first, "measure": plan.study.figures.bias},
    )
    return [figure_2, metrics]


def _trajectory(plan: Plan, name: str, title: str, caption: str, **arguments: Any) -> Entry:
    known = {own: other for own, other in published_rounds(plan.study).items() if own in arguments["rounds"]}
    drawn = known if plan.study.figures.published else {}
    return Entry(
        name=name,
        group="Bias and quality over generations",
        title=title,
        caption=f"{caption} {_BANDS}" + (f" {_published(plan, arguments['columns'])}" if drawn else ""),
        function="figures.trajectories:write_trajectories",
        inputs={"metrics_file": "metrics.parquet"},
        arguments={"labels": plan.study.corpus.labels, **arguments} | ({"published_rounds": drawn} if drawn else {}),
        shipped={"published_file": trajectories_file()} if drawn else {},
    )


def _published(plan: Plan, columns: Sequence[str]) -> str:
    """Say what the pale lines are, and why they may lie elsewhere."""
    departures = level_departures(plan.study)
    kinds = {"text": "quality", "perplexity": "perplexity"}
    shown = {kinds.get(column.split("_")[0], "bias") for column in columns}
    reasons = dict.fromkeys(departures[kind] for kind in sorted(shown) if kind in departures)
    words = "Pale dashes: the paper's published results"
    words += f", to be compared in direction alone ({'; '.join(reasons)})." if reasons else "."
    if "quality" in shown:
        words += " The published index weighs a sentence's score with its probability and cuts at periods."
    return words


def _comparison(plan: Plan) -> list[Entry]:
    group, departures = "Published numbers", dict.fromkeys(level_departures(plan.study).values())
    level = f" Levels are not compared where {'; '.join(departures)}." if departures else ""
    return [
        Entry(
            name="comparison_summary",
            kind="table",
            group=group,
            title="Verdicts on the published numbers",
            caption="How many of the published numbers this run is within sampling error of, moves in the same "
            "direction as, or differs from. If runs differed by sampling error alone, some 5% would be outside it. "
            "Undecided: a change is no larger than its sampling error. Sampling error is that of articles; how much "
            "another seed of the training would change is not in it, here or there." + level,
            function="figures.tables:write_comparison_summary",
            inputs={"comparison_file": "comparison.parquet"},
        ),
        Entry(
            name="comparison",
            kind="table",
            group=group,
            title="Every published number beside the run's own",
            caption="First what the paper's text says, each number as the measure that it really is, then the "
            "per-generation results. In brackets: 95% intervals over articles (shares: Wilson, differences: Newcombe; "
            "of published mean probabilities the largest that they can be); for counts of neurons the range that "
            "chance gives (own: permuted outcomes). Changes are from generation 0, at generation 0 from the base "
            "model; their intervals take generations as independent samples, which is wider than paired ones if an "
            "article keeps its label." + level,
            function="figures.tables:write_comparison_table",
            inputs={"comparison_file": "comparison.parquet"},
        ),
    ]


def _trajectories(plan: Plan) -> list[Entry]:
    labels, bias = plan.study.corpus.labels, plan.study.figures.bias
    measure = {"share": "Share of articles whose most likely label is", "mean_probability": "Mean probability of"}[bias]
    quality = "text_quality_index" if plan.study.quality.score == "class" else "text_quality_index_weighted"
    entries = []
    for position, seed_set in enumerate(plan.seed_sets_used()):
        rounds = [r.name for r in plan.study.rounds if r.seed_set == seed_set]
        tracked = list(dict.fromkeys(plan.rounds[name].tracked_label for name in rounds))
        number = {0: "3", 1: "5"}.get(position)
        name = f"figure_{number}" if number else f"trajectories_{seed_set}"
        heading = f"Figure {number}: " if number else ""
        entries.append(
            _trajectory(
                plan,
                name,
                f"{heading}bias and text quality, seed set {seed_set}",
                f"{measure} {' or '.join(tracked)}, and mean text quality index, "
                f"in the rounds that start from the seed set {seed_set}. Generation 0 is fine-tuned on real articles.",
                columns=[*(f"{bias}_{label}" for label in tracked), quality],
                rounds=rounds,
            )
        )
        # The paper shows center before left: from the tracked label outwards.
        others = [label for label in reversed(labels) if label not in tracked]
        for order, label in enumerate(others if position == 0 else []):
            entries.append(
                _trajectory(
                    plan,
                    f"figure_{6 + order}" if order < 2 else f"share_{label}",
                    (f"Figure {6 + order}: " if order < 2 else "") + f"articles labelled {label}",
                    f"{measure} {label}, in the rounds of Figure 3.",
                    columns=[f"{bias}_{label}"],
                    rounds=rounds,
                )
            )
    rounds = [r.name for r in plan.study.rounds if r.seed_set == plan.seed_sets_used()[0]]
    entries.append(
        _trajectory(
            plan,
            "figure_9",
            "Figure 9: perplexity",
            "Mean perplexity of the synthetic articles under the base model and under the model that wrote them, on "
            "a logarithmic axis. Low perplexity is not quality: text that repeats itself is easy to predict.",
            columns=["perplexity_base", "perplexity_generating"],
            rounds=rounds,
            logarithmic=True,
        )
    )
    return entries


def _robustness(plan: Plan) -> list[Entry]:
    labels, group = plan.study.corpus.labels, "Robustness of the measure"
    metrics = {"metrics_file": "metrics.parquet"}
    tracked = {name: plan.rounds[name].tracked_label for name in plan.rounds}
    judges = ["selected", *(["second"] if plan.second_classifier else [])]
    ways = (
        "corrected for the confusions that the classifier shows on test articles (adjusted counting, which takes "
        "models' articles to be confused as people's are)"
    )
    if plan.second_classifier:
        ways += ", by the candidate that came second"
    ways += (
        f", among articles with a text quality index of at least {plan.study.quality.readable:g}, and as the mean "
        "probability at the temperature that fits the validation articles"
    )
    return [
        Entry(
            name="robustness",
            group=group,
            title="Does the amplification survive another way of counting?",
            caption="The classifier has learned from people's articles and reads models'. Share of each round's "
            f"tracked label as classified (band: 95% interval over articles), {ways}.",
            function="figures.robustness:write_robustness",
            inputs=metrics,
            arguments={"labels": labels, "tracked": tracked},
        ),
        Entry(
            name="robustness_table",
            kind="table",
            group=group,
            title="Changes of the tracked label's share, in every way of counting",
            caption="First and last generation with a value, and their difference, each with its 95% interval. A "
            "change that is told from none has an interval without zero; generations are taken as independent "
            "samples. Articles unexplained: where the classifier gives labels in shares that no mixture of people's "
            "articles would be given, its confusions have changed and the correction is not to be believed: beyond 5% "
            "it decides nothing.",
            function="figures.robustness:write_robustness_table",
            inputs=metrics,
            arguments={"labels": labels, "tracked": tracked},
        ),
        Entry(
            name="classifier_reliability",
            kind="table",
            group=group,
            title="Is the classifier as sure as it is right?",
            caption="Test articles by the largest probability that the classifier gives them, with the share that is "
            "right: as it is, and at the temperature that fits its validation articles. Expected calibration error: "
            "mean distance of the two over articles.",
            function="figures.robustness:write_reliability_table",
            inputs={"scores_files": [f"classifier/{name}/scores.json" for name in judges]},
        ),
    ]


def _articles(plan: Plan) -> list[Entry]:
    example, shown = plan.study.example, plan.example_round
    folders = [v.folder for v in plan.versions() if v.round == shown]
    tables = {
        f"{kind}_files": [f"{folder}/{kind}.parquet" for folder in folders]
        for kind in ("articles", "predictions", "quality", "perplexity")
    }
    column = "quality" if plan.study.quality.score == "class" else "quality_weighted"
    group = "Articles"
    seed_set = plan.seed_set_file(Version(shown, 0)).removeprefix(f"{plan.study.results}/")
    history = {"seed_set_file": seed_set, **tables}
    choice = {"labels": plan.study.corpus.labels, "article_id": example.article_id, "label": example.label}
    return [
        Entry(
            name="figure_8",
            group=group,
            title="Figure 8: how text quality is spread over articles",
            caption=f"One histogram a generation of the articles' text quality index, round {shown}, bins of 0.1. "
            "Black: the mean. Articles without a sentence are left out.",
            function="figures.distributions:write_quality_distribution",
            inputs={"quality_files": tables["quality_files"]},
            arguments={"column": column},
        ),
        Entry(
            name="article_evolution",
            group=group,
            title="One article across generations (appendices C and F)",
            caption=f"What each generation of round {shown} made of the same seed article: label probabilities, text "
            "quality index, and perplexity under the base model and under the model that wrote it. One article is an "
            "illustration, not evidence. The texts themselves stand in article_page.html.",
            function="figures.article:write_article_evolution",
            inputs=history,
            arguments=choice,
        ),
    ]


def _neurons(plan: Plan) -> list[Entry]:
    group, versions = "Neurons", len(plan.neuron_versions())
    alpha = plan.study.neurons.alpha
    told = {
        "shift": "each round's are shifted in a circle",
        "flip": "the signs of whole rounds are flipped",
        "exchange": "rounds are exchanged with one another",
    }
    moves = " and ".join(told[move] for move in plan.study.neurons.permutations.schemes[0])
    nulls = {"null_file": "neurons/null.parquet", "overlap_file": "neurons/overlap.parquet"}
    return [
        Entry(
            name="figure_4",
            group=group,
            title="Figure 4: neuron weights against bias and text quality",
            caption=f"Pearson correlation, over all {versions} model versions, of each neuron's weight with bias and "
            "with text quality. Above: how many neurons have which correlation. Below: each line is a layer, its "
            "neurons sorted; white marks where the sign changes, and neurons that never changed are blank. Both sides "
            "drift over generations, so high values are to be expected by drift alone; the regressions use "
            "differences for that reason.",
            function="figures.neurons:write_correlations",
            inputs={"correlations_file": "neurons/correlations.parquet"},
        ),
        Entry(
            name="neuron_sets",
            group=group,
            title="Neurons that go with bias, with text quality, and with both (section 4.4)",
            caption=f"Counts of neurons whose changes go with changes of the outcome at p < {alpha:g} (Newey-West), "
            "for weights and for activations. Black marks: the count when the false discovery rate is "
            "held at the same level (Benjamini-Hochberg). Open bar: the overlap to be expected if the two sets were "
            "independent, and beside the overlap found the probability of at least as many then. That probability "
            "takes neurons as independent of each other, which they are not.",
            function="figures.neurons:write_neuron_sets",
            inputs={"sets_file": "neurons/sets.parquet"},
        ),
        Entry(
            name="neuron_counts",
            kind="table",
            group=group,
            title="Counts of neurons (section 4.4)",
            caption="Neurons that go with bias, with text quality and with both, and in brackets their share of the "
            "neurons tested: at the threshold of the test, at the same false discovery rate (Benjamini-Hochberg; under "
            "any dependence: Benjamini-Yekutieli), at the same family-wise error (Bonferroni), and with the plug-in "
            "rule's number of Newey-West lags. For the first, the overlap to be expected of independent sets of these "
            "sizes, the probability of at least the overlap found, its odds ratio (1: as independent) with a 95% "
            "interval, and Storey's estimate of the share of neurons that do not go with the outcome.",
            function="figures.tables:write_neuron_table",
            inputs={"sets_file": "neurons/sets.parquet"},
        ),
        Entry(
            name="p_values",
            group=group,
            title="p-values of all regressions",
            caption="One regression for each neuron, measure and outcome. Dashed: the height of every bar if no "
            "neuron went with the outcome. Neurons are correlated with each other, so the shape varies more than for "
            "independent tests.",
            function="figures.neurons:write_p_values",
            inputs={"regression_file": "neurons/regression.parquet"},
            arguments={"alpha": alpha},
        ),
        Entry(
            name="p_value_quantiles",
            group=group,
            title="p-values against those of chance",
            caption="Each point is a neuron, the smallest p-values on the right. Points above the line are smaller "
            "than chance gives. The grey band is for independent neurons; neurons of one model are not, and together "
            "stray further.",
            function="figures.neuron_nulls:write_quantiles",
            inputs={"regression_file": "neurons/regression.parquet"},
        ),
        Entry(
            name="counts_against_chance",
            group=group,
            title="Counts of neurons against permuted outcomes",
            caption=f"How many neurons have p < {alpha:g} when the outcomes' changes are permuted ({moves}, at "
            "random), which leaves every neuron's values and the neurons' correlation alone. Line: the count found. "
            "p: share of the permutations with as many or more.",
            function="figures.neuron_nulls:write_counts",
            inputs=nulls,
        ),
        Entry(
            name="overlap_against_chance",
            group=group,
            title="Are the neurons of bias and of text quality distinct?",
            caption="Left: how many neurons are among the strongest for bias and for text quality, as many in each "
            "layer as were found, under permutations; dotted: what sets independent in each layer would share. Middle: "
            "correlation of the ranks of absolute t within layers. Right: neurons that go the same way with both. The "
            "outcomes are permuted by the same moves, and each alone while the other stays as it is; drawn is the one "
            "of the three that the value found sits in best, and p is the largest. In italics what the overlap "
            "supports.",
            function="figures.neuron_nulls:write_overlaps",
            inputs=nulls,
        ),
        Entry(
            name="layer_map",
            group=group,
            title="Where the significant neurons are",
            caption=f"Each line is a layer; marks are neurons with p < {alpha:g}. Bars: their number in the layer; "
            "black lines: where 95% of the permutations lie.",
            function="figures.neuron_nulls:write_layer_map",
            inputs={"regression_file": "neurons/regression.parquet", "overlap_file": "neurons/overlap.parquet"},
            arguments={"alpha": alpha},
        ),
        Entry(
            name="neuron_overlap",
            kind="table",
            group=group,
            title="Neurons found, beside what permuted outcomes give",
            caption="Counts, overlap of sets of the sizes found, and agreement of the two rankings, each with the 95% "
            "range under permutation in brackets. Moves: shift (changes go round within a round; fair if changes are "
            "alike over generations, and far too ready to reject where they shrink), flip (signs of a round's changes; "
            "fair if up and down are equally likely), "
            "exchange (whole rounds; keeps what all rounds do at the same generation). Family-wise: neurons above "
            f"what the largest of all reaches in {100 * alpha:g}% of the permutations.",
            function="figures.tables:write_overlap_table",
            inputs={"overlap_file": "neurons/overlap.parquet"},
        ),
        Entry(
            name="neuron_sensitivity",
            kind="table",
            group=group,
            title="Counts of neurons under every combination of choices",
            caption="One row a combination of what is taken for a neuron's value, for bias and for quality, of "
            "differences, and of the reference distribution with its small-sample correction; rows that are someone's "
            "choice come first. Brackets: 95% "
            "of permutations of the overlap.",
            function="figures.tables:write_sensitivity_table",
            inputs={"sensitivity_file": "neurons/sensitivity.parquet"},
        ),
        Entry(
            name="neuron_calibration",
            kind="table",
            group=group,
            title="How often each test rejects in simulated studies",
            caption=f"Simulated studies with this one's rounds and generations. Where nothing is planted, a sound test "
            f"rejects {100 * alpha:g}%; ± is the Monte Carlo error. Random walks wander apart by chance, which is why "
            "regressions of levels reject far more. Counts: the permutation test of the number of neurons. Planted: a "
            "tenth of the neurons follow the outcome with the correlation given.",
            function="figures.tables:write_calibration_table",
            inputs={"calibration_file": "neurons/calibration.parquet"},
        ),
    ]


def _theory() -> list[Entry]:
    captions = {
        "weighted": "Each generation is fitted to a sample of the one before it, weighted by the density fitted there: "
        "a bias that feeds on itself without sampling error.",
        "plain": "As Figure 10, without weights: the fitted density stays near the real sample's.",
    }
    return [
        Entry(
            name=f"figure_{number}",
            group="Theory",
            title=f"Figure {number}: {method} maximum likelihood in a loop",
            caption=f"{captions[method]} Fitted Beta densities by generation; dashed: mean of the biased pretraining "
            "distribution.",
            function="figures.densities:write_beta_densities",
            inputs={"beta_file": "theory/beta.parquet"},
            arguments={"method": method},
        )
        for number, method in ((10, "weighted"), (11, "plain"))
    ]
