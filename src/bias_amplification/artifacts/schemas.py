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


def metrics(labels: Sequence[str]) -> pa.Schema:
    """One row a model version: every generation of every round, and the base model (`round` "base", no generation).

    Shares and probabilities are fractions; `_low` and `_high` are the ends of 95% intervals over articles.
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
    for name in ("text_quality_index", "text_quality_index_weighted", "perplexity_base", "perplexity_generating"):
        fields += _interval(name)
    return pa.schema(fields)


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

#: One regression a neuron, measure and outcome (paper, equation 1), with Newey-West errors at the lags set and, beside
#: them, at the plug-in rule's. Estimates are in units of the outcome per unit of the neuron. What could not be
#: estimated is null and `reason` says why; else `reason` is null.
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
        pa.field("reason", TEXT),
    ]
)

#: One row a measure: sets of neurons with p below `alpha` for each outcome and for both (paper, section 4.4). `column`
#: is the neurons column that was read, `rows` the regression's rows. `tested` could be in both sets; `expected_both`
#: and `p_overlap` (hypergeometric, `both` or more) are for independent sets among these. `_bh` counts hold the false
#: discovery rate at `alpha`; `_plugin` counts use the plug-in rule's lags.
NEURON_SETS = pa.schema(
    [
        _required("measure", TEXT),
        _required("column", TEXT),
        _required("difference", TEXT),
        _required("reference", TEXT),
        _required("rows", COUNT),
        _required("lags", COUNT),
        _required("lags_plugin", COUNT),
        _required("alpha", REAL),
        *(_required(name, COUNT) for name in ("neurons", "tested_bias", "tested_quality", "tested")),
        *(_required(name, COUNT) for name in ("bias", "quality", "both")),
        pa.field("expected_both", REAL),
        pa.field("p_overlap", REAL),
        *(_required(name, COUNT) for name in ("bias_bh", "quality_bh", "both_bh")),
        *(_required(name, COUNT) for name in ("bias_plugin", "quality_plugin", "both_plugin")),
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
