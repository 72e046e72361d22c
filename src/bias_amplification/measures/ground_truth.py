"""The leaning of articles by the words of the embedded press, and how often the classifier agrees with it."""

from collections.abc import Sequence

from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.corpus.press.lexicon import Lexicon, count_markers, lexicon_labels
from bias_amplification.measures.intervals import wilson_interval


def ground_truth_measures(
    texts: Sequence[str], predicted: Sequence[str | None], lexicon: Lexicon
) -> dict[str, float | int | None]:
    """Return the shares of labels by the words of one version's articles, and the classifier's agreement with them.

    No classifier takes part in the shares. Articles without a marker, and articles for which two labels are equally
    likely, have no label by their words and are left out of all shares.

    Parameters
    ----------
    texts
        Texts of the version's articles.
    predicted
        The label that the classifier gives to each article, in the same order; None for a text that is too short.
    lexicon
        The markers of each label, and the probabilities of voices.

    Returns
    -------
    dict
        `share_lexicon_{label}` of each label, `articles_lexicon` and `agreement_lexicon`
        (`schemas.ground_truth.LEXICON_COLUMNS`). Shares are fractions with Wilson's 95% interval in `_low` and `_high`.
        Shares are None if no article has a label by its words.
    """
    found = lexicon_labels(count_markers(texts, lexicon), lexicon)
    pairs = [(label, other) for label, other in zip(found, predicted, strict=True) if label is not None]
    hits = {f"{LEXICON_SHARE}_{name}": sum(label == name for label, _ in pairs) for name in lexicon.labels}
    hits["agreement_lexicon"] = sum(label == other for label, other in pairs)
    row: dict[str, float | int | None] = {"articles_lexicon": len(pairs)}
    for name, count in hits.items():
        interval = wilson_interval(count, len(pairs)) if pairs else (None, None, None)
        row |= zip((name, f"{name}_low", f"{name}_high"), interval, strict=True)
    return row
