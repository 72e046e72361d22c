"""Tables of replicates: means, differences with intervals that hold both kinds of error, and parts of the variance."""

from collections.abc import Sequence

import pyarrow as pa

from bias_amplification.artifacts.schemas.fields import COUNT, REAL, TEXT, interval, optional, required, table
from bias_amplification.artifacts.schemas.versions import metrics

#: Changes of rounds from generation 0 to the last generation, and differences of the changes of two rounds.
#:
#: kind              "change": of `round`; "control": `round` minus a control; "pair": `round` minus another round
#: outcome           "share" of the tracked label, its "mean_probability", or "quality" (text quality index)
#: other_*           the other round; null for a change
#: estimate_*        mean over replicates, and its 95% interval; null if no article has a value
#: degrees           degrees of freedom of the error between replicates; with one replicate, of that between articles
#: p_value_adjusted  by Holm's method, among the differences of the same kind and outcome
#: verdict           "rises", "falls", "told apart", "not told apart", "one replicate" or "no value"
#: articles          number of articles with a value: the mean of a replicate, rounded
#: articles_different  number of different articles with a value in all replicates
#: replicates_needed number of replicates with which a test finds a difference as large as the estimate in 80% of
#:                   studies, at the level that Holm's method asks of the smallest p-value of its kind and outcome.
#:                   Null if it is more than 1,000, or with one replicate
#: of_replicates     estimate of each replicate, in their order
CONTRASTS = table(
    required(TEXT, "kind", "outcome", "seed_set", "tracked_label", "round", "strategy"),
    optional(TEXT, "other_round", "other_strategy"),
    interval("estimate"),
    optional(REAL, "standard_error", "degrees", "p_value", "p_value_adjusted"),
    required(TEXT, "verdict"),
    required(COUNT, "replicates", "articles", "articles_different"),
    optional(COUNT, "replicates_needed"),
    required(pa.list_(REAL), "of_replicates"),
)

#: The variance of the articles' changes from generation 0 to the last generation, by its source: one row for each
#: component of each outcome, among the rounds with one seed set, one tracked label and the same articles.
#:
#: component                      "strategies", "replicates", "training", "articles" or "residual" (see
#:                                `measures.variance.variance_split`)
#: variance                       of one article in one replicate, in squared units of the outcome
#: share                          share of the sum of all components; null if the sum is 0
#: strategies, replicates, articles  numbers of each; articles as in `CONTRASTS`
#: rounds                         names of the rounds
VARIANCE = table(
    required(TEXT, "seed_set", "tracked_label", "outcome", "component"),
    required(REAL, "variance"),
    optional(REAL, "share"),
    required(COUNT, "strategies", "replicates", "articles"),
    required(pa.list_(TEXT), "rounds"),
)


def means(labels: Sequence[str]) -> pa.Schema:
    """Return the schema of the metrics' means over replicates: one row for each round and generation.

    The base model has one row for each seed set. The columns are those of `metrics`, with these differences.
    `replicates`, the number of replicates, takes the place of `replicate`. A measure is the mean of the replicates
    that have it; `*_replicates` counts them. `_low` and `_high` are the ends of a 95% interval between replicates,
    or over articles if only one replicate has the measure. Numbers of articles are rounded means.
    """
    columns = []
    for field in metrics(labels):
        columns.append(field.with_name("replicates") if field.name == "replicate" else field)
        if field.name.endswith("_high"):
            columns += required(COUNT, f"{field.name.removesuffix('_high')}_replicates")
    return pa.schema(columns)
