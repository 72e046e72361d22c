"""Tables of the analysis of neurons.

In all of them, `measure` is "weight" or "activation", and `outcome` is "bias" or "quality". Columns that end in
`_bias`, `_quality` and `_both` are about the neurons of one outcome and about those of both.
"""

from bias_amplification.artifacts.schemas.fields import (
    COUNT,
    FLAG,
    GENERATION,
    REAL,
    TEXT,
    interval,
    optional,
    required,
    table,
)

_NEURON = [*required(GENERATION, "layer"), *required(COUNT, "neuron"), *required(TEXT, "measure", "outcome")]

#: The outcomes: one row for each model version, rounds in order, generations ascending.
#:
#: seed_set                 the round's seed set
#: label                    the tracked label
#: share, mean_probability  measures of this label, as fractions
#: quality_*                text quality indices, from 0 to 3
NEURON_PANEL = table(
    required(TEXT, "round"),
    required(COUNT, "replicate"),
    required(GENERATION, "generation"),
    required(TEXT, "seed_set", "label"),
    optional(REAL, "share", "mean_probability", "quality_class", "quality_weighted"),
)

#: Pearson correlations over model versions: one row for each neuron, measure and outcome. Null if neuron or outcome is
#: constant.
NEURON_CORRELATIONS = table(_NEURON, optional(REAL, "pearson"))

#: Regressions (paper, equation 1): one row for each neuron, measure and outcome.
#:
#: estimate   slope, in units of the outcome per unit of the neuron
#: *_plugin   the same with the number of Newey-West lags that the plug-in rule gives, instead of `neurons.lags`
#: p_value_{benjamini_hochberg,benjamini_yekutieli,bonferroni}  adjusted for the number of neurons
#: reason     why there is no estimate; else null
NEURON_REGRESSION = table(
    _NEURON,
    optional(REAL, "estimate", "standard_error", "statistic", "p_value"),
    optional(REAL, "standard_error_plugin", "p_value_plugin"),
    optional(REAL, "p_value_benjamini_hochberg", "p_value_benjamini_yekutieli", "p_value_bonferroni"),
    optional(TEXT, "reason"),
)

#: Sets of significant neurons (paper, section 4.4): one row for each measure.
#:
#: column                   column of `NEURONS` that was read
#: rows, lags, lags_plugin  of the regressions on bias. Text quality may be known for fewer versions; `NEURON_OVERLAP`
#:                          has both. Lags are null if a rule chooses them for each neuron.
#: bias, quality, both      numbers of neurons with p of at most `alpha`
#: tested                   number of neurons that could be in both sets
#: expected_both            expected number in both, for independent sets of these sizes among the tested neurons
#: p_overlap                hypergeometric probability of `both` or more for such sets
#: odds_ratio               of belonging to both sets, with the 95% interval for independent neurons
#: true_nulls_*             Storey's estimate of the share of neurons without an effect
#: *_bh, *_by               numbers with a false discovery rate of `alpha`: Benjamini-Hochberg, and Benjamini-Yekutieli,
#:                          which holds under any dependence
#: *_bonferroni             numbers with a family-wise error of `alpha`
#: *_plugin                 numbers at the lags of the plug-in rule
NEURON_SETS = table(
    required(TEXT, "measure", "column", "difference", "reference"),
    required(COUNT, "rows"),
    optional(COUNT, "lags"),
    required(COUNT, "lags_plugin"),
    required(REAL, "alpha"),
    required(COUNT, "neurons", "tested_bias", "tested_quality", "tested"),
    required(COUNT, "bias", "quality", "both"),
    optional(REAL, "expected_both", "p_overlap"),
    interval("odds_ratio"),
    optional(REAL, "true_nulls_bias", "true_nulls_quality"),
    required(COUNT, "bias_bh", "quality_bh", "both_bh"),
    required(COUNT, "bias_by", "quality_by", "both_by"),
    required(COUNT, "bias_bonferroni", "quality_bonferroni", "both_bonferroni"),
    required(COUNT, "bias_plugin", "quality_plugin", "both_plugin"),
)

_MOVED = ("", "_bias_moved", "_quality_moved")

#: What each permutation of the outcomes gives: one row for each scheme, measure and permutation. Permutation 0 is the
#: order of the run itself.
#:
#: scheme               the moves that the permutation combines, joined by +
#: bias, quality, both  numbers of neurons with p of at most alpha
#: matched              number of neurons in both of two sets: for each outcome, the neurons with the largest |t|. Each
#:                      layer gives as many as it has in the run's own sets
#: rank_agreement       mean over layers of Spearman's correlation between |t| for bias and |t| for quality
#: same_sign            neurons whose two slopes have the same sign
#: *_bias_moved, *_quality_moved  the same if only this outcome is permuted
#: maximum_*            largest |t|
#:
#: Null if nothing is tested.
NEURON_NULL = table(
    required(TEXT, "scheme", "measure"),
    required(COUNT, "permutation", "bias", "quality", "both"),
    required(COUNT, *(f"matched{moved}" for moved in _MOVED)),
    optional(REAL, *(f"rank_agreement{moved}" for moved in _MOVED)),
    optional(COUNT, *(f"same_sign{moved}" for moved in _MOVED)),
    optional(REAL, "maximum_bias", "maximum_quality"),
)

#: p-values by permutation: one row for each neuron, measure and outcome. Null if there is no estimate.
#:
#: p_value_permutation  of the neuron by itself
#: p_value_familywise   by the largest statistic of all neurons
NEURON_PERMUTED = table(_NEURON, optional(REAL, "p_value_permutation", "p_value_familywise"))

#: The sets of the run against those under permutation: one row for each scheme, measure and layer, and one for all
#: layers together (`layer` null).
#:
#: complete             true if the permutations are all that exist, false if they are a random sample
#: smallest_p           share of the permutations that change no statistic, below which no p-value can be
#: rows_*, lags_*       numbers of rows and of lags of the regressions; null if a rule chooses the lags of each neuron
#: *_low, *_high        ends of the 95% range under permutation
#: p_*                  share of the permutations, the run's own order included, whose value is at least as large
#: p_matched_fewer      share whose value is at most as large
#: p_rank_agreement, p_same_sign  two-sided
#: *_null               `matched`, `rank_agreement` and `same_sign` compare the two outcomes. They are tested with both
#:                      outcomes permuted, with bias alone and with quality alone. The p-value is the largest of the
#:                      three. The range is the one in which the run's value is the least extreme, and `*_null` names
#:                      it: "both", "bias" or "quality".
#: expected_both        overlap of independent sets of these sizes among all neurons
#: expected_by_layer    overlap of independent sets of these sizes in each layer
#: threshold_*          the (1 - alpha) quantile of the largest |t|
#: *_familywise         numbers of neurons with |t| above this threshold
#: verdict              what `matched` says about the overlap, in words
#:
#: Null if nothing is tested.
NEURON_OVERLAP = table(
    required(TEXT, "scheme", "measure"),
    optional(GENERATION, "layer"),
    required(COUNT, "permutations"),
    required(FLAG, "complete"),
    required(REAL, "smallest_p"),
    required(COUNT, "rows_bias", "rows_quality"),
    optional(COUNT, "lags_bias", "lags_quality"),
    required(COUNT, "tested"),
    *(interval(name, nullable=False) for name in ("bias", "quality", "both", "matched")),
    optional(REAL, "p_bias", "p_quality", "p_both", "p_matched", "p_matched_fewer"),
    required(TEXT, "matched_null"),
    optional(REAL, "expected_both", "expected_by_layer"),
    interval("rank_agreement"),
    optional(REAL, "p_rank_agreement"),
    optional(TEXT, "rank_agreement_null"),
    interval("same_sign"),
    optional(REAL, "p_same_sign"),
    optional(TEXT, "same_sign_null"),
    optional(REAL, "threshold_bias", "threshold_quality"),
    optional(COUNT, "bias_familywise", "quality_familywise"),
    required(TEXT, "verdict"),
)

#: Whether associations of neurons reproduce: one row for each measure and number, the most important first.
#:
#: statistic         "reliability": effects in one half of the rounds correlated, over neurons, with those in the other
#:                   half, mean over splits; "stepped_up": the same for the whole study (Spearman-Brown);
#:                   "cross_correlation": effects on `source` in one half with effects on `target` in the other;
#:                   "corrected": the same over the root of the product of both reliabilities (it may exceed 1);
#:                   "prediction": predicted and actual changes of a held-out round, mean over rounds
#: source            the outcome whose effects are estimated, or for which neurons are chosen
#: target            the outcome that is compared or predicted
#: by, units         halves are of "rounds" or of "replicates", and the number of these
#: splits            number of splits into halves
#: centre            `neurons.fixed_effects`
#: neurons, chosen   number of neurons that change, and number of those that are chosen for a prediction
#: value_*           95% interval, by the jackknife over generations; null for predictions
#: chance*           mean and 95% range under permutation of the outcomes
#: moved             what is permuted for a cross-correlation: "both" outcomes, "bias" or "quality", whichever gives the
#:                   largest p-value
#: p_value           share of the permutations whose value is at least as large, the run's own order included; for a
#:                   cross-correlation, at least as far from the mean
#: smallest_p        share of the permutations with the run's own value: no p-value can be smaller
#: reproduces        whether the associations of `source` and of `target` are told from chance: the p-value of the
#:                   outcome's reliability or of its prediction by its own neurons is at most `alpha` / 2
#: reason            why there is no value; else null
NEURON_RELIABILITY = table(
    required(TEXT, "measure", "statistic", "source", "target", "by"),
    required(COUNT, "units", "splits"),
    required(TEXT, "centre"),
    required(COUNT, "neurons"),
    optional(COUNT, "chosen"),
    interval("value"),
    interval("chance"),
    optional(TEXT, "moved"),
    optional(REAL, "p_value", "smallest_p"),
    optional(COUNT, "permutations"),
    required(REAL, "alpha"),
    required(FLAG, "reproduces"),
    optional(TEXT, "reason"),
)

#: The overlap of the two outcomes' neurons as an estimate: one row for each measure and size of the sets.
#:
#: scheme, complete     as in `NEURON_OVERLAP`, of the permutations
#: tested               number of neurons that are tested on both outcomes
#: size                 number of neurons with the largest |t| that are in a set, the same for bias and for quality
#: share                share of a set that is in the other set too, with its 95% range under permutation. The range is
#:                      the widest of three, and `share_null` names what was permuted: "both", "bias" or "quality"
#: chance               share that sets drawn at random from all tested neurons have in common
#: chance_by_layer      the same if each layer gives as many neurons as it has in the two sets
#: by                   what is split into halves: "rounds" or "replicates"; null if nothing is tested
#: splits               number of splits into halves; 0 if there are too few rounds
#: halves               share that the set of bias in one half and the set of quality in the other have in common
#: ceiling_*            share that the two sets of one outcome have in common, one from each half
#: halves_low, ceiling_*_low and so on  95% ranges under permutation
#: p_ceiling_*          share of the permutations, the run's own order included, whose ceiling is at least as high
#: visible              whether both ceilings are above chance at the level alpha; otherwise no overlap can be seen
#: halves_common, halves_distinct  what `halves` would be for wholly common and wholly distinct neurons
#: estimate             share of the truly strongest neurons of one outcome that are the other's too, with its 95%
#:                      interval; 0 to 1 if nothing is visible
#: reason               why there is no estimate; else null
NEURON_OVERLAP_CURVE = table(
    required(TEXT, "measure", "scheme"),
    required(FLAG, "complete"),
    required(COUNT, "permutations", "tested"),
    optional(COUNT, "size"),
    interval("share"),
    optional(TEXT, "share_null"),
    optional(REAL, "chance", "chance_by_layer"),
    optional(TEXT, "by"),
    required(COUNT, "splits"),
    *(interval(name) for name in ("halves", "ceiling_bias", "ceiling_quality")),
    optional(REAL, "p_ceiling_bias", "p_ceiling_quality"),
    required(FLAG, "visible"),
    optional(REAL, "halves_common", "halves_distinct"),
    interval("estimate"),
    optional(TEXT, "reason"),
)

#: How often each test rejects in simulated studies of the run's shape: one row for each world, test, choice of settings
#: and effect.
#:
#: world            a name of `neurons.worlds.WORLDS`
#: test             "neuron" (one regression), the name of a correction, or a test or interval by permutation
#: scheme           the moves of the permutations, joined by +; null without permutations
#: effect           correlation between the changes of a planted neuron and of an outcome; 0 without planted neurons
#: planted          "same neurons" or "other neurons" if effects on both outcomes are planted; else null
#: rejected         share of the neurons without an effect (for tests by permutation, of the studies) that are rejected;
#:                  for intervals, share of the studies whose interval excludes the true value, 0
#: standard_error   Monte Carlo error of `rejected`
#: rejected_low, rejected_high  95% range over studies
#: valid            false if `rejected` is above 1.6 times the level (8% for 5%) and exceeds the level by more than the
#:                  Monte Carlo error; null if effects are planted
#: power            share of the planted neurons, or for tests by permutation of the studies, that are found
#: false_discovery  mean share of false findings among all findings
NEURON_CALIBRATION = table(
    required(TEXT, "world", "test", "difference", "lags", "reference", "fixed_effects"),
    required(FLAG, "small_sample"),
    optional(TEXT, "scheme", "planted"),
    required(REAL, "effect"),
    required(COUNT, "studies"),
    optional(REAL, "rejected", "standard_error", "rejected_low", "rejected_high"),
    optional(FLAG, "valid"),
    optional(REAL, "power", "false_discovery"),
)

#: What the run's steps from generation to generation have in common: one row for each outcome, and one for the neurons.
#:
#: of        "bias", "quality" or "neurons" (means over neurons)
#: nearest   the simulated world that is most like this run
#: distance  mean square of the distances of the facts from the mean of that world's studies, in standard deviations
#: fits      whether at least 5% of that world's own studies are as far away
#:
#: The other columns are explained in `neurons.describe.FACTS`. Null if too little changes.
NEURON_WORLD = table(
    required(TEXT, "of"),
    optional(REAL, "between_rounds", "scale_ratio", "early_ratio", "drift", "persistence"),
    optional(TEXT, "nearest"),
    optional(REAL, "distance"),
    optional(FLAG, "fits"),
)

#: The numbers of significant neurons for every combination of analysis choices.
#:
#: named  source of the combination, such as "paper" or "this study"; null if it has none
NEURON_SENSITIVITY = table(
    optional(TEXT, "named"),
    required(TEXT, "measure", "column", "bias_measure", "quality_measure", "difference", "reference", "fixed_effects"),
    required(FLAG, "small_sample"),
    required(COUNT, "tested", "bias", "quality", "both"),
    optional(REAL, "expected_both"),
    required(REAL, "both_low", "both_high"),
    optional(REAL, "p_bias", "p_quality"),
    required(TEXT, "verdict"),
)
