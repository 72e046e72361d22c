"""Tables of real articles."""

import pyarrow as pa

from bias_amplification.artifacts.schemas.fields import COUNT, FLAG, TEXT, optional, required, table

#: The corpus, a seed set, or the pretraining articles: one row for each article. Ids are unique.
ARTICLES = table(
    required(TEXT, "article_id"),
    optional(TEXT, "event_id", "outlet"),
    optional(pa.date32(), "date"),
    required(TEXT, "title", "body", "label"),
)

#: What reading, cleaning and identity removal did: one row for each kind of change or loss.
#:
#: kept      whether the articles stay in the corpus
#: articles  number of articles concerned
#: examples  ids of some of them
CLEANING = table(
    required(TEXT, "step", "finding"),
    required(FLAG, "kept"),
    required(COUNT, "articles"),
    optional(TEXT, "examples"),
)

#: The classifier's articles: one row for each article, and one more for each copy of an article that is resampled.
#:
#: copy     number of the copy, from 0
#: split_*  part of the row in each split: "train", "validation" or "test"; null if there are too few events
#:          or outlets to split by
CLASSIFIER_ARTICLES = table(
    ARTICLES,
    required(COUNT, "copy"),
    required(TEXT, "split_random"),
    optional(TEXT, "split_event", "split_outlet"),
)
