"""Columns of the metrics table that are counted with the lexicon of the embedded press (see docs/ground-truth.md)."""

from bias_amplification.artifacts.schemas.fields import COUNT, interval, optional

#: The measure of each label: its share among the articles that have a label by their words.
LEXICON_SHARE = "share_lexicon"

#: Columns for all labels together; null if the corpus is not the press.
#:
#: articles_lexicon   number of articles that have a label by their words
#: agreement_lexicon  share of them to which the classifier gives the same label; null if there are none
LEXICON_COLUMNS = [*optional(COUNT, "articles_lexicon"), *interval("agreement_lexicon")]
