"""The declared columns of every table of a run.

Names and units stand here once; writers and readers both check against them. Tables that have columns for each
label are functions of the label set, because no label is known to the package by name.
"""

from collections.abc import Sequence

import pyarrow as pa


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _interval(name: str, required: bool = False) -> list[pa.Field]:
    """A number and the two ends of its 95% interval."""
    return [pa.field(name + end, pa.float64(), nullable=not required) for end in ("", "_low", "_high")]


TEXT, COUNT, REAL = pa.string(), pa.int32(), pa.float64()

#: The corpus, a seed set: one row an article, ids unique.
ARTICLES = pa.schema(
    [
        _required("article_id", TEXT),
        pa.field("event_id", TEXT),
        pa.field("outlet", TEXT),
        pa.field("date", pa.date32()),
        _required("title", TEXT),
        _required("body", TEXT),
        _required("label", TEXT),
    ]
)

#: What reading and cleaning did: one row a kind of change or loss. `articles` counts the articles concerned.
CLEANING = pa.schema(
    [
        _required("step", TEXT),
        _required("finding", TEXT),
        _required("kept", pa.bool_()),
        _required("articles", COUNT),
        pa.field("examples", TEXT),
    ]
)

#: The classifier's articles: an article table with the part that each split gives the row ("train", "validation",
#: "test"). A row may stand more than once where a label was resampled: `copy` counts from 0.
CLASSIFIER_ARTICLES = pa.schema(
    [
        *ARTICLES,
        _required("copy", COUNT),
        _required("split_random", TEXT),
        pa.field("split_event", TEXT),
        pa.field("split_outlet", TEXT),
    ]
)

#: Which texts a generation is trained on, by name: `origin` is "seed_set" or "generation_NN" of the same round.
TRAINING_SET = pa.schema([_required("position", COUNT), _required("origin", TEXT), _required("article_id", TEXT)])

#: One row an optimizer step that was logged. `loss`: mean cross-entropy in nats a token.
TRAINING_LOG = pa.schema(
    [_required("step", COUNT), _required("epoch", REAL), _required("loss", REAL), _required("learning_rate", REAL)]
)

#: What a model wrote: one row a seed article, in the seed set's order. `title` is the real title, `text` the model's.
GENERATED_ARTICLES = pa.schema(
    [
        _required("article_id", TEXT),
        _required("title", TEXT),
        _required("text", TEXT),
        _required("prompts", COUNT),
        _required("new_tokens", COUNT),
    ]
)

#: Text quality of an article (paper, section 3.5): means over its sentences. `quality` of the class value (3 clean
#: to 0 noise), `quality_weighted` of class value times the class's probability. Null without a sentence.
QUALITY = pa.schema(
    [
        _required("article_id", TEXT),
        _required("sentences", COUNT),
        pa.field("quality", REAL),
        pa.field("quality_weighted", REAL),
        pa.field("share_clean", REAL),
        pa.field("share_mild_gibberish", REAL),
        pa.field("share_word_salad", REAL),
        pa.field("share_noise", REAL),
    ]
)

#: exp of the mean negative log-likelihood of an article's tokens, under the base model and under its own writer.
#: Null when the text has fewer than two tokens.
PERPLEXITY = pa.schema(
    [
        _required("article_id", TEXT),
        _required("tokens", COUNT),
        pa.field("perplexity_base", REAL),
        pa.field("perplexity_generating", REAL),
    ]
)

#: One row an FFN output unit of one model version, ordered by layer and neuron. `weight_*` summarise the unit's
#: incoming weights in the second projection; `activation_*` are means over all real tokens of the probe set of the
#: FFN sublayer's output and of the whole block's output.
NEURONS = pa.schema(
    [
        _required("layer", pa.int16()),
        _required("neuron", COUNT),
        _required("weight_mean", REAL),
        _required("weight_l2", REAL),
        _required("activation_ffn", REAL),
        _required("activation_block", REAL),
    ]
)


def predictions(labels: Sequence[str]) -> pa.Schema:
    """Label probabilities of one generation's articles: `probability_{label}` sum to 1, `predicted` is the largest."""
    probabilities = [_required(f"probability_{label}", REAL) for label in labels]
    return pa.schema([_required("article_id", TEXT), _required("predicted", TEXT), *probabilities])


#: What a label's share is beside the plain one, each with an answer to one doubt about the classifier.
ROBUST_MEASURES = ("share_adjusted", "share_second", "share_readable", "mean_probability_calibrated")


def metrics(labels: Sequence[str]) -> pa.Schema:
    """One row a model version: every generation of every round, and the base model (`round` "base", no generation).

    Shares and probabilities are fractions; `_low` and `_high` are the ends of 95% intervals over articles. Further
    columns (`ROBUST_MEASURES` of every label) say whether a share is the classifier's doing: `share_adjusted_*` are
    corrected for its confusion matrix (`adjusted_misfit`: the share of articles that no correction explains),
    `mean_probability_calibrated_*` are mean probabilities at the temperature that fits its validation articles,
    `share_readable_*` count the `articles_readable` alone, whose text quality index reaches a threshold, and
    `share_second_*` are those of the candidate that came second, which agrees on `agreement` of the articles. They are
    null where they cannot be had: without readable articles or without a second candidate.
    """
    fields = [
        _required("round", TEXT),
        pa.field("generation", pa.int16()),
        _required("seed_set", TEXT),
        pa.field("strategy", TEXT),
        pa.field("decoding", TEXT),
        pa.field("tracked_label", TEXT),
        _required("articles", COUNT),
    ]
    for label in labels:
        fields += _interval(f"share_{label}", required=True) + _interval(f"mean_probability_{label}", required=True)
        for measure in ROBUST_MEASURES:
            fields += _interval(f"{measure}_{label}")
    fields += [pa.field("adjusted_misfit", pa.float64()), pa.field("articles_readable", COUNT), *_interval("agreement")]
    for name in ("text_quality_index", "text_quality_index_weighted", "perplexity_base", "perplexity_generating"):
        fields += _interval(name)
    return pa.schema(fields)


#: What the neurons are compared with: one row a model version, round by round, generations ascending. `label` is
#: the one that bias follows; `share` and `mean_probability` are its, fractions; the text quality indices run from 0
#: to 3.
NEURON_PANEL = pa.schema(
    [
        _required("round", TEXT),
        _required("generation", pa.int16()),
        _required("label", TEXT),
        _required("share", REAL),
        _required("mean_probability", REAL),
        pa.field("quality_class", REAL),
        pa.field("quality_weighted", REAL),
    ]
)

#: Pearson correlations over model versions. `measure` is "weight" or "activation", `outcome` "bias" or "quality".
#: Null where neuron or outcome is constant.
NEURON_CORRELATIONS = pa.schema(
    [
        _required("layer", pa.int16()),
        _required("neuron", COUNT),
        _required("measure", TEXT),
        _required("outcome", TEXT),
        pa.field("pearson", REAL),
    ]
)

#: One regression a neuron, measure and outcome (paper, equation 1), with Newey-West errors at the lags set and,
#: beside them, at the plug-in rule's; and p-values adjusted for the number of neurons. Estimates are in units of
#: the outcome per unit of the neuron. What could not be estimated is null and `reason` says why; else `reason` is
#: null.
NEURON_REGRESSION = pa.schema(
    [
        _required("layer", pa.int16()),
        _required("neuron", COUNT),
        _required("measure", TEXT),
        _required("outcome", TEXT),
        pa.field("estimate", REAL),
        pa.field("standard_error", REAL),
        pa.field("statistic", REAL),
        pa.field("p_value", REAL),
        pa.field("standard_error_plugin", REAL),
        pa.field("p_value_plugin", REAL),
        *(pa.field(f"p_value_{name}", REAL) for name in ("benjamini_hochberg", "benjamini_yekutieli", "bonferroni")),
        pa.field("reason", TEXT),
    ]
)

#: One row a measure: sets of neurons with p below `alpha` for each outcome and for both (paper, section 4.4).
#: `column` is the neurons column that was read; `rows`, `lags` and `lags_plugin` are those of the regressions on bias
#: (text quality may be known of fewer versions: `NEURON_OVERLAP` has both). `tested` could be in both sets;
#: `expected_both` and `p_overlap` (hypergeometric, `both` or more) are for independent sets among these. `_bh`
#: counts hold the false discovery rate at `alpha`, `_by` counts under any dependence; `_bonferroni` counts hold the
#: family-wise error; `_plugin` counts use the plug-in rule's lags. `true_nulls_*`: Storey's estimate of the share
#: of neurons that do not go with the outcome. `odds_ratio` of belonging to both sets, with its 95% interval for
#: independent neurons. `lags` is null where a rule chooses them for each neuron.
NEURON_SETS = pa.schema(
    [
        _required("measure", TEXT),
        _required("column", TEXT),
        _required("difference", TEXT),
        _required("reference", TEXT),
        _required("rows", COUNT),
        pa.field("lags", COUNT),
        _required("lags_plugin", COUNT),
        _required("alpha", REAL),
        *(_required(name, COUNT) for name in ("neurons", "tested_bias", "tested_quality", "tested")),
        *(_required(name, COUNT) for name in ("bias", "quality", "both")),
        pa.field("expected_both", REAL),
        pa.field("p_overlap", REAL),
        *_interval("odds_ratio"),
        *(pa.field(name, REAL) for name in ("true_nulls_bias", "true_nulls_quality")),
        *(_required(name, COUNT) for name in ("bias_bh", "quality_bh", "both_bh")),
        *(_required(name, COUNT) for name in ("bias_by", "quality_by", "both_by")),
        *(_required(name, COUNT) for name in ("bias_bonferroni", "quality_bonferroni", "both_bonferroni")),
        *(_required(name, COUNT) for name in ("bias_plugin", "quality_plugin", "both_plugin")),
    ]
)

#: What each permutation of the outcomes gives; permutation 0 is none. `scheme` names the moves. Counts of neurons
#: with p below alpha; `matched`: overlap of the strongest neurons, as many in each layer as the sets found have;
#: mean over layers of Spearman's correlation between |t| for bias and for quality; neurons whose two slopes have
#: one sign; largest |t|. `_bias_moved` and `_quality_moved`: the other outcome is left as it is. Null where nothing is
#: tested.
NEURON_NULL = pa.schema(
    [
        _required("scheme", TEXT),
        _required("measure", TEXT),
        _required("permutation", COUNT),
        *(_required(name, COUNT) for name in ("bias", "quality", "both")),
        *(_required(f"matched{moved}", COUNT) for moved in ("", "_bias_moved", "_quality_moved")),
        *(pa.field(f"rank_agreement{moved}", REAL) for moved in ("", "_bias_moved", "_quality_moved")),
        *(pa.field(f"same_sign{moved}", COUNT) for moved in ("", "_bias_moved", "_quality_moved")),
        *(pa.field(name, REAL) for name in ("maximum_bias", "maximum_quality")),
    ]
)

#: p-values by permutation, of a neuron by itself and of the largest statistic of all neurons (family-wise). Null where
#: there is no estimate.
NEURON_PERMUTED = pa.schema(
    [
        _required("layer", pa.int16()),
        _required("neuron", COUNT),
        _required("measure", TEXT),
        _required("outcome", TEXT),
        pa.field("p_value_permutation", REAL),
        pa.field("p_value_familywise", REAL),
    ]
)

#: The sets against what permutations give, one row a scheme, measure and layer, and one for all layers (`layer`
#: null). `_low` and `_high` are ends of the 95% range under permutation, `p_*` the share of permutations (none
#: included) whose value is no smaller, for `p_matched_fewer` no larger, than in fact; `p_rank_agreement` and
#: `p_same_sign` are two-sided. These two and `matched` compare the outcomes and are permuted in three ways: both
#: outcomes moved, bias alone, quality alone; the p-value is the largest, and `*_null` ("both", "bias", "quality") says
#: which way's range stands here, the one that the value found sits in best. `expected_both`: the overlap of independent
#: sets of these sizes among all neurons; `expected_by_layer`: of sets as large in each layer. `*_familywise`: neurons
#: whose |t| is above `threshold_*`, the (1 - alpha) quantile of the largest. `complete`: whether all permutations that
#: there are were used. `rows_*` and `lags_*` of the regressions; lags are null where a rule chooses them for each
#: neuron. `verdict` puts `matched` into words. Null where nothing is tested.
NEURON_OVERLAP = pa.schema(
    [
        _required("scheme", TEXT),
        _required("measure", TEXT),
        pa.field("layer", pa.int16()),
        _required("permutations", COUNT),
        _required("complete", pa.bool_()),
        *(_required(name, COUNT) for name in ("rows_bias", "rows_quality")),
        *(pa.field(name, COUNT) for name in ("lags_bias", "lags_quality")),
        _required("tested", COUNT),
        *(field for name in ("bias", "quality", "both", "matched") for field in _interval(name, required=True)),
        *(pa.field(f"p_{name}", REAL) for name in ("bias", "quality", "both", "matched", "matched_fewer")),
        _required("matched_null", TEXT),
        pa.field("expected_both", REAL),
        pa.field("expected_by_layer", REAL),
        *_interval("rank_agreement"),
        pa.field("p_rank_agreement", REAL),
        pa.field("rank_agreement_null", TEXT),
        *_interval("same_sign"),
        pa.field("p_same_sign", REAL),
        pa.field("same_sign_null", TEXT),
        *(pa.field(name, REAL) for name in ("threshold_bias", "threshold_quality")),
        *(pa.field(name, COUNT) for name in ("bias_familywise", "quality_familywise")),
        _required("verdict", TEXT),
    ]
)

#: How often a test rejects in simulated studies of this one's shape. `world`: "random_walks", "decaying_steps" or
#: "run_correlation" (the run's neurons mixed at random). `test`: "neuron" (one regression), "counts" (the
#: permutation test of the number of neurons), or a correction's name where effects are planted. `effect`:
#: correlation between the changes of a planted neuron and of the outcome, 0 where none is. `rejected`: share of the
#: neurons (of the studies for "counts") without an effect that are rejected, `standard_error` its Monte Carlo
#: error, `_low` and `_high` the 95% range over studies. `power`: share of the planted neurons that are found;
#: `false_discovery`: mean share of false ones among the found.
NEURON_CALIBRATION = pa.schema(
    [
        _required("world", TEXT),
        _required("test", TEXT),
        _required("difference", TEXT),
        _required("lags", TEXT),
        _required("reference", TEXT),
        _required("small_sample", pa.bool_()),
        _required("fixed_effects", pa.bool_()),
        _required("effect", REAL),
        _required("studies", COUNT),
        _required("rejected", REAL),
        _required("standard_error", REAL),
        *(pa.field(name, REAL) for name in ("rejected_low", "rejected_high", "power", "false_discovery")),
    ]
)

#: The counts under every combination of choices. `named` says whose choice a row is, where it is someone's.
NEURON_SENSITIVITY = pa.schema(
    [
        pa.field("named", TEXT),
        _required("measure", TEXT),
        _required("column", TEXT),
        _required("bias_measure", TEXT),
        _required("quality_measure", TEXT),
        _required("difference", TEXT),
        _required("reference", TEXT),
        _required("small_sample", pa.bool_()),
        *(_required(name, COUNT) for name in ("tested", "bias", "quality", "both")),
        pa.field("expected_both", REAL),
        *(_required(name, REAL) for name in ("both_low", "both_high")),
        *(pa.field(name, REAL) for name in ("p_bias", "p_quality")),
        _required("verdict", TEXT),
    ]
)

#: The Beta simulation (paper, appendix I.2): the distribution fitted in each generation, and the one that unlimited
#: samples would give. `method` is "weighted" or "plain".
BETA = pa.schema(
    [
        _required("method", TEXT),
        _required("generation", pa.int16()),
        *(_required(name, REAL) for name in ("a", "b", "mean", "standard_deviation")),
        *(_required(name, REAL) for name in ("closed_form_a", "closed_form_b")),
    ]
)

#: The paper's published numbers beside the run's own. `place`: where the number is published. `round` is the study's
#: and empty where it has none that is the published one; `quantity` is "share", "mean_probability",
#: "text_quality_index_weighted", "perplexity_base", "macro_f1", "loss", "article_probability" or a count of neurons
#: ("bias", "quality", "both"), and `subject` says of what. `_low` and `_high`: 95% intervals over articles, for counts
#: the range that chance gives. `*_change`: from generation 0, at generation 0 from the base model. `verdict`:
#: "within sampling error", "same direction", "different", "undecided" or "not comparable"; `note` says why.
COMPARISON = pa.schema(
    [
        _required("place", TEXT),
        pa.field("published_round", TEXT),
        pa.field("round", TEXT),
        pa.field("generation", pa.int16()),
        _required("quantity", TEXT),
        _required("subject", TEXT),
        *_interval("published"),
        *_interval("own"),
        *_interval("difference"),
        *_interval("published_change"),
        *_interval("own_change"),
        _required("verdict", TEXT),
        pa.field("note", TEXT),
    ]
)
