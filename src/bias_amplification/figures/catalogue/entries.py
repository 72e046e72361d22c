"""The figures, tables and pages of every study, as data. Fields in braces are explained in `facts.py`."""

from bias_amplification.figures.catalogue.entry import Entry
from bias_amplification.figures.catalogue.interventions import INTERVENTION_ENTRIES
from bias_amplification.figures.catalogue.neurons import NEURON_ENTRIES

BIAS_AND_QUALITY = "Bias and quality over generations"
CHANGES = "Changes, and how much of them is chance"
ROBUSTNESS = "Robustness of the measure"
PUBLISHED = "Published numbers"
ARTICLES = "Articles"
CORPUS = "Corpus and classifier"
THEORY = "Theory"

_METRICS = {"metrics_file": "metrics.parquet"}
_COMPARISON = {"comparison_file": "comparison.parquet"}
_ARTICLE = {"seed_set_file": "example_seed_set", "generation_files": "example_tables"}
_BETA = {"beta_file": "theory/beta.parquet"}

#: Entries before the figures over generations (`trajectories.py`).
FIRST = (
    Entry(
        "figure_2",
        BIAS_AND_QUALITY,
        "labels of the base model's articles",
        "{label_measure}. The model is not fine-tuned and is prompted with the articles of the seed set {seed_set}. "
        "Black lines: 95% intervals {over_base}. Dotted: equal shares of all labels.{pretraining}",
        function="figures.distributions:write_label_distribution",
        numbers="metrics",
        inputs=_METRICS,
        number="Figure 2",
        study_arguments=("corpus", "seed_set", "figures"),
    ),
)

_METRICS_TABLES = (
    Entry(
        "metrics",
        BIAS_AND_QUALITY,
        "Every model version",
        "{version_rows}: shares of labels in per cent, mean probabilities, text quality indices, perplexities, and "
        "shares of degenerate and of readable texts, with 95% intervals over articles in brackets. Intervals of means "
        "over fewer than 50 articles are too narrow near the ends of a scale (docs/measures.md). Labelled: number of "
        "articles that are not too short to have a label; shares of labels are of these.",
        kind="table",
        function="figures.tables.metrics:write_metrics_table",
        inputs=_METRICS,
        study_arguments=("corpus",),
    ),
    Entry(
        "means_table",
        BIAS_AND_QUALITY,
        "Means over replicates",
        "One row for the base model on each seed set and for each generation of each round: means over replicates of "
        "the numbers in the table of model versions. In square brackets: 95% intervals between replicates (Student's "
        "t), or over articles if only one replicate has the number. In round brackets: how many replicates have the "
        "number, if not all.",
        kind="table",
        function="figures.tables.metrics:write_means_table",
        inputs={"means_file": "replicates/means.parquet"},
        study_arguments=("corpus",),
        only="replicates",
    ),
)

_CONTRASTS = {"contrasts_file": "replicates/contrasts.parquet"}

_REPLICATES = (
    Entry(
        "changes",
        CHANGES,
        "Change of every round, beside the controls",
        "Change from generation 0 to the last generation, in the share of the round's tracked label, in its mean "
        "probability and in the text quality index. Point: mean over replicates; line: 95% interval, which holds the "
        "errors of articles and of replicates; strokes: the replicates. A hollow point is a round with one replicate: "
        "its interval holds the error of articles only. Grey: controls, and behind each round with several replicates "
        "the interval of the control with which it is compared (same fine-tuning and decoding). What a round changes "
        "beyond the controls real and fixed is what training on generated text adds, and with accumulation also what "
        "longer training adds. An arrow is an interval that "
        "leaves the panel.",
        function="figures.contrasts:write_changes",
        numbers="changes_table",
        inputs=_CONTRASTS,
    ),
    Entry(
        "changes_table",
        CHANGES,
        "Does the share rise or fall?",
        "Changes from generation 0 to the last generation, paired by article and replicate, with 95% intervals in "
        "brackets. An article takes part in the change of a share if it has a label in both generations. Beside a "
        "control: the change minus the change of a control with the same fine-tuning and decoding. With one replicate, "
        "intervals hold the error of articles only. With several, a change is told apart from none if its interval "
        "excludes 0; in simulated studies without a change this happened in at most 6% of them for each outcome, if no "
        "training collapsed by chance (docs/replicates.md).",
        kind="table",
        function="figures.tables.contrasts:write_changes_table",
        inputs=_CONTRASTS,
        study_arguments=("unit",),
    ),
    Entry(
        "comparisons",
        CHANGES,
        "Differences between rounds",
        "Differences of the changes of two rounds with the same seed set and tracked label, paired by article and "
        "replicate, with 95% intervals in brackets. p is adjusted by Holm's method among all pairs, or all pairs with "
        "a control, of one outcome. The verdict depends on the adjusted p. Rounds with one replicate have no p.",
        kind="table",
        function="figures.tables.contrasts:write_comparisons_table",
        inputs=_CONTRASTS,
        study_arguments=("unit",),
    ),
    Entry(
        "variance_sources",
        CHANGES,
        "Where the variance comes from",
        "Variance of the articles' changes by its source, as a standard deviation, with the share of the variance in "
        "brackets. Strategies: the rounds change differently. Replicates: all rounds of one replicate change more than "
        "those of another, for example because of its seed articles. Training: one training of a round ends "
        "differently from another, beyond the first two. Articles: some articles change more than others in every "
        "round. Residual: everything else. Rounds with one replicate are left out, and rounds whose number of "
        "replicates or whose articles no other round has.",
        kind="table",
        function="figures.tables.contrasts:write_variance_table",
        inputs={"variance_file": "replicates/variance.parquet"},
        study_arguments=("unit",),
        only="replicates",
    ),
)

_TRANSITIONS = (
    Entry(
        "transitions",
        CHANGES,
        "Labels of the articles, by the label of the real article",
        "One panel for each label of the real articles of round {example_round}. Each bar is a generation, divided by "
        "the labels of what the model wrote from the prompts of these articles.{mean_of_example} The label of the real "
        "articles is lowest; the black line is the 95% interval of its share, {over_example}.",
        function="figures.transitions:write_transitions",
        numbers="transitions_table",
        inputs={"transitions_file": "transitions.parquet"},
        study_arguments=("corpus", "round_name"),
    ),
    Entry(
        "transitions_table",
        CHANGES,
        "Labels by the label of the real article, in all rounds",
        "Share of the labels of what the models wrote, by the label of the real articles, at generation 0 and at the "
        "last generation, with 95% intervals {over} in brackets.",
        kind="table",
        function="figures.transitions:write_transitions_table",
        inputs={"transitions_file": "transitions.parquet"},
        study_arguments=("unit",),
    ),
    Entry(
        "event_shares",
        CHANGES,
        "Labels by event or topic",
        "The same for each event or topic with at least five articles in a seed set. The table is empty if there is "
        "none.",
        kind="table",
        function="figures.transitions:write_event_table",
        inputs={"events_file": "event_shares.parquet"},
        study_arguments=("unit",),
        only="topics",
    ),
)

_ROBUSTNESS = (
    Entry(
        "robustness",
        ROBUSTNESS,
        "Robustness of the amplification",
        "Share of each round's tracked label as the classifier counts it (black, the only line with a band) and in "
        "other ways: corrected for the confusions that the classifier makes on test articles{second}, among readable "
        "articles (not degenerate, with a text quality index of at least {readable:g}), and as the mean probability "
        "after calibration on the validation articles. The classifier is trained on articles by people and judges "
        "articles by models. If the lines move together, the change does not depend on the way of counting. The "
        "correction assumes that models' articles are confused as often as people's articles are. {bands}",
        function="figures.robustness:write_robustness",
        numbers="robustness_table",
        inputs=_METRICS,
        study_arguments=("corpus", "tracked"),
    ),
    Entry(
        "robustness_table",
        ROBUSTNESS,
        "Changes of the tracked label's share, in every way of counting",
        "The first and the last generation with a value, with 95% intervals {over} in brackets, and their difference. "
        "Its interval is paired by article, because both generations wrote from the same articles"
        "{errors_of_changes}. Corrected shares are no means over articles: the errors of both generations have the "
        "correlation that they have when articles and test articles are drawn again. The table of changes says whether "
        "a change is more than chance. Direction: whether both estimates rise or fall. Articles are "
        "unexplained if no mixture of the classifier's known confusions gives the labels that it assigns. Its "
        "confusions have then changed; above 5% unexplained articles the corrected share is not compared.",
        kind="table",
        function="figures.robustness:write_robustness_table",
        inputs=_METRICS | {"changes_file": "changes.parquet"},
        study_arguments=("corpus", "tracked"),
    ),
    Entry(
        "classifier_reliability",
        ROBUSTNESS,
        "Confidence and accuracy of the classifier",
        "Test articles grouped by the classifier's largest probability (its confidence), with the share that is "
        "classified correctly. In a calibrated classifier the two are equal. Each classifier is listed without "
        "calibration (temperature 1) and at the temperature that fits its validation articles. Expected calibration "
        "error: the mean difference of confidence and accuracy over articles.",
        kind="table",
        function="figures.tables.classifier:write_reliability_table",
        inputs={"scores_files": "judge_scores"},
        study_arguments=("unit",),
    ),
)

_GROUND_TRUTH = (
    Entry(
        "ground_truth",
        ROBUSTNESS,
        "Shares by the words of the embedded press",
        "Share of each round's tracked label by the words that only one leaning of the press uses (an article has the "
        "label that is most likely given these words), as the classifier counts it, and corrected for the classifier's "
        "confusions; and the part of the articles with a label by their words to which the classifier gives another "
        "one. No classifier takes part in counting words. {bands} docs/ground-truth.md says what this measure cannot "
        "see.",
        function="figures.ground_truth:write_ground_truth",
        numbers="ground_truth_table",
        inputs=_METRICS,
        study_arguments=("labels", "tracked"),
        only="press",
    ),
    Entry(
        "ground_truth_table",
        ROBUSTNESS,
        "How wrong the classifier is, by the words of the embedded press",
        "For each round: the mean distance of the plain and of the corrected share from the share by words, over the "
        "generations in which at least half of the articles have a label by their words, and the classifier's error "
        "rate with its 95% interval {over} at the first and the last of these generations.{of_means} The words also "
        "give some real articles of the press another label than their own, so an error rate above 0 is no sign of "
        "collapse by itself.",
        kind="table",
        function="figures.ground_truth:write_ground_truth_table",
        inputs=_METRICS,
        study_arguments=("labels", "tracked"),
        only="press",
    ),
)

_PUBLISHED = (
    Entry(
        "comparison_summary",
        PUBLISHED,
        "Verdicts on the published numbers",
        "Number of published numbers for each verdict. Within sampling error: the run's number differs by no more "
        "than sampling error; if sampling error were the only difference, about 5% of the numbers would exceed it. "
        "Same direction: both changes from generation 0 are larger than their sampling errors and have the same sign. "
        "Different: neither of these. Where levels cannot be compared, same direction and different both need two "
        "changes larger than their sampling errors; otherwise the number is undecided. {sampling_error} Counts of "
        "neurons are compared with the range of chance. Same direction: both are above it, both within it, or both "
        "below it. Different: one is above and one below. Undecided: only one is within it. Not comparable: the run "
        "has no such number, or there are no changes to compare.{level}",
        kind="table",
        function="figures.tables.comparison:write_comparison_summary",
        inputs=_COMPARISON,
        only="published",
    ),
    Entry(
        "comparison",
        PUBLISHED,
        "Every published number beside the run's own",
        "First the numbers in the paper's text, then the per-generation results. Each number is treated as the share "
        "or the mean probability that the published scores show it to be. In brackets: 95% intervals over articles "
        "(Wilson's for shares, Newcombe's for differences, Student's for the run's means, upper bounds for published "
        "mean probabilities)."
        "{own_intervals} For counts of neurons the brackets are the range that chance gives (for the run's own counts "
        "by permuted outcomes). Changes are from generation 0; for generation 0, from the base model. The run's "
        "changes are paired by article.{own_changes} Intervals of published changes treat the two generations as "
        "independent samples, because the published numbers here are of all articles together.{level}",
        kind="table",
        function="figures.tables.comparison:write_comparison_table",
        inputs=_COMPARISON,
        only="published",
    ),
)

_ARTICLES = (
    Entry(
        "figure_8",
        ARTICLES,
        "distribution of the text quality index",
        "One histogram per generation of the text quality index of the articles of round {example}, in bins of "
        "0.1. Black: the mean. Articles without a sentence are left out.",
        function="figures.distributions:write_quality_distribution",
        inputs={"quality_files": "example_quality"},
        number="Figure 8",
        study_arguments=("quality", "unit"),
    ),
    Entry(
        "article_evolution",
        ARTICLES,
        "One article across generations{appendices}",
        "The article that each generation of round {example} wrote from the same seed article: label "
        "probabilities, text quality index, and perplexity under the base model and under the model that wrote it. One "
        "article is an illustration, not evidence.",
        function="figures.article:write_article_evolution",
        inputs=_ARTICLE,
        study_arguments=("labels", "example"),
    ),
    Entry(
        "article_page",
        ARTICLES,
        "One article across generations: the texts",
        "Any article of a seed set, and the text that each generation of any round wrote from it, beside the text of "
        "the generation before or the original: changed words are marked, with label probabilities, text quality and "
        "perplexity.{first_replicates} The page begins with an article of round {example}.",
        kind="page",
        function="figures.article_page:write_article_page",
        inputs={"seed_set_files": "shown_seed_sets", "version_files": "shown_tables"},
        study_arguments=("corpus", "example", "language", "rounds"),
    ),
)

_CORPUS = (
    Entry(
        "table_1",
        CORPUS,
        "classifier candidates",
        "Scores of each candidate on articles that it was not trained on. The study uses the candidate with the best "
        "macro F1 on the validation part of the random split{splits}",
        kind="table",
        function="figures.tables.classifier:write_classifier_table",
        inputs={"scores_files": "classifier_scores"},
        number="Table 1",
        study_arguments=("unit",),
        published={"statements_file": "statements.csv"},
    ),
    Entry(
        "quality_detector",
        CORPUS,
        "Quality detector",
        "F1 of the detector behind the text quality index, for each class, on sentences with graded corruptions that "
        "it was not trained on.",
        kind="table",
        function="figures.tables.classifier:write_detector_table",
        inputs={"scores_file": "quality_detector/scores.json"},
    ),
    Entry(
        "cleaning",
        CORPUS,
        "Corpus cleaning",
        "Number of articles that each step of reading, cleaning and identity removal changed or left out, with the ids "
        "of some of them.",
        kind="table",
        function="figures.tables.metrics:write_cleaning_table",
        inputs={"cleaning_file": "corpus/cleaning.parquet"},
        study_arguments=("unit",),
    ),
)

_DENSITIES = "Fitted Beta densities by generation. Dashed: mean of the biased pretraining distribution."

_THEORY = (
    Entry(
        "figure_10",
        THEORY,
        "weighted maximum likelihood in a loop",
        f"{_DENSITIES} Each generation is fitted to a sample of the one before, weighted by that generation's density: "
        "the bias amplifies itself without sampling error.",
        function="figures.densities:write_beta_densities",
        inputs=_BETA,
        number="Figure 10",
        arguments={"method": "weighted"},
    ),
    Entry(
        "figure_11",
        THEORY,
        "plain maximum likelihood in a loop",
        f"{_DENSITIES} Each generation is fitted to an unweighted sample of the one before: the density stays near "
        "that of the real sample.",
        function="figures.densities:write_beta_densities",
        inputs=_BETA,
        number="Figure 11",
        arguments={"method": "plain"},
    ),
)

#: Entries of studies of the embedded press, whose words are known to be left, center or right.
#: Entries after the figures over generations.
OTHERS = (
    *_METRICS_TABLES,
    *_REPLICATES,
    *_TRANSITIONS,
    *_ROBUSTNESS,
    *_GROUND_TRUTH,
    *_PUBLISHED,
    *_ARTICLES,
    *NEURON_ENTRIES,
    *INTERVENTION_ENTRIES,
    *_CORPUS,
    *_THEORY,
)
