"""How many articles a seed set takes from the corpus, and how many stay for the classifier."""

from collections.abc import Mapping

from bias_amplification.artifacts.atomic import StudyError
from bias_amplification.study.sections import SeedSet

#: Fewest articles of each label that the classifier needs: ten are divided into 7, 2 and 1.
MINIMUM_PER_LABEL = 10

#: Share of a label's articles that a one-label seed set leaves to the classifier.
RESERVED_SHARE = 0.25


def articles_per_label(seed_set: SeedSet, available: Mapping[str, int]) -> int:
    """Return how many articles of each of its labels a seed set has.

    Parameters
    ----------
    seed_set
        Name, labels and size.
    available
        Number of the corpus's articles by label; a label without articles may be absent.

    Raises
    ------
    StudyError
        If the corpus has too few articles of a label.
    """
    count = seed_set.size // len(seed_set.labels)
    for label in seed_set.labels:
        own = available.get(label, 0)
        kept = reserved(own, seed_set)
        free = max(own - kept, 0)
        if len(seed_set.labels) == 1 and free:
            count = min(count, free)
        if free < count:
            beside = f" beside {kept} kept for the classifier" if kept else ""
            raise StudyError(
                f"seed_sets {seed_set.name} needs {count} articles of {label}, but the corpus has {free}{beside}: make "
                "size smaller."
            )
    return count


def repeatable(available: int, seed_set: SeedSet, count: int) -> int:
    """Return how many of a label's articles the draws of all replicates of a seed set may take together.

    The classifier keeps a quarter of the label's articles, and at least its minimum. One draw is always possible.

    Parameters
    ----------
    available
        Number of the label's articles in the corpus.
    seed_set
        The seed set.
    count
        Number of articles of the label in one draw.
    """
    kept = 0 if seed_set.shared_with_classifier else max(MINIMUM_PER_LABEL, round(RESERVED_SHARE * available))
    return max(count, available - kept)


def reserved(available: int, seed_set: SeedSet) -> int:
    """Return how many of a label's articles a seed set leaves to the classifier.

    A one-label set leaves a quarter of them, and at least the classifier's minimum. A set with several labels, or one
    that may share its articles with the classifier, leaves none.
    """
    if len(seed_set.labels) > 1 or seed_set.shared_with_classifier:
        return 0
    return max(MINIMUM_PER_LABEL, round(RESERVED_SHARE * available))
