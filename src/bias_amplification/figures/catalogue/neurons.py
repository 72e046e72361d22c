"""The figures and tables of the neurons, as data. Fields in braces are explained in `facts.py`."""

from bias_amplification.figures.catalogue.entry import Entry

NEURONS = "Neurons"

_RELIABILITY = {"reliability_file": "neurons/reliability.parquet"}
_SETS = {"sets_file": "neurons/sets.parquet"}
_REGRESSION = {"regression_file": "neurons/regression.parquet"}
_OVERLAP = {"overlap_file": "neurons/overlap.parquet"}
_NULL = {"null_file": "neurons/null.parquet"}
_VALIDITY = {"calibration_file": "neurons/calibration.parquet", "world_file": "neurons/world.parquet"}
_CURVE = {"curve_file": "neurons/overlap_curve.parquet"}

NEURON_ENTRIES = (
    Entry(
        "reproducibility",
        NEURONS,
        "Do the neurons' associations reproduce?",
        "Half and half: the effects of the neurons in one half of the {split_by} are correlated with those in the "
        "other half; mean over all splits. Predict: neurons chosen on the other {split_by}, with slopes from there, "
        "predict the changes in a held-out {held_out}; correlation with the actual changes, mean over {split_by}. "
        "{centred} Bands: 95% of the permutations of the outcomes; they are not around 0 if what the {split_by} share "
        "reproduces itself. Lines: 95% intervals over generations, which "
        "predictions do not have. Points are full if the outcomes of the row are told "
        "from chance, by halves or by prediction, each tested at {half_alpha:g}. If an outcome is not told from "
        "chance, the overlap of the sets of neurons says nothing.",
        function="figures.reliability:write_reproducibility",
        numbers="reproducibility_table",
        inputs={**_RELIABILITY, **_VALIDITY},
    ),
    Entry(
        "reproducibility_table",
        NEURONS,
        "Do the neurons' associations reproduce? Numbers",
        "Each correlation, between halves with its 95% interval over generations, and its mean and 95% range under "
        "permutation of the "
        "outcomes. Corrected: divided by the root of the product of both reliabilities; it can exceed 1, and means "
        "little if a reliability is not told from chance. Stepped up: the reliability of effects that are estimated on "
        "all {split_by} (Spearman-Brown). p: the share of permutations with at least this value; for effects on two "
        "outcomes, with at least this distance from the mean, and the largest p of three: both outcomes permuted, bias "
        "alone, and quality alone. Not valid here: in simulated studies like this run, the test is wrong too often.",
        kind="table",
        function="figures.tables.reliability:write_reproducibility_table",
        inputs={**_RELIABILITY, **_VALIDITY},
    ),
    Entry(
        "figure_4",
        NEURONS,
        "neuron weights against bias and text quality",
        "Pearson correlation of each neuron's weight with bias and with text quality over all {versions} model "
        "versions. Above: histogram over neurons. Below: one row per layer with its neurons sorted by correlation; "
        "white is 0, neurons that never changed are blank. Weights, bias and quality all drift over generations, and "
        "drift alone gives high correlations. The regressions therefore use differences.",
        function="figures.neurons:write_correlations",
        inputs={"correlations_file": "neurons/correlations.parquet"},
        number="Figure 4",
        arguments={"measure": "weight"},
    ),
    Entry(
        "neuron_sets",
        NEURONS,
        "Neurons associated with bias, with text quality, and with both{section}",
        "Number of neurons whose changes are associated with changes of the outcome at p ≤ {alpha:g} (Newey-West), for "
        "weights and for activations. Black marks: the number at the same false discovery rate (Benjamini-Hochberg). "
        "Open bar: the overlap that independent sets would have.",
        function="figures.neurons:write_neuron_sets",
        numbers="neuron_counts",
        inputs={**_SETS, **_VALIDITY},
    ),
    Entry(
        "neuron_counts",
        NEURONS,
        "Counts of neurons{section}",
        "Neurons associated with bias, with text quality and with both; in brackets their share of the tested neurons. "
        "The rows of a measure are: the significance level, the same level as false discovery rate "
        "(Benjamini-Hochberg), the same under any dependence (Benjamini-Yekutieli), the same level as family-wise "
        "error (Bonferroni), and the significance level with the Newey-West lags of the plug-in rule. The first row "
        "also has the overlap that independent sets would have, the probability of at least the observed overlap, its "
        "odds ratio (1 for independent sets), and Storey's estimate of the share of neurons that "
        "are not associated with the outcome. Not valid here: claims that are wrong too often in simulated "
        "studies like this run without any association. In brackets: the share of neurons that the test of one neuron "
        "finds, or the share of studies in which a correction finds any neuron or the overlap is called too large.",
        kind="table",
        function="figures.tables.neurons:write_neuron_table",
        inputs={**_SETS, **_VALIDITY},
    ),
    Entry(
        "p_values",
        NEURONS,
        "p-values of all regressions",
        "One regression per neuron, measure and outcome. Dashed: the height of every bar if no neuron was associated "
        "with the outcome. Neurons are correlated with each other, so the histogram varies more than for independent "
        "tests.",
        function="figures.neurons:write_p_values",
        inputs={**_REGRESSION, **_VALIDITY},
        study_arguments=("neurons",),
    ),
    Entry(
        "p_value_quantiles",
        NEURONS,
        "Observed and expected p-values",
        "One point per neuron, the smallest p-values on the right. Points above the line are p-values smaller than "
        "expected by chance. If neurons were independent, the grey band would contain 95% of the points. The neurons "
        "of one model are not independent, so more points can lie outside by chance.",
        function="figures.neuron_nulls:write_quantiles",
        inputs={**_REGRESSION, **_VALIDITY},
    ),
    Entry(
        "counts_against_chance",
        NEURONS,
        "Counts of neurons against permuted outcomes",
        "Number of neurons with p ≤ {alpha:g} when the changes of the outcomes are permuted as the legend says. The "
        "values of the neurons and their correlations stay as they are. Line: the observed number. p: the share of "
        "permutations with at least this number. 'Not valid here': in simulated studies like this run, the test is "
        "wrong too often: above 1.6 times its level, and beyond the Monte Carlo error.{chains}",
        function="figures.neuron_nulls:write_counts",
        numbers="neuron_overlap",
        inputs={**_NULL, **_OVERLAP, **_VALIDITY},
    ),
    Entry(
        "overlap_against_chance",
        NEURONS,
        "Are the neurons of bias and of text quality distinct?",
        "Left: number of neurons that are among the strongest for bias and also for text quality, with as many in each "
        "layer as were observed; dotted: the overlap that sets independent in each layer would have. Middle: rank "
        "correlation of the absolute t statistics within layers. Right: neurons whose slopes on both outcomes have the "
        "same sign. The outcomes are permuted together, bias alone, and quality alone; each panel shows the one of the "
        "three with the largest p-value. In italics: the verdict on the overlap.",
        function="figures.neuron_nulls:write_overlaps",
        numbers="neuron_overlap",
        inputs={**_NULL, **_OVERLAP, **_VALIDITY},
    ),
    Entry(
        "overlap_curve",
        NEURONS,
        "How many neurons bias and text quality have in common",
        "For each outcome, a set has the neurons with the largest absolute t statistics. Left: the share of the set of "
        "bias that is also in the set of text quality, with all rounds, and its 95% range under permutation of the "
        "outcomes. Noise draws this share towards that of unrelated sets. Middle: sets from one "
        "half of the {split_by} against sets from the other half, means over all splits; dashed: the two sets of one "
        "outcome, which would be the same without noise, with their range under permutation. Right: the share of the "
        "truly strongest neurons of bias that are also among those of text quality, estimated from the middle panel, "
        "with its 95% interval. Grey: the neurons of an outcome are not found again in the other half more often than "
        "by chance, or too seldom to exclude any share; then nothing is known about the overlap. Not valid here: what "
        "is claimed of the overlap is wrong in so many simulated studies like this run.{chains}",
        function="figures.overlap_curve:write_overlap_curve",
        numbers="overlap_estimates",
        inputs={**_CURVE, **_VALIDITY},
    ),
    Entry(
        "overlap_estimates",
        NEURONS,
        "The estimated overlap in numbers",
        "One row per measure and number of neurons in a set. Shares in per cent; in brackets the 95% range under "
        "permutation. Unrelated within layers: if each layer had as many neurons in the sets as it has. Halves of the "
        "same, of different neurons: what the sets of two halves of the {split_by} would have in common, with the "
        "noise of this study, if the neurons of bias and of text quality were the same, or none of them. p: the share "
        "of permutations in which the sets of an outcome in two halves have at least as many neurons in common. An "
        "interval from 0 to 100 means that nothing is known about the overlap. Not valid here: what is claimed of the "
        "overlap is wrong in so many simulated studies like this run.",
        kind="table",
        function="figures.tables.overlap_curve:write_overlap_curve_table",
        inputs={**_CURVE, **_VALIDITY},
    ),
    Entry(
        "layer_map",
        NEURONS,
        "Where the significant neurons are",
        "One row per layer; neurons with p ≤ {alpha:g} are marked. Bars: their number in the layer. Black lines: the "
        "range of 95% of the permutations.",
        function="figures.neuron_nulls:write_layer_map",
        inputs={**_REGRESSION, **_OVERLAP, **_VALIDITY},
        study_arguments=("neurons",),
    ),
    Entry(
        "neuron_overlap",
        NEURONS,
        "Counts of neurons beside their ranges under permutation",
        "Observed counts, overlap of sets of the observed sizes, and agreement of the two rankings, with the 95% "
        "range under permutation in brackets. The permutations are named after their moves; the first ones decide. "
        "Flip generations: the signs of the changes of all rounds into a generation are flipped together, which "
        "keeps what rounds have in common. Exchange replicates: the replicates of all rounds of a seed set are "
        "exchanged. Flip: the signs of all changes of a round; valid if rounds are independent. Exchange: whole "
        "rounds; valid if they are alike. Shift: the changes of each round are shifted in a circle. Smallest p: "
        "there are so few moves that no p-value can be smaller. Not valid here: tests that are wrong too often in "
        "simulated studies like this run. Family-wise: neurons above the value that the largest statistic reaches in "
        "{alpha_per_cent:g}% of the permutations.{chains}",
        kind="table",
        function="figures.tables.neurons:write_overlap_table",
        inputs={**_OVERLAP, **_VALIDITY},
    ),
    Entry(
        "neuron_sensitivity",
        NEURONS,
        "Counts of neurons under every combination of choices",
        "One row per combination of: the summary of a neuron, the measure of bias, the measure of quality, the "
        "differences, and the reference distribution with its small-sample correction. The paper's, the published "
        "code's and this study's combinations come first. In brackets: the range of the overlap in 95% of the "
        "permutations. Not valid here: tests that are wrong too often in simulated studies like this run, with this "
        "study's choices.",
        kind="table",
        function="figures.tables.neurons:write_sensitivity_table",
        inputs={"sensitivity_file": "neurons/sensitivity.parquet", **_VALIDITY},
    ),
    Entry(
        "neuron_calibration",
        NEURONS,
        "How often each test rejects in simulated studies",
        "Simulated studies with the rounds and generations of this one, in worlds that docs/neurons.md describes. "
        "Without a planted effect, a valid test rejects {alpha_per_cent:g}%, and a valid interval misses the truth "
        "as often; ± is the Monte Carlo error. Valid means at most 1.6 times the level, or not told apart from the "
        "level. Planted: a tenth of the neurons follow an outcome with the given correlation; the same neurons "
        "follow bias and text quality, or others do. Of the run's own neurons, the weights are simulated and the "
        "activations are not.{chains}",
        kind="table",
        function="figures.tables.neurons:write_calibration_table",
        inputs={"calibration_file": "neurons/calibration.parquet"},
    ),
)
