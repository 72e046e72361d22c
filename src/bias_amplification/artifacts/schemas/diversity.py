"""Tables of what is measured of the texts besides leaning and quality: their diversity, and changes of label."""

from bias_amplification.artifacts.schemas.fields import (
    COUNT,
    GENERATION,
    REAL,
    TEXT,
    interval,
    optional,
    required,
    table,
)

#: Measures that are means of a number of each article; `measures.article_measures` has a function for each.
ARTICLE_MEASURES = ("words",)

#: Measures of diversity, in the order of tables and figures (see docs/diversity.md).
DIVERSITY_MEASURES = (
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "repeated_4",
    "entropy_2",
    "entropy_3",
    "self_bleu",
    "compression_ratio",
    "embedding_spread",
    *ARTICLE_MEASURES,
)

#: Diversity of one version's articles: one row for each of `DIVERSITY_MEASURES`, in their order.
#:
#: value, low, high  the measure, and its 95% interval over articles; null if there are too few articles or words
#: articles          number of articles that the value is of
DIVERSITY = table(required(TEXT, "measure"), optional(REAL, "value", "low", "high"), required(COUNT, "articles"))

_VERSION = [
    *required(TEXT, "round"),
    *required(COUNT, "replicate"),
    *optional(GENERATION, "generation"),
    *required(TEXT, "seed_set"),
]

#: Articles by the label of the real article and by the label of what a model wrote from its prompts: one row for each
#: version and pair of labels. The base model has no generation.
#:
#: label      label of the real article; labels that the seed set lacks have no rows
#: predicted  label that the classifier gives to the model's article
#: articles   number of articles with both
#: share      `articles` divided by the number of texts with a label whose real article has the label; Wilson's 95%
#:            interval; null if there are none
TRANSITIONS = table(_VERSION, required(TEXT, "label", "predicted"), required(COUNT, "articles"), interval("share"))

#: Shares by event or topic: one row for each version, event with enough articles in the seed set, and label.
#:
#: articles       number of articles that the classifier gives the label
#: share          `articles` divided by the number of the event's texts with a label; Wilson's 95% interval; null if
#:                there are none
#: real_articles  number of the event's real articles with the label
EVENT_SHARES = table(
    _VERSION,
    required(TEXT, "event_id", "predicted"),
    required(COUNT, "articles"),
    interval("share"),
    required(COUNT, "real_articles"),
)
