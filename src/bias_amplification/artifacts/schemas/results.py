"""Tables of the theory's simulation and of the comparison with the paper."""

from bias_amplification.artifacts.schemas.fields import GENERATION, REAL, TEXT, interval, optional, required, table

#: The Beta simulation (paper, appendix I.2): one row for each method and generation.
#:
#: method         "weighted" or "plain" maximum likelihood
#: a, b           parameters of the fitted distribution
#: closed_form_*  parameters that an unlimited number of samples would give
BETA = table(
    required(TEXT, "method"),
    required(GENERATION, "generation"),
    required(REAL, "a", "b", "mean", "standard_deviation", "closed_form_a", "closed_form_b"),
)

#: The paper's numbers and the run's: one row for each published number.
#:
#: place             where the number is published
#: published_round   the paper's round
#: round             the study's round that corresponds to it; null if there is none
#: quantity          "share", "mean_probability", "text_quality_index_weighted", "perplexity_base", "macro_f1", "loss",
#:                   "article_probability", or a number of neurons: "bias", "quality", "both"
#: subject           what the quantity is of: a label, a classifier, a measure of neurons
#: *_low, *_high     95% intervals over articles, or for one new training if a round has several replicates; for numbers
#:                   of neurons, the range under permutation
#: *_change          change since generation 0; for generation 0, since the base model
#: verdict           "within sampling error", "same direction", "different", "undecided" or "not comparable"
#: note              reason of the verdict
COMPARISON = table(
    required(TEXT, "place"),
    optional(TEXT, "published_round", "round"),
    optional(GENERATION, "generation"),
    required(TEXT, "quantity", "subject"),
    *(interval(name) for name in ("published", "own", "difference", "published_change", "own_change")),
    required(TEXT, "verdict"),
    optional(TEXT, "note"),
)
