"""Tables of model versions: what each is trained on, what it writes, and how this is measured."""

from collections.abc import Sequence

import pyarrow as pa

from bias_amplification.artifacts.schemas.diversity import DIVERSITY_MEASURES
from bias_amplification.artifacts.schemas.fields import (
    COUNT,
    GENERATION,
    REAL,
    TEXT,
    interval,
    optional,
    possible,
    required,
    table,
)
from bias_amplification.artifacts.schemas.ground_truth import LEXICON_COLUMNS, LEXICON_SHARE

#: The texts that a generation is trained on.
#:
#: origin  "seed_set", "real", or "generation_NN" of the same chain
TRAINING_SET = table(required(COUNT, "position"), required(TEXT, "origin", "article_id"))

#: The same with `title_id`, the article whose title stands above the text.
TRAINING_SET_WITH_TITLES = table(required(COUNT, "position"), required(TEXT, "origin", "article_id", "title_id"))

#: The course of a training: one row for each optimizer step.
#:
#: epoch  number of passes over the training set after the step
#: loss   mean cross-entropy, nats per token
TRAINING_LOG = table(required(COUNT, "step"), required(REAL, "epoch", "loss", "learning_rate"))

#: The articles that a model wrote: one row for each article of the seed set, in its order.
#:
#: title       the real title
#: head        the real words that the model's text continues, if they were its prompt; empty if prompts were blocks
#: text        the model's text
#: prompts     number of prompts that the text continues
#: new_tokens  number of tokens that the model wrote
GENERATED_ARTICLES = table(
    required(TEXT, "article_id", "title", "head", "text"), required(COUNT, "prompts", "new_tokens")
)

#: How much of each text has fallen apart (see `corpus.degenerate`). The base model's training texts are not looked at.
#:
#: words          number of words
#: repeated       share of the words that are repeated within the text
#: copied_prompt  share of the words that are copied from the text's prompts
#: copied         share of the words that are copied from the prompts or from the model's training texts
DEGENERATION = table(
    required(TEXT, "article_id"), required(COUNT, "words"), required(REAL, "repeated", "copied_prompt", "copied")
)

#: Kinds of degenerate texts, in the order of tables and figures (see docs/degenerate-texts.md).
DEGENERATE_KINDS = ("empty", "short", "repetitive", "copied")

#: Text quality of each article (paper, section 3.5): means over its sentences. Null if it has no sentence.
#:
#: quality           value of the sentence's class, from 3 (clean) to 0 (noise)
#: quality_weighted  this value times the probability of the class
#: share_*           share of the sentences in the class; the detector may have no class for repetition
QUALITY = table(
    required(TEXT, "article_id"),
    required(COUNT, "sentences"),
    optional(REAL, "quality", "quality_weighted"),
    optional(REAL, "share_clean", "share_mild_gibberish", "share_word_salad"),
    possible(REAL, "share_repetition"),
    optional(REAL, "share_noise"),
)

#: Perplexity of each article: exp of the mean negative log-likelihood of its tokens. Null if it has fewer than two.
#:
#: perplexity_base        under the base model
#: perplexity_generating  under the model that wrote it
PERPLEXITY = table(
    required(TEXT, "article_id"),
    required(COUNT, "tokens"),
    optional(REAL, "perplexity_base", "perplexity_generating"),
)

#: How much the detector of machine text takes each article for written by people.
HUMAN_LIKENESS = table(required(TEXT, "article_id"), required(REAL, "probability_human"))

#: Neurons of a model version: one row for each output unit of an FFN, ordered by layer and neuron.
#:
#: weight_*      mean and L2 norm of the unit's incoming weights in the FFN's second projection
#: activation_*  the unit's output of the FFN sublayer and of the whole block, each a mean over all tokens of the probe
#:               set, padding left out
NEURONS = table(
    required(GENERATION, "layer"),
    required(COUNT, "neuron"),
    required(REAL, "weight_mean", "weight_l2", "activation_ffn", "activation_block"),
)

#: Measures of a label's share that are robust to one fault of the classifier each (see `metrics`).
ROBUST_MEASURES = ("share_adjusted", "share_second", "share_readable", "mean_probability_calibrated")


def predictions(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the label probabilities of a version's articles.

    The probabilities of an article, `probability_{label}`, sum to 1. `predicted` is the label with the largest one. All
    are null for a text that is too short to have a label.
    """
    return table(
        required(TEXT, "article_id"), optional(TEXT, "predicted"), optional(REAL, *(f"probability_{n}" for n in labels))
    )


def changes(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the metrics' changes: one row for each replicate of each version, and one for all of them.

    The row for all replicates of a round together has no `replicate`. A number is the change of the metrics' column of
    the same name from generation 0 of the same replicate; at generation 0, from the base model with the same seed
    articles. `_low` and `_high` are the ends of its 95% interval, which is paired by article. In the row for several
    replicates it holds the errors of articles and of replicates. A change is null if one of the two has no value.
    """
    ends = (field.name for field in metrics(labels) if field.name.endswith("_low"))
    measures = (name.removesuffix("_low") for name in ends)
    return table(
        required(TEXT, "round"),
        optional(COUNT, "replicate"),
        required(GENERATION, "generation"),
        *(interval(measure) for measure in measures if measure not in DIVERSITY_MEASURES),
    )


def metrics(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the metrics: one row for each version, and one for the base model on each seed set.

    `replicate` is numbered from 1. A base model's row has the round "base" and no generation. Shares and probabilities
    are fractions of the `labelled` texts, which are not too short to have a label; they are null if there are none.
    `_low` and `_high` are the ends of 95% intervals over articles. `DEGENERATE_KINDS` are shares of all texts,
    `degenerate` is the share of those of any kind, and `readable` that of the readable texts. `ROBUST_MEASURES` show
    whether a share is an artefact of the classifier:

    - `share_adjusted_*`: shares corrected for the classifier's confusion matrix. `adjusted_misfit` is the share of the
      articles that no correction explains.
    - `share_second_*`: shares by the second-best candidate, which agrees with the selected one on the fraction
      `agreement` of the articles. Null without a second candidate.
    - `share_readable_*`: shares among the `articles_readable` articles that are of no degenerate kind and whose text
      quality index reaches a threshold. Null if there are none.
    - `mean_probability_calibrated_*`: mean probabilities at the temperature that fits the validation articles best.

    docs/diversity.md describes the `DIVERSITY_MEASURES`, docs/ground-truth.md the measures of the embedded press's
    words, which are null for other corpora.
    """
    of_labels = []
    for label in labels:
        of_labels += interval(f"share_{label}") + interval(f"mean_probability_{label}")
        of_labels += [field for measure in ROBUST_MEASURES for field in interval(f"{measure}_{label}")]
        of_labels += interval(f"{LEXICON_SHARE}_{label}")
    return table(
        required(TEXT, "round"),
        required(COUNT, "replicate"),
        optional(GENERATION, "generation"),
        required(TEXT, "seed_set"),
        optional(TEXT, "strategy", "decoding", "tracked_label"),
        required(COUNT, "articles", "labelled"),
        of_labels,
        optional(REAL, "adjusted_misfit"),
        optional(COUNT, "articles_readable"),
        interval("agreement"),
        interval("text_quality_index"),
        interval("text_quality_index_weighted"),
        interval("perplexity_base"),
        interval("perplexity_generating"),
        *(interval(kind) for kind in (*DEGENERATE_KINDS, "degenerate", "readable")),
        *(interval(measure) for measure in DIVERSITY_MEASURES),
        LEXICON_COLUMNS,
    )
