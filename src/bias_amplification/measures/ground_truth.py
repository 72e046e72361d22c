"""The leaning of articles by the words of the embedded press, and how often the classifier agrees with it."""

from collections.abc import Sequence

import numpy as np

from bias_amplification.artifacts.schemas.ground_truth import LEXICON_SHARE
from bias_amplification.corpus.press.lexicon import Lexicon, count_markers, lexicon_labels


def ground_truth_measures(
    texts: Sequence[str], predicted: Sequence[str | None], lexicon: Lexicon
) -> dict[str, np.ndarray]:
    """Return whether each article of a version has each label by its words, and whether the classifier agrees.

    No classifier takes part in the labels by words.

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
        `share_lexicon_{label}` of each label and `agreement_lexicon`, [articles]: 1 or 0. NaN for articles without a
        marker, and for those for which two labels are equally likely: these have no label by their words.
    """
    found = lexicon_labels(count_markers(texts, lexicon), lexicon)
    pairs = list(zip(found, predicted, strict=True))

    def where_known(hits: Sequence[bool]) -> np.ndarray:
        return np.where([label is None for label in found], np.nan, hits)

    shares = {f"{LEXICON_SHARE}_{name}": where_known([label == name for label in found]) for name in lexicon.labels}
    return shares | {"agreement_lexicon": where_known([label == other for label, other in pairs])}
